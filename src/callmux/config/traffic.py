"""Limits on traffic, and how lost servers are found again. Pure.

Read through `callmux.config.model`; used by `callmux.upstream.opening.reconnect`.
"""

from __future__ import annotations

from callmux.config import kinds
from callmux.config.section import Section


class ReconnectPolicy(Section, frozen=True, kw_only=True):
    """How a server that was lost is connected again.

    Attributes:
        initial_delay_ms: Wait before the first attempt; each later wait is twice as long.
        max_delay_ms: The longest wait; raised to `initialDelayMs` if lower.
        jitter_ratio: Up to which part each wait varies at random, 0 to 1.
        max_attempts: Attempts before giving up; `null` for no limit.
        fast_fail_during_backoff: Fail calls at once while waiting, instead of connecting for them.
    """

    initial_delay_ms: kinds.Milliseconds = 250
    max_delay_ms: kinds.Milliseconds = 10000
    jitter_ratio: kinds.Ratio = 0.2
    max_attempts: kinds.Attempts = None
    fast_fail_during_backoff: kinds.Flag = True


class AbuseControls(Section, frozen=True, kw_only=True):
    """Limits for the clients of a listener.

    Attributes:
        global_requests_per_minute: Requests of all clients together.
        principal_requests_per_minute: Requests of one principal.
        principal_max_in_flight: Requests of one principal at a time.
        cidr_allowlist: Addresses or networks that may connect; everybody where absent.
        cidr_denylist: Addresses or networks that may not, even if `cidrAllowlist` has them.
        trusted_proxies: Addresses or networks of proxies whose `X-Forwarded-For` is believed; nobody's where
            absent.
        address_failed_auth_per_minute: Wrong credentials of one address, until its further ones are refused
            unseen for the rest of a minute; 0 for any number. Needs `auth` only.
    """

    global_requests_per_minute: kinds.Positive | None = None
    principal_requests_per_minute: kinds.Positive | None = None
    principal_max_in_flight: kinds.Positive | None = None
    cidr_allowlist: tuple[kinds.Network, ...] = ()
    cidr_denylist: tuple[kinds.Network, ...] = ()
    trusted_proxies: tuple[kinds.Network, ...] = ()
    address_failed_auth_per_minute: kinds.NonNegative = 60
