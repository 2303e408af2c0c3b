"""What can happen to servers, each as a frozen record. Pure.

Named through `callmux.observe.facts`, which has all the others.
"""

from __future__ import annotations

from callmux.observe.fact import Fact


class ServerUp(Fact, frozen=True, kw_only=True):
    """A server's main connection is open. Published by `callmux.upstream.opening.main_line`.

    Attributes:
        again: Whether it was up before: this is a reconnect.
        seconds: How long the attempt took.
        tools: How many tools it lists.
    """

    server: str
    again: bool
    seconds: float
    tools: int


class ServerDown(Fact, frozen=True, kw_only=True):
    """A server's main connection is lost. Published by `callmux.upstream.opening.main_line`.

    Attributes:
        reason: In words, without secrets.
    """

    server: str
    reason: str


class ConnectFailed(Fact, frozen=True, kw_only=True):
    """An attempt to connect to a server failed. Published by `callmux.upstream.opening.main_line`.

    Attributes:
        reason: In words, without secrets.
        attempt: The how manieth in a row; 0 where the connection was only to be replaced, and stays.
        next_seconds: When the next attempt is; None for never.
    """

    server: str
    reason: str
    attempt: int
    next_seconds: float | None


class ServerRemoved(Fact, frozen=True, kw_only=True):
    """A server of an earlier configuration ends. Published by `callmux.upstream.pool`."""

    server: str


class ListsChanged(Fact, frozen=True, kw_only=True):
    """Lists of a server have changed. Published by `callmux.upstream.pool` and `callmux.router.indexes`."""

    server: str


class ToolSuiteChanged(Fact, frozen=True, kw_only=True):
    """A server has other tools than before. Published by `callmux.upstream.pool`, after `ListsChanged`.

    Attributes:
        generation: The process's count of such changes.
        added, removed: Names of tools.
    """

    server: str
    generation: int
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class SignInNeeded(Fact, frozen=True, kw_only=True):
    """A server wants its user to sign in before it serves anybody. Published by whoever keeps a server's
    credentials.

    Attributes:
        url: Where to sign in, where that is known.
    """

    server: str
    url: str | None = None
