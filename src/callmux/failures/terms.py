"""The words of which the registry of failures is made. Pure.

Used by every module of `callmux.failures`. Named tuples: a failing command loads them, and nothing else does.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Repeat(Enum):
    """Whether the same thing may be tried again as it is."""

    YES = "yes, as it is: nothing was done"
    LATER = "yes, a little later: nothing was done"
    IF_SAFE = "only where doing it twice does no harm: it may have been done"
    NO = "no: it would fail in the same way, until something is changed"
    DONE = "no: it was done, and its own answer says so"


class Actor(Enum):
    """Who takes the next step."""

    AGENT = "the agent that made the call"
    USER = "the person at the agent"
    ADMINISTRATOR = "whoever keeps the configuration"
    AUTHOR = "the author of the server"
    NOBODY = "nobody: callmux goes on by itself"


class KnownFailure(NamedTuple):
    """One way in which something does not work.

    Attributes:
        id: What `callmux explain` takes: an error code, a code and its category with a dot, the name of a
            state, or `http_STATUS`.
        what: What it means, one sentence without a full stop.
        cause: What usually leads to it, sentences.
        repeat: Whether to try again.
        actor: Who takes the next step.
        step: The next step, in the imperative, one sentence without a full stop. `{name}` stands for a
            detail of the error, such as `{server}`.
        command: A command line or tool call that is, or begins, that step; empty where there is none. Its
            `{name}` are details, too.
    """

    id: str
    what: str
    cause: str
    repeat: Repeat
    actor: Actor
    step: str
    command: str = ""
