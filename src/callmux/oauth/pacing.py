"""When tokens may be renewed: not again at once where that failed, and never without a bound. Pure.

Called by `callmux.oauth.renewal`. What is counted is kept with the tokens, so that it holds over all
processes and all their restarts.
"""

from __future__ import annotations

import msgspec

from callmux.stores.sign_ins import Tokens, Trouble

FIRST_SECONDS = 5.0
LONGEST_SECONDS = 86_400.0
LONGEST_UNREACHED_SECONDS = 60.0
"""Where nobody was reached, nobody was troubled: a network that is back is used soon."""
MOST_A_DAY = 1500
"""Requests to a token endpoint for one account: about one a minute, whatever happens."""
DAY = 86_400.0
REST_SECONDS, LONGEST_REST_SECONDS = 30.0, 900.0
"""A token that was got because an earlier one was refused, and is refused itself, is not renewed before."""
STEADY_SECONDS = 3600.0
"""A server that took a token for so long refuses it for a reason of its own."""
AHEAD_SECONDS = 120.0
SKEW_SECONDS = 5.0


def is_due(tokens: Tokens, now: float) -> bool:
    """Whether the access token ends soon: it is renewed while it is still good."""
    return _ends(tokens, now, AHEAD_SECONDS, 0.25)


def is_over(tokens: Tokens, now: float) -> bool:
    """Whether the access token has ended, or will have by the time the server looks at it."""
    return _ends(tokens, now, SKEW_SECONDS, 0.1)


def _ends(tokens: Tokens, now: float, seconds: float, share: float) -> bool:
    if tokens.expires_at is None:
        return False
    life = max(tokens.expires_at - tokens.obtained_at, 0.0)
    return now >= tokens.expires_at - min(seconds, life * share)


def wait_of(trouble: Trouble, now: float) -> float:
    """Seconds until the next request may be made; 0 for now."""
    if trouble.day == _day(now) and trouble.requests >= MOST_A_DAY:
        return (_day(now) + 1) * DAY - now
    left = trouble.next_at - now
    # A clock that was set back must not keep us waiting for longer than we ever would.
    return 0.0 if left > LONGEST_SECONDS * 1.5 else max(left, 0.0)


def rest_of(trouble: Trouble, tokens: Tokens, now: float) -> float:
    """Seconds until tokens that the server refuses may be renewed; 0 for now."""
    if not trouble.refusals:
        return 0.0
    rest = min(REST_SECONDS * 2.0 ** min(trouble.refusals - 1, 30), LONGEST_REST_SECONDS)
    left = tokens.obtained_at + rest - now
    return 0.0 if left > LONGEST_REST_SECONDS else max(left, 0.0)


def begun(trouble: Trouble, now: float) -> Trouble:
    """A request is about to be made."""
    today = trouble.requests if trouble.day == _day(now) else 0
    return msgspec.structs.replace(trouble, day=_day(now), requests=today + 1, begun=True)


def failed(trouble: Trouble, now: float, *, reached: bool, chance: float) -> Trouble:
    """It brought nothing.

    Args:
        reached: Whether somebody was reached.
        chance: Between 0 and 1: spreads those who begin together.
    """
    longest = LONGEST_SECONDS if reached else LONGEST_UNREACHED_SECONDS
    pause = min(FIRST_SECONDS * 2.0 ** min(trouble.failures, 30), longest) * (0.8 + 0.4 * chance)
    return msgspec.structs.replace(trouble, failures=trouble.failures + 1, next_at=now + pause, begun=False)


def succeeded(trouble: Trouble, refused: Tokens | None = None, now: float = 0.0) -> Trouble:
    """It brought tokens.

    Args:
        refused: The tokens before, where the server refused them.
    """
    again = refused is not None and now - refused.obtained_at < STEADY_SECONDS
    refusals = trouble.refusals + 1 if again else 0 if refused is None else 1
    return msgspec.structs.replace(trouble, failures=0, next_at=0.0, begun=False, refusals=refusals)


def _day(now: float) -> int:
    return int(now // DAY)
