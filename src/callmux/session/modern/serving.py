"""The one place where requests of the revisions without a handshake are told apart and begun.

Called by `callmux.session.dispatch`, for every way by which clients come. A request is checked, stripped of
what the revision adds, and then goes the way of any other; what sessions have and this revision has not is
answered here: discovery, subscriptions, and requests that go on where an earlier one has stopped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from msgspec import Raw

from callmux.context import CallContext
from callmux.protocol import jsonrpc, modern, tasks
from callmux.protocol.caching import Freshness
from callmux.protocol.calling import Calling, DirectCall, raw
from callmux.protocol.extensions import ADDRESSED, LISTING, OWNERS
from callmux.protocol.jsonrpc import INVALID_PARAMS, METHOD_NOT_FOUND, RpcError
from callmux.protocol.methods import CAPABILITIES, RESOURCES_READ
from callmux.protocol.modern import CACHED, Asked
from callmux.protocol.params import DISCOVER, LISTEN, SUBSCRIBER, members, progress_token
from callmux.protocol.versions import MODERN
from callmux.rings.converting import as_result
from callmux.rings.ring import Job
from callmux.router.greeting import Portrait
from callmux.router.offers import Offers
from callmux.session.facts import BRIDGE, Said
from callmux.session.handler import Handler
from callmux.session.modern.listening import Listening, read
from callmux.session.modern.losing import Losing, in_doubt
from callmux.session.modern.parking import Parking
from callmux.session.modern.request import ModernRequest, Round, digest_of
from callmux.session.modern.saying import declared_by, discovery, has, in_one_spelling, is_lower
from callmux.session.modern.tasks import ExtendedTasks
from callmux.session.request import Request
from callmux.session.session import Session
from callmux.session.subscriptions import Subscriptions
from callmux.tasks import TaskSet

if TYPE_CHECKING:
    from callmux.guard.rights import Rights
    from callmux.router.router import Router

log = logging.getLogger(__name__)

LIST_MS = 60_000
"""How long clients may take a list for what it was, unless they hear of changes."""
DISCOVER_MS = 3_600_000
"""The same for what callmux says of itself, once every server is up."""
SUBSCRIBE_SECONDS = 5.0
"""How long the servers of resources may take before a subscription begins without them."""

_READ = frozenset({RESOURCES_READ, *LISTING, *ADDRESSED})
"""Requests whose answer says for how long it holds, and nobody tells when it does no longer."""
NOTHING = b"{}"
_NOTHING = Asked(MODERN[0], NOTHING)


class Permits(Protocol):
    """What clients may use: implemented by `callmux.process.entitlements`."""

    def rights_of(self, session: Session) -> Rights | None:
        """What the client of a session may use; None where all may use everything."""


class Images(Protocol):
    """What callmux says of itself: implemented by `callmux.process.portraits`."""

    @property
    def identity(self) -> bytes:
        """Who answers, as JSON."""

    @property
    def own(self) -> bytes:
        """The same, where callmux answers for itself."""

    def of(self, session: Session) -> Portrait:
        """What callmux says of itself to this client."""

    def listed(self, session: Session, kind: str) -> bytes:
        """A list as this client would be given it now."""

    def holds(self, session: Session, method: str) -> Freshness:
        """How long what servers list holds for this client, and whether it is for that client alone."""


class Wired(Protocol):
    """One configuration at work (`callmux.process.runtime.Runtime`)."""

    @property
    def router(self) -> Router: ...

    @property
    def is_transparent(self) -> bool: ...


class Process(Protocol):
    """The process as it is needed here: implemented by `callmux.process.host.Host`."""

    subscriptions: Subscriptions

    @property
    def runtime(self) -> Wired: ...

    @property
    def offers(self) -> Offers: ...

    @property
    def portraits(self) -> Images: ...

    @property
    def entitlements(self) -> Permits: ...

    def start(self, session: Session | None) -> None:
        """Begins to connect all servers; again without effect."""

    def add(self, session: Session, transport: str, id: str) -> None:
        """Tells a session of changes from now on."""

    async def remove(self, session: Session) -> None:
        """Gives up what a session held that is over."""

    async def set_level(self, session: Session) -> None:
        """Tells the servers the log level for this session."""


class Serving:
    """The requests of one process.

    Args:
        current: The process.
        handler: What requests lead to.
        parking: Where they wait for their clients.
    """

    def __init__(self, current: Process, handler: Handler[Session], parking: Parking[ModernRequest]) -> None:
        self._current = current
        self._handler = handler
        self._parking = parking
        self._tasks = TaskSet("stateless requests")
        self._listening: dict[ModernRequest, Listening] = {}
        self._extended = ExtendedTasks()
        self._losing: Losing[ModernRequest] = Losing(lambda plan: current.runtime.router.is_harmless(plan))

    def __repr__(self) -> str:
        return f"Serving({self._parking!r}, {len(self._listening)} subscriptions)"

    def receive(
        self, session: Session, message: jsonrpc.Request | Calling, said: Said, asked: Asked | None = None
    ) -> None:
        """Takes a request, which the session answers sooner or later; see `Handler.stateless`."""
        params, losing = message.params, self._losing
        if type(params) is DirectCall and asked is not None and asked.log_level is None:
            declared = in_one_spelling(asked.capabilities)
            if declared is not None and not (losing.going_on or losing.doubts):
                # What is done below for a call, where nothing stands in its way.
                current = self._current
                images = current.portraits
                request = ModernRequest(
                    session,
                    message.id,
                    message.method,
                    said,
                    asked=asked,
                    declared=declared,
                    way=session,
                    stripped=params,
                    parking=self._parking,
                    losing=losing,
                    info=images.identity if current.runtime.is_transparent else images.own,
                    over=session.over,
                )
                if declared != NOTHING and tasks.declares(declared):
                    request.told = self._told
                _introduce(session, request)
                session.enter(request, params)
                session.run(request, params)
                return
        request = ModernRequest(
            session,
            message.id,
            message.method,
            said,
            asked=_NOTHING,
            way=session,
            parking=self._parking,
            losing=self._losing,
            over=session.over,
        )
        session.enter(request, params)
        try:
            request.asked = asked or modern.read(message.method, raw(params))
            given = request.asked.capabilities
            request.declared = given if given == NOTHING else declared_by(given)
            _introduce(session, request)
            if isinstance(params, DirectCall):
                request.info = self._current.portraits.identity
                request.stripped = params
                self._run(session, request)
            else:
                self._begin(session, request, params)
        except RpcError as error:
            request.refused(error)

    def _begin(self, session: Session, request: ModernRequest, params: Raw | None) -> None:
        asked, method = request.asked, request.method
        portrait = None if method == "tools/call" else self._current.portraits.of(session)
        request.info = self._current.portraits.identity if portrait is None else portrait.info
        for key, answer in asked.answers.items():
            if bytes(answer)[:1] != b"{":
                raise RpcError(INVALID_PARAMS, f"inputResponses[{key!r}] must be an object")
        if asked.state is not None:
            session.follow(request, self._go_on(session, request, params), params)
            return
        needed = CAPABILITIES.get(method)
        if needed is None and method in OWNERS and self._current.offers.sole is None:
            needed = OWNERS[method].key
        if portrait is not None and needed is not None and not has(portrait, needed):
            raise RpcError(METHOD_NOT_FOUND, f"method not found: {method}")
        if portrait is not None and (method in CACHED or method in _READ):
            request.hints = partial(self._hints, session, method)
        if portrait is not None and method == DISCOVER:
            request.answered(discovery(portrait))
        elif portrait is not None and method == LISTEN:
            session.follow(request, self._listen(session, request, params, portrait), None)
        else:
            request.given = dict(asked.answers)
            request.stripped = modern.bare(params, answers=method == tasks.UPDATE)
            self._run(session, request)

    def _run(self, session: Session, request: ModernRequest) -> None:
        """Has a request go the way of any other."""
        declared, losing = request.declared, self._losing
        if declared != NOTHING and request.method == "tools/call" and tasks.declares(declared):
            request.told = self._told
        if (losing.going_on or losing.doubts) and self._made_anew(session, request):
            return
        level = request.asked.log_level
        if level is not None and is_lower(level, session.server_level):
            session.server_level = level
            self._tasks.spawn(self._leveled(session, request))
        else:
            session.run(request, request.stripped)

    def _hints(self, session: Session, method: str) -> bytes:
        if method in _READ:
            # Whoever wrote it knows who may see it, and has not said so.
            return modern.hints(0, private=True)
        portraits = self._current.portraits
        hold, most = portraits.holds(session, method), DISCOVER_MS if method == DISCOVER else LIST_MS
        is_known = portraits.of(session).complete
        return modern.hints(int(min(most, hold.ms)) if is_known else 0, private=hold.private)

    async def _leveled(self, session: Session, request: ModernRequest) -> None:
        """Begins with a request once its servers know which log messages it wants."""
        await self._current.set_level(session)
        if not request.ended:
            session.run(request, request.stripped)

    # Going on.

    async def _go_on(self, session: Session, request: ModernRequest, params: Raw | None) -> bytes:
        asked = request.asked
        assert asked.state is not None
        bare = modern.bare(params)
        parked = await self._parking.take(asked.state, request.owner, digest_of(request.method, bare))
        if request.ended:
            # Its client has left meanwhile: it cannot come again with a state that was used.
            parked.expire()
            raise RpcError(INVALID_PARAMS, "the client has left")
        token = progress_token(members(params).get("_meta"))
        session.let_go(request)
        parked.resume(Round(session, request.id, request.said, asked, request.declared, params, token))
        return b"{}"

    def _made_anew(self, session: Session, request: ModernRequest) -> bool:
        """Whether a request is one that its client has lost, and that goes on or has ended somehow."""
        if (lost := self._losing.take(request)) is not None:
            params = request.params
            token = progress_token(members(params).get("_meta"))
            session.let_go(request)
            lost.rejoin(
                Round(session, request.id, request.said, request.asked, request.declared, params, token)
            )
            # What is in flight under its id is the lost one: this one is over, and nobody is told.
            request.answered(b"{}")
            return True
        if self._losing.is_doubtful(request):
            request.answered(as_result(in_doubt(request.params)).raw)
            return True
        return False

    # Tasks.

    def _told(self, request: ModernRequest, job: Job, result: bytes) -> bytes:
        if job.plan is None or self._names_tasks_as_they_are(request):
            return result
        server, tool = self._current.runtime.router.tool_of(job.plan)
        return self._extended.told(result, server, tool, request.owner)

    def task(
        self, method: str, params: Raw | None, context: CallContext, request: Request
    ) -> Coroutine[Any, Any, bytes]:
        """The result of a request about one task."""
        assert isinstance(request, ModernRequest)
        offers = self._current.offers
        if self._names_tasks_as_they_are(request):
            return offers.other(method, params, context, None)
        return self._extended.answer(method, params, context, request.owner, offers)

    def _names_tasks_as_they_are(self, request: ModernRequest) -> bool:
        return not request.owner and self._current.runtime.is_transparent

    # Subscriptions.

    async def _listen(
        self, session: Session, request: ModernRequest, params: Raw | None, portrait: Portrait
    ) -> bytes:
        current, wanted = self._current, read(params, portrait.capabilities)
        current.start(session)

        def send(method: str, told: bytes) -> None:
            session.notify(method, told, request.id)

        listening = Listening(self._handler, _tag(session, request, params), wanted, send)
        listening.resemble(session)
        current.add(listening, "subscription", "")
        try:
            if isinstance(wanted.resource_subscriptions, list):
                wanted.resource_subscriptions = await self._subscribed(
                    listening, wanted.resource_subscriptions
                )
            for kind in listening.kinds:
                listening.seen[kind] = current.portraits.listed(listening, kind)
            listening.acknowledge()
            self._listening[request] = listening
            await listening.left.wait()
            return listening.result
        finally:
            self._listening.pop(request, None)
            self._tasks.spawn(current.remove(listening))

    async def _subscribed(self, listening: Listening, uris: Collection[str]) -> list[str]:
        """Those of the resources whose servers tell of changes."""

        async def one(uri: str) -> str | None:
            given = {"uri": Raw(msgspec.json.encode(uri))}
            try:
                async with asyncio.timeout(SUBSCRIBE_SECONDS):
                    await self._current.subscriptions.add(listening, uri, self._current.offers, given)
            except (RpcError, TimeoutError) as error:
                log.info("no updates of %s: %s", uri, error or "its server does not answer")
                return None
            return uri

        return [uri for uri in await asyncio.gather(*map(one, uris)) if uri is not None]

    def hang_up(self) -> None:
        """Ends every subscription: callmux is ending, or its client has left."""
        for listening in self._listening.values():
            listening.left.set()

    async def closed(self, session: Session) -> None:
        """Gives up what a client has left behind that is over."""
        await self._parking.forget(lambda request: request.session is session)
        self._losing.forget(lambda request: request.session is session)

    async def close(self) -> None:
        """Ends what works here."""
        self.hang_up()
        self._losing.close()
        # What ends by itself is answered first.
        await asyncio.sleep(0)
        await self._tasks.cancel()


def _tag(session: Session, request: ModernRequest, params: Raw | None) -> bytes:
    """The id that a client knows its subscription by: behind our bridge, that of its own request."""
    own = members(members(params).get("_meta")).get(SUBSCRIBER)
    if own is not None and session.facts.client_kind == BRIDGE:
        return bytes(own)
    return msgspec.json.encode(request.id)


def _introduce(session: Session, request: ModernRequest) -> None:
    """Takes from a request what it says of its client, where there was no handshake to say more."""
    session.stateless = not session.peer.greeted
    if not session.stateless and session.facts.client_kind != BRIDGE:
        # What a client has said of itself in its handshake stays what its session is.
        return
    # A bridge greets for itself: its client is of the revision that it names.
    session.version, session.capabilities = request.asked.version, request.declared
    if request.asked.client_name is not None:
        session.facts.client_name = request.asked.client_name
