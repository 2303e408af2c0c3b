"""How long to wait before each attempt to connect again, and when to give up. Pure.

Called by `callmux.upstream.server`; the caller sleeps. Policy keys: docs/configuration.md, `reconnectPolicy`.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec

from callmux.config.traffic import ReconnectPolicy


class Timing(msgspec.Struct, frozen=True):
    """How long things may take with one server.

    Attributes:
        connect_seconds: For the handshake, and again for each list.
        policy: When to connect again.
    """

    connect_seconds: float
    policy: ReconnectPolicy


def delay_seconds(
    policy: ReconnectPolicy,
    attempts: int,
    chance: Callable[[], float] = random.random,
    *,
    lasting: bool = False,
) -> float | None:
    """Seconds before the next attempt, after `attempts` in a row; None once the policy gives up.

    The delay doubles from `initialDelayMs` up to `maxDelayMs` and is spread by plus or minus `jitterRatio`.

    Args:
        lasting: Whether what failed will not go away by itself, such as a missing program: the longest delay.
    """
    if policy.max_attempts is not None and attempts >= policy.max_attempts:
        return None
    longest = max(policy.max_delay_ms, policy.initial_delay_ms)
    delay = min(float(longest), policy.initial_delay_ms * 2.0 ** min(attempts, 30))
    delay = float(longest) if lasting else delay
    return delay * (1 + policy.jitter_ratio * (2 * chance() - 1)) / 1000
