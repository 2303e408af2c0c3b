"""How the person at a client can be asked: by a form that the client shows, or at a terminal beside it.

Handed to `callmux.rings.asking` by `callmux.process.approval`.
"""

from __future__ import annotations

from functools import partial

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux.context import ClientPort
from callmux.protocol.params import WAITING, members
from callmux.rings.asking import Contact, Reach
from callmux.session.request import Request
from callmux.session.session import Session

SHELL = "cli"
"""The kind of a client that is one of our own commands."""
SHELL_NAME = "callmux-cli"
"""The name that these give themselves."""


class _Capabilities(msgspec.Struct):
    elicitation: Raw | UnsetType = UNSET


_CAPABILITIES = msgspec.json.Decoder(_Capabilities)


def contact_of(client: ClientPort) -> Contact:
    """How its person can be asked."""
    session = client.session
    if not isinstance(session, Session):
        return Contact(Reach.TERMINAL)
    facts = session.facts
    waiting = partial(_tell, session, client) if facts.waits and isinstance(client, Request) else None
    heard = not isinstance(client, Request) or client.said.streams
    if heard and (facts.asks or shows_forms(client.capabilities)):
        return Contact(Reach.FORM, facts.client_name, waiting)
    if facts.client_kind == SHELL or facts.client_name == SHELL_NAME:
        return Contact(Reach.NOBODY, facts.client_name)
    return Contact(Reach.TERMINAL, facts.client_name, waiting)


def _tell(session: Session, request: Request, seconds: float) -> None:
    """Tells a bridge how long it is to be patient with a request, and, with 0, that this is over."""
    if request.id in session.peer.in_flight:
        request.notify(WAITING, msgspec.json.encode({"seconds": seconds}))


def shows_forms(capabilities: bytes) -> bool:
    """Whether a client shows forms to its person (MCP 2025-11-25, client/elicitation, "Capabilities": one
    that names no mode does)."""
    try:
        declared = _CAPABILITIES.decode(capabilities).elicitation
    except msgspec.MsgspecError:
        return False
    if declared is UNSET or bytes(declared)[:1] != b"{":
        return False
    modes = members(declared)
    return "form" in modes or "url" not in modes
