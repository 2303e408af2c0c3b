"""How long to wait before each attempt to connect again, and when to give up. Pure.

Called by `callmux.upstream.server`; the caller sleeps. Policy keys: docs/configuration.md, `reconnectPolicy`.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from callmux.config.model import Config
from callmux.config.traffic import ReconnectPolicy


class Timing(msgspec.Struct, frozen=True):
    """When one server runs, and how long things may take with it.

    Attributes:
        connect_seconds: For the handshake, and again for each list.
        policy: When to connect again.
        lazy: Whether it is started only by whoever needs it first.
        idle_seconds: How long it goes on once nothing depends on it; None for ever.
        most_processes: How many processes of it there may be; None for any number.
    """

    connect_seconds: float
    policy: ReconnectPolicy
    lazy: bool = False
    idle_seconds: float | None = None
    most_processes: int | None = None

    @property
    def on_demand(self) -> bool:
        """Whether it may be down because nobody needs it."""
        return self.lazy or self.idle_seconds is not None


def timing_of(config: Config, server: str) -> Timing:
    """The timing of one server of a configuration."""
    return Timing(
        config.connect_milliseconds(server) / 1000,
        config.reconnect_policy,
        config.is_lazy(server),
        config.idle_seconds(server),
        config.most_processes(server),
    )


def rest_seconds(policy: ReconnectPolicy, attempts: int) -> float:
    """Seconds for which nobody tries again after `attempts` in a row, where only whoever needs a connection
    tries: the delay of the policy, which never gives up here."""
    endless = msgspec.structs.replace(policy, max_attempts=None)
    return delay_seconds(endless, attempts) or 0.0


def delay_seconds(
    policy: ReconnectPolicy,
    attempts: int,
    chance: Callable[[], float] | None = None,
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
    if chance is None:
        from random import random

        chance = random
    return delay * (1 + policy.jitter_ratio * (2 * chance() - 1)) / 1000
