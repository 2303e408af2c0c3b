"""How the person at a client can be asked: by a form that the client shows, or at a terminal beside it.

Handed to `callmux.rings.asking` by `callmux.process.approval`.
"""

from __future__ import annotations

from functools import partial

import msgspec

from callmux.context import ClientPort
from callmux.protocol.elicitation import FORM, modes
from callmux.protocol.params import WAITING
from callmux.rings.asking import Contact, Reach
from callmux.session.request import Request
from callmux.session.session import Session

SHELL = "cli"
"""The kind of a client that is one of our own commands."""
SHELL_NAME = "callmux-cli"
"""The name that these give themselves."""


def contact_of(client: ClientPort) -> Contact:
    """How its person can be asked."""
    session = client.session
    if not isinstance(session, Session):
        return Contact(Reach.TERMINAL)
    facts = session.facts
    waiting = partial(_tell, session, client) if facts.waits and isinstance(client, Request) else None
    heard = not isinstance(client, Request) or client.said.streams
    if heard and (facts.asks or FORM in modes(client.capabilities)):
        return Contact(Reach.FORM, facts.client_name, waiting)
    if facts.client_kind == SHELL or facts.client_name == SHELL_NAME:
        return Contact(Reach.NOBODY, facts.client_name)
    return Contact(Reach.TERMINAL, facts.client_name, waiting)


def _tell(session: Session, request: Request, seconds: float) -> None:
    """Tells a bridge how long it is to be patient with a request, and, with 0, that this is over."""
    if request.id in session.peer.in_flight:
        request.notify(WAITING, msgspec.json.encode({"seconds": seconds}))
