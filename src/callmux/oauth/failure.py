"""Why a sign-in, or a renewal, did not come about. Pure.

Raised all over `callmux.oauth`; a command shows the text, a call gets it as part of its failure.
"""

from __future__ import annotations

from enum import Enum


class Why(Enum):
    """What follows from a failure."""

    UNREACHED = "there was no connection: nobody was asked"
    NETWORK = "nobody answered, or not in a usable way: it says nothing of the tokens"
    REVOKED = "the authorization server does not take the tokens any more"
    CLIENT = "the authorization server does not know the client any more"
    REFUSED = "the authorization server, or a person, said no"
    UNSAFE = "something is not as it must be for a safe sign-in"
    SETTINGS = "the configuration lacks something"


class SignInFailed(Exception):
    """It did not come about.

    Args:
        reason: What happened and what to do, for people; never a secret.
        why: What follows.
        code: The `error` of the authorization server, or empty.
    """

    def __init__(self, reason: str, why: Why = Why.REFUSED, code: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.why = why
        self.code = code

    @property
    def passes(self) -> bool:
        """Whether it says nothing of the tokens and may be over in a moment."""
        return self.why in (Why.UNREACHED, Why.NETWORK)
