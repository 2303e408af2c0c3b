"""What travels with a request: who asked, from where, and the way back to that client. Pure.

Made by a session for each request and passed, unchanged, through both rings.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

import msgspec
from msgspec import Raw

if TYPE_CHECKING:
    from callmux.guard.principal import Principal

_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_NOTHING: Mapping[str, str] = MappingProxyType({})
"""Shared by all who say nothing: a plain dict would be made anew for each."""


class Loan(msgspec.Struct):
    """What is known of a client whose session is lent to single requests, one at a time.

    Attributes:
        group: Stands for those to whom it is lent; sessions of one group may have each other's connections.
        free: Whether no request has it now.
    """

    group: object
    free: bool = False


class ClientPort(Protocol):
    """The way from an upstream's call back to the one client that caused it."""

    @property
    def session(self) -> ClientPort:
        """The client itself, where this is the port of one of its requests: two ports of one client differ,
        their sessions do not."""

    @property
    def version(self) -> str | None:
        """The MCP revision agreed on with the client; None before that."""

    @property
    def trace(self) -> object:
        """What the tracer keeps with the request, where this is the port of one that is traced."""

    @property
    def doing(self) -> str:
        """The tool or meta-tool that the request names, where this is the port of one that calls tools."""

    @property
    def capabilities(self) -> bytes:
        """What the client declared, as canonical JSON; `{}` before it greeted."""

    @property
    def kind(self) -> bytes:
        """What decides what servers list to it: what it declared and, behind a zero byte, the principal whose
        sign-ins it uses, where there is one."""

    @property
    def log_level(self) -> str | None:
        """The level it set with `logging/setLevel`, or None."""

    @property
    def server_level(self) -> str | None:
        """The level that servers with a handshake are told for it: the last one that it set, or a lower one
        that a request of its own asked for; None for none. With a level it needs connections of its own: logs
        name no request."""

    @property
    def reading(self) -> bool:
        """Whether it takes what it is sent; while it does not, no call begins that would bring it more."""

    @property
    def lasting(self) -> bool:
        """Whether the client is the only one of its session, so that what is remembered for that reaches
        nobody else."""

    @property
    def loan(self) -> Loan | None:
        """What is known of it where its session is lent to single requests; None for all others."""

    @property
    def parks(self) -> bool:
        """Whether its request is parked while it is asked: then it holds no slot."""

    async def until_reading(self) -> None:
        """Waits until `reading`."""

    def thought(self, since: float) -> float:
        """Seconds since a moment of the loop's clock in which its request was parked: nobody could go on
        with the request then but the client, and no time-out of a call counts them."""

    def notify(self, method: str, params: bytes | Raw | None) -> None:
        """Sends a notification, such as progress of the call; dropped once the client is gone."""

    async def ask(
        self,
        method: str,
        params: bytes | Raw | None,
        progress: Callable[[bytes], None] | None = None,
        name: str | None = None,
    ) -> bytes | Raw:
        """Asks the client something a server wants to know.

        Args:
            progress: Takes the params of the client's progress, under the server's own token.
            name: What the server calls its question: a client that is given several at once sees that name.

        Raises:
            RpcError: It refuses, or is gone.
        """


class Directory(msgspec.Struct, frozen=True):
    """Where a client works.

    Attributes:
        path: Absolute.
        named: Whether the client named it for its calls; else it is one of its MCP roots.
    """

    path: str
    named: bool = True


class Scope(msgspec.Struct, frozen=True):
    """What a connection to a server is for, where it is not for everybody.

    Attributes:
        cwd: The directory the server works in; None for the configured one.
        headers: HTTP headers of the client that go with every request: lower-case names, sorted.
        owner: The principal whose sign-in it uses; empty for that of everybody.
    """

    cwd: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    owner: str = ""

    def __repr__(self) -> str:
        # Values are secrets.
        names = [name for name, _ in self.headers]
        owner = f", of {self.owner!r}" if self.owner else ""
        return f"Scope({self.cwd!r}{f', headers {names}' if names else ''}{owner})"

    @property
    def credentials(self) -> str:
        """Names whose credentials it has without telling them; empty where there are none of its own."""
        headers = fingerprint(dict(self.headers))
        return f"{headers} {self.owner}" if self.owner else headers


def fingerprint(headers: Mapping[str, str]) -> str:
    """Stands for headers where they must not be seen: equal for equal headers, empty for none."""
    if not headers:
        return ""
    from hashlib import sha256

    digest = sha256(msgspec.json.encode(sorted(headers.items())))
    return digest.hexdigest()


class CallContext(msgspec.Struct, frozen=True):
    """The circumstances of one request.

    Attributes:
        client: The way back to the client.
        progress_token: The client's `_meta.progressToken`, raw, or None.
        find_cwd: Finds the directory that the client works in, by asking the client itself where nothing else
            says it; None where directories are never looked for (stdio: only those that calls name count).
        headers: Headers of the client's own request that servers may want, by lower-case name.
        about: What status shows of the request while it runs: `requestId`, `sessionId`, `cwd`; empty on
            stdio.
        elsewhere: Whether the client runs on another machine.
        owner: Whom kept results belong to: the principal and credentials of the client; empty where there is
            only one user, who may read everything.
        principal: Who asked; None where nobody is asked for a credential.
        profile: The profile that the session began in; empty for none.
        audiences: For whom the credential was issued that let the request in, which may be in `headers`; None
            where it showed none to us, so that its credentials are for servers.
        remote: Whether the caller may be somebody else than the user of this machine (a client of a
            listener): files are read for it only inside the configured roots.
    """

    client: ClientPort
    progress_token: Raw | None = None
    find_cwd: Callable[[], Directory | Awaitable[Directory | None] | None] | None = None
    headers: Mapping[str, str] = _NOTHING
    about: Mapping[str, str] = _NOTHING
    elsewhere: bool = False
    remote: bool = False
    owner: str = ""
    principal: Principal | None = None
    audiences: tuple[str, ...] | None = None
    profile: str = ""

    def mark(self, token: Raw) -> None:
        """Enters the progress token, which stands in the params: before they are read, nobody else has the
        context yet."""
        msgspec.structs.force_setattr(self, "progress_token", token)

    def progressed(self, params: Raw) -> None:
        """Passes progress on under the client's own token."""
        changed = _MEMBERS.decode(params)
        if self.progress_token is not None:
            changed["progressToken"] = self.progress_token
        self.client.notify("notifications/progress", msgspec.json.encode(changed))

    async def directory(self) -> Directory | None:
        """The directory that the client works in, as `find_cwd` finds it; None where nobody knows."""
        found = None if self.find_cwd is None else self.find_cwd()
        return found if found is None or isinstance(found, Directory) else await found
