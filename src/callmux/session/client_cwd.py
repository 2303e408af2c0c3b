"""Finds the directory a client works in, asking the client itself where nothing else says it.

Called by `callmux.session.dispatch`, on behalf of the calls that need to know. The rules are those of
`callmux.session.cwd`. Roots are asked for once; a client that says they have changed is asked again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Raw

from callmux.context import CallContext, ClientPort, Directory, fingerprint
from callmux.protocol.calling import DirectCall, raw
from callmux.protocol.jsonrpc import RpcError
from callmux.session import cwd
from callmux.session.facts import NOTHING, Facts
from callmux.session.request import Request, SessionPort

if TYPE_CHECKING:
    from callmux.guard.principal import Principal

log = logging.getLogger(__name__)

ROOTS_SECONDS = 1.0
"""How long a client may take to list its roots."""


def circumstances(port: ClientPort, params: DirectCall | Raw | None) -> CallContext:
    """The context of a request of a listener's client.

    Args:
        port: The way back to the client for this request.
        params: The request's.
    """
    # Whoever comes over the network need not be the user of this machine.
    if not isinstance(port, Request):
        return CallContext(client=port, remote=True)
    facts = port.session.facts
    said, where = port.said, port.said.cwd or facts.cwd
    if said is NOTHING:
        principal = facts.principal
        owner = owner_of(principal, {})
        return CallContext(client=port, remote=True, owner=owner, principal=principal, profile=facts.profile)
    about = {"requestId": said.request_id, "sessionId": said.session_id}
    principal, headers = said.principal, said.headers
    # By position: with each call of a listener, names of arguments would cost as much again.
    return CallContext(
        port,
        None,
        partial(find, port, params),
        headers,
        about if where is None else {**about, "cwd": where},
        said.elsewhere,
        True,
        owner_of(principal, headers) if principal or headers else "",
        principal,
        said.audiences,
        facts.profile,
    )


def on_behalf_of(session: SessionPort) -> CallContext:
    """The context of what callmux asks for by itself, because a session wants it."""
    facts = session.facts
    return CallContext(client=session, principal=facts.principal, profile=facts.profile)


def local(request: Request) -> CallContext:
    """The context of a request on stdio where rules apply."""
    facts = request.session.facts
    return CallContext(client=request, principal=facts.principal, profile=facts.profile)


def owner_of(principal: Principal | None, headers: Mapping[str, str]) -> str:
    """Whom results and parked requests belong to. The credential of a principal is renewed while the
    principal stays."""
    if principal is None:
        return fingerprint(headers) if headers else ""
    owner = f"principal:{principal.label}"
    if not headers:
        return owner
    others = fingerprint({name: value for name, value in headers.items() if name != "authorization"})
    return f"{owner} {others}" if others else owner


def find(
    port: Request, params: DirectCall | Raw | None
) -> Directory | Coroutine[Any, Any, Directory | None] | None:
    """The directory for a request; None where nobody knows. It is kept for later requests of the session.
    Where the client itself must be asked, what gives it then."""
    facts, said = port.session.facts, port.said
    if type(params) is DirectCall:
        params = None if params.meta is None else params.raw()
    if params is not None and (path := cwd.from_meta(raw(params))) is not None:
        facts.cwd, facts.cwd_source = path, "meta"
        return Directory(path)
    if said.cwd is not None:
        return Directory(said.cwd)
    if facts.cwd is not None:
        return _known(facts)
    if not (port.asks_roots and said.streams):
        return None
    # `in` costs an exception, `find` twice as much.
    if port.capabilities.partition(b'"roots"')[1] and (not facts.roots_asked or facts.asking.locked()):
        return _asked(port, facts)
    return None


def _known(facts: Facts) -> Directory | None:
    return None if facts.cwd is None else Directory(facts.cwd, named=facts.cwd_source != "roots")


async def _asked(port: Request, facts: Facts) -> Directory | None:
    await _ask(port, facts)
    return _known(facts)


async def _ask(port: Request, facts: Facts) -> None:
    # Calls that come together ask together.
    async with facts.asking:
        while not facts.roots_asked:
            facts.roots_asked = True
            try:
                async with asyncio.timeout(ROOTS_SECONDS):
                    path = cwd.from_roots(await port.ask("roots/list", None))
            except (RpcError, TimeoutError) as error:
                log.info("could not list the roots of a client: %s", error or "it does not answer")
                return
            except asyncio.CancelledError:
                # Whoever waits behind this one asks for itself.
                facts.roots_asked = False
                raise
            # They may have changed while they were on their way: then they are asked for once more.
            if facts.roots_asked and facts.cwd is None and path is not None:
                facts.cwd, facts.cwd_source = path, "roots"


def roots_changed(facts: Facts) -> None:
    """Forgets the roots of a client that says they have changed."""
    facts.roots_asked = False
    if facts.cwd_source == "roots":
        facts.cwd = facts.cwd_source = None
