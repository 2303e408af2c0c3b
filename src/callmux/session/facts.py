"""What is known of a client beside its messages: of its session, and of each single request.

Kept by `callmux.session.session`; filled by the HTTP transport and by `callmux.session.client_cwd`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw

from callmux.depth import is_deeper
from callmux.session.usage import Usage

if TYPE_CHECKING:
    from callmux.guard.principal import Principal

BRIDGE = "stdio-bridge"
"""The kind of a client that is our own bridge."""


class Said(msgspec.Struct, frozen=True):
    """What one HTTP request says beside its message: true for that request alone. Whoever makes one with each
    request does so by position: names of arguments cost as much again.

    Attributes:
        cwd: The directory in its header.
        headers: Its headers that servers may want, by lower-case name.
        elsewhere: Whether it comes from another machine.
        streams: Whether its answer may be an event stream, so the client can be asked things meanwhile.
        session_id: Names its session in status.
        request_id: Its `x-request-id`.
        principal: Who it is from, where that is asked.
        trace: What its headers say of the trace it belongs to, where somebody traces.
        audiences: For whom the credential was issued that let it in; None where it showed none to us.
    """

    cwd: str | None = None
    headers: Mapping[str, str] = {}
    elsewhere: bool = False
    streams: bool = True
    session_id: str = ""
    request_id: str = ""
    principal: Principal | None = None
    trace: Mapping[str, str] = {}
    audiences: tuple[str, ...] | None = None


NOTHING = Said()
"""What a request says that came without HTTP."""


class Facts:
    """What a client's requests and its roots say of it.

    Attributes:
        cwd: The directory it works in, absolute; None where unknown.
        cwd_source: Where that was said last: `header`, `meta` or `roots`.
        client_name: The name in its `clientInfo`.
        client_kind: `stdio-bridge` or `cli`, where it is one of ours.
        asks: It is a command of ours on a terminal, where a person can be asked for approval.
        waits: It is a bridge that is to know when a person is asked.
        declared: What the greeting declared to it (`callmux.protocol.methods`); None where it had none here.
        principal: Who its latest request was from; None where nobody is asked.
        profile: The profile it began in; empty for none.
        roots_asked: It was asked for its roots.
        asking: Held while it is.
        usage: What its conversation costs.
    """

    __slots__ = (
        "asking",
        "asks",
        "client_kind",
        "client_name",
        "cwd",
        "cwd_source",
        "declared",
        "principal",
        "profile",
        "roots_asked",
        "usage",
        "waits",
    )

    def __init__(self) -> None:
        self.cwd: str | None = None
        self.cwd_source: str | None = None
        self.client_name: str | None = None
        self.client_kind: str | None = None
        self.asks = self.waits = False
        self.declared: frozenset[str] | None = None
        self.principal: Principal | None = None
        self.profile = ""
        self.roots_asked = False
        self.asking = asyncio.Lock()
        self.usage = Usage()


def kind_of(capabilities: bytes, principal: Principal | None) -> bytes:
    """The kind of a client; see `callmux.context.ClientPort`."""
    if principal is None:
        return capabilities
    from callmux.guard.principal import signer_of

    if not (owner := signer_of(principal)):
        return capabilities
    return capabilities + b"\0" + owner.encode("utf-8", "surrogatepass")


def canonical(capabilities: dict[str, Raw]) -> bytes:
    """What a client declared, in one spelling: keys sorted at every level. Numbers and texts stay as they
    came: what no reader here could hold (1e400, thousands of digits) may mean something to a server.

    Raises:
        ValueError: It is nested too deeply.
    """
    encoded = msgspec.json.encode(capabilities)
    if is_deeper(encoded):
        raise ValueError("capabilities are nested too deeply")
    return _sorted(encoded)


_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_ITEMS = msgspec.json.Decoder(list[Raw])


def _sorted(raw: bytes | Raw) -> bytes:
    raw = bytes(raw).strip()
    if raw[:1] == b"{":
        members = sorted(_MEMBERS.decode(raw).items())
        return msgspec.json.encode({key: Raw(_sorted(value)) for key, value in members})
    if raw[:1] == b"[":
        return b"[%b]" % b",".join(map(_sorted, _ITEMS.decode(raw)))
    return raw


class Nobody:
    """Who asks without a session, such as for `/ready`: nothing is declared.

    Args:
        principal: Whom the credentials of the request stand for.
    """

    capabilities = b"{}"
    session = None

    def __init__(self, principal: Principal | None) -> None:
        self.kind = kind_of(self.capabilities, principal)
