"""Serves one stdio client from a remote listener, and outlives it.

The `Handler` of the client's session (`callmux.session`); made by `callmux.cli.bridge`. Requests go out as
they came, through the link that `keeper` keeps. What fails on the way is sent again where that can do no
harm: always where the listener has seen nothing of it, else only what is safe to repeat.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux.bridge import greeting as greetings
from callmux.bridge import tool_call
from callmux.bridge.budget import Budget, budget
from callmux.bridge.client import HttpClient
from callmux.bridge.endpoint import Endpoint
from callmux.bridge.failures import GivenUp, LinkFailure, Reason, as_error, unsure
from callmux.bridge.keeper import Keeper, Patience, Revive
from callmux.bridge.link import Link
from callmux.bridge.listings import LISTS, SAFE_METHODS, Listings, uri_of
from callmux.bridge.pages import fit, pages_of
from callmux.bridge.plain_calls import LONGEST_SECONDS, PlainCall, Sent
from callmux.bridge.questions import Questions
from callmux.bridge.stateless import UNBOUNDED, Stateless
from callmux.context import ClientPort
from callmux.metatools.table import NAMES
from callmux.protocol import jsonrpc, nulls, versions
from callmux.protocol.calling import Calling, DirectCall, raw
from callmux.protocol.jsonrpc import METHOD_NOT_FOUND, Failure, Notification, Request, Response
from callmux.protocol.params import BRIDGED, LISTEN, WAITS
from callmux.protocol.upstream_peer import read_greeting
from callmux.session.facts import Said
from callmux.session.request import Request as Asking
from callmux.session.session import Session
from callmux.tasks import TaskSet

if TYPE_CHECKING:
    from callmux.protocol.modern import Asked

GREETING_SECONDS = 5.0
"""How long `initialize` waits for a listener that is starting or slow; not at all where nobody listens."""
LIST_SECONDS = 2.0
"""How long a list waits for a listener that is away before the last known one is given. A first one waits as
long as a call does: many clients never ask again."""
RESTORE_SECONDS = 5.0
REPLAYS = 8
"""How often a safe request that broke half-way is sent again; it may be what breaks the listener."""
REPLAY_SECONDS = 0.02


class _Greeting(msgspec.Struct, rename="camel"):
    protocol_version: object = None
    capabilities: Raw = Raw(b"{}")
    client_info: Raw | UnsetType = UNSET


_GREETING = msgspec.json.Decoder(_Greeting)


class Relay:
    """One client, one listener.

    Args:
        endpoint: Where the listener is.
        headers: Sent with every request.
        own_ms: `--call-timeout`, or None.
        patience: How long requests wait for a listener that is away.
        revive: Starts the listener where it does not run.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        headers: Mapping[str, str],
        own_ms: int | None = None,
        patience: Patience = Patience(),  # noqa: B008 (frozen)
        revive: Revive | None = None,
    ) -> None:
        self._endpoint, self._headers = endpoint, headers
        self._own_ms = own_ms
        self._plain = budget(None, own_ms)
        self._may_be_plain = self._plain.seconds > LONGEST_SECONDS
        self._loop = asyncio.get_running_loop()
        self._http = HttpClient(endpoint)
        self._session: Session | None = None
        self._listings = Listings()
        self._comparing: set[str] = set()
        self._level: bytes | None = None
        self._subscriptions: dict[str, bytes] = {}
        self._questions = Questions(lambda: self._session)
        self._tasks = TaskSet("relay")
        self._telling = asyncio.Lock()
        advice = endpoint.advice(may_start=revive is not None)
        self._keeper = Keeper(self._dial, self, patience, revive, advice)
        self._pages = partial(pages_of, self._link_now, self._plain.seconds)
        self._stateless = Stateless(self.handle, self._call, self._keeper)

    def __repr__(self) -> str:
        return f"Relay({self._endpoint.url!r}, {self._keeper!r})"

    def _link_now(self) -> Link | None:
        return self._keeper.link

    def _dial(self, ended: Callable[[Link], None]) -> Link:
        return Link(self._endpoint, self._http, self._headers, self._received, ended)

    # What the session calls.

    async def open(self, session: Session, params: Raw | None) -> bytes:
        """Answers as the listener does, or for it where it is not there."""
        self._session = session
        try:
            given = _GREETING.decode(params if params is not None else b"{}")
        except msgspec.MsgspecError:
            given = _Greeting()
        session.version = versions.agree(given.protocol_version)
        session.capabilities = bytes(given.capabilities)
        greeting: dict[str, object] = {
            "protocolVersion": session.version,
            "capabilities": given.capabilities,
            "clientInfo": greetings.IDENTITY,
        }
        about: dict[str, object] = {WAITS: True}
        if given.client_info is not UNSET:
            about[BRIDGED] = given.client_info
        greeting["_meta"] = about
        self._listings = Listings()
        self._keeper.start(msgspec.json.encode(greeting))
        try:
            link = await self._keeper.get(self._loop.time() + GREETING_SECONDS, hasty=True)
        except LinkFailure:
            return greetings.for_nobody(session.version)
        session.version = read_greeting(link.offer).protocol_version
        session.facts.declared = greetings.declared(link.offer)
        return greetings.of_listener(link.offer)

    def call(
        self, session: Session, params: DirectCall | Raw | None, port: ClientPort
    ) -> Coroutine[Any, Any, bytes | Raw] | None:
        self._session = session
        given, link = raw(params), self._keeper.ready if self._may_be_plain else None
        if link is None or given is None or type(port) is not Asking or tool_call.read(given).name in NAMES:
            # How long a meta-tool may take depends on what it calls.
            return self._call(given)
        return None if link.plain.begin(port, given, partial(self._go_on, link)) else self._call(given)

    def _go_on(self, link: Link, call: PlainCall, sent: Sent) -> None:
        """Answers a call as any other that has been sent."""
        assert self._session is not None
        self._session.follow(call.request, self._call(call.params, (link, sent)), call.params)
        assert call.request.task is not None
        call.request.task.add_done_callback(lambda _: sent.forget())

    async def handle(
        self, session: Session, method: str, params: Raw | None, port: ClientPort
    ) -> bytes | Raw:
        self._session = session
        try:
            time = UNBOUNDED if method == LISTEN else self._plain
            answer = await self._carry(method, params, time, self._safe_method(method))
        except GivenUp as given_up:
            if method in LISTS and (not session.stateless or self._listings.has(method)):
                page = self._listings.last(method, params)
                self._listings.saw(method, params, page, genuine=self._listings.has(method))
                return page
            if method == "logging/setLevel" and params is not None:
                # The next session is brought there.
                self._level = bytes(params)
                return b"{}"
            raise given_up.as_rpc(self._endpoint.url) from None
        if isinstance(answer, Failure):
            return self._refused(session, method, answer)
        result = bytes(fit(answer.result))
        if method in LISTS:
            result = nulls.page(LISTS[method][0], result)
        self._noted(method, params, result)
        return result

    def stateless(self, session: Session, message: Request | Calling, said: Said, *_: Asked | None) -> None:
        # What is read in one step comes over HTTP alone.
        assert isinstance(message, Request)
        self._session = session
        self._stateless.begin(session, message, said)

    def told(self, session: Session, method: str, params: Raw | None) -> None:
        if self._keeper.link is not None:
            self._tasks.spawn(self._tell(jsonrpc.notification(method, params)))

    # Requests.

    async def _call(self, params: Raw | None, sent: tuple[Link, Sent] | None = None) -> bytes | Raw:
        call = tool_call.read(params)
        plan = tool_call.plan_of(call)
        time = self._plain if plan is None else budget(plan, self._own_ms)

        async def safe() -> bool:
            if not self._listings.knows_tools():
                await self._learn_tools()
            return self._listings.is_safe(call.name, plan)

        try:
            answer = await self._carry("tools/call", params, time, safe, sent)
        except GivenUp as given_up:
            return given_up.as_result(self._endpoint.url, call.name).raw
        if isinstance(answer, Failure):
            raise as_error(answer)
        return fit(answer.result)

    def _safe_method(self, method: str) -> Callable[[], Awaitable[bool]]:
        async def safe() -> bool:
            return method in SAFE_METHODS

        return safe

    async def _carry(
        self,
        method: str,
        params: Raw | None,
        time: Budget,
        is_safe: Callable[[], Awaitable[bool]],
        sent: tuple[Link, Sent] | None = None,
    ) -> Response | Failure:
        """Sends a request until it is answered, or until that could do harm or is in vain.

        Args:
            sent: Where it was sent already.

        Raises:
            GivenUp: It was not answered.
        """
        deadline = (self._loop.time() if sent is None else sent[1].since) + time.seconds
        known = method in LISTS and self._listings.has(method)
        attempts = replays = expired = refused = 0
        started = safe = False
        while True:
            try:
                patience = min(deadline, self._loop.time() + LIST_SECONDS) if known else deadline
                link = await self._keeper.get(patience) if sent is None else sent[0]
            except LinkFailure as failure:
                raise GivenUp(failure, started=started, attempts=attempts, safe=safe) from None
            attempts += 1
            left, before, sent = deadline - self._loop.time(), sent and sent[1], None
            try:
                answer = await link.request(method, params, left, time.hard, sent=before)
                return unsure(answer) if started else answer
            except LinkFailure as failure:
                deadline += failure.stood
                started = started or failure.started
                again = False
                if failure.over:
                    self._keeper.expire(link)
                if not failure.untaken:
                    safe = await is_safe()
                may = failure.untaken or safe
                match failure.reason:
                    case Reason.UNREACHABLE:
                        self._keeper.doubt(link)
                        again = may
                    case Reason.SESSION:
                        expired += 1
                        again = may and expired < 3
                    case Reason.BUSY:
                        again = may and await self._pause(failure.pause(attempts), deadline)
                    case Reason.BROKEN:
                        replays += 1
                        pause = REPLAY_SECONDS * 2.0 ** (replays - 1)
                        again = may and replays <= REPLAYS and await self._pause(pause, deadline)
                    case Reason.LATE | Reason.REFUSED:
                        refused += 1
                        again = failure.untaken and refused < 2
                if not again or self._loop.time() >= deadline:
                    raise GivenUp(failure, started=started, attempts=attempts, safe=safe) from None

    async def _pause(self, seconds: float, deadline: float) -> bool:
        """Waits, where there is time for it; whether there was."""
        if self._loop.time() + seconds >= deadline:
            return False
        await asyncio.sleep(seconds)
        return True

    def _refused(self, session: Session, method: str, answer: Failure) -> bytes:
        error = as_error(answer)
        told = session.facts.declared
        promised = not session.stateless and (told is None or method.partition("/")[0] in told)
        if method in LISTS and error.code == METHOD_NOT_FOUND and promised:
            # It was declared for every listener, or by an earlier one; this one has none.
            return b'{"%b":[]}' % LISTS[method][0].encode()
        if method in LISTS:
            # What was shown before may not be for this client any more.
            self._listings.forget(method)
        raise error

    def _noted(self, method: str, params: Raw | None, result: bytes) -> None:
        """Keeps what the next session with the listener must know."""
        if method in LISTS:
            self._listings.saw(method, params, result)
        elif method == "logging/setLevel" and params is not None:
            self._level = bytes(params)
        elif method in ("resources/subscribe", "resources/unsubscribe") and params is not None:
            uri = uri_of(params)
            if method == "resources/subscribe":
                self._subscriptions[uri] = bytes(params)
            else:
                self._subscriptions.pop(uri, None)

    async def _tell(self, line: bytes) -> None:
        async with self._telling:
            if (link := self._keeper.link) is not None:
                with contextlib.suppress(LinkFailure):
                    await link.tell(line)

    # What the link brings.

    def _received(self, link: Link, message: Request | Notification, about: int | None) -> None:
        if isinstance(message, Request):
            self._questions.asked(link, message)
            return
        if message.method == "notifications/cancelled":
            self._questions.withdrawn(link, message.params)
            return
        if self._session is not None and self._session.stateless:
            if about is not None:
                for method, params in self._stateless.shown(message.method, message.params):
                    self._session.notify(method, params, about)
            return
        lists = [method for method, (_, note) in LISTS.items() if note == message.method]
        known = [method for method in lists if method in self._listings.listed()]
        if known:
            for method in known:
                self._compare(method)
        elif self._session is not None:
            self._session.notify(message.method, message.params)

    # What the keeper tells.

    async def restore(self, link: Link) -> None:
        requests = [("resources/subscribe", params) for params in self._subscriptions.values()]
        if self._level is not None:
            requests.append(("logging/setLevel", self._level))
        for method, params in requests:
            await link.request(method, params, RESTORE_SECONDS)

    def returned(self, fresh: bool) -> None:
        for method in self._listings.listed():
            self._compare(method)

    def gone(self, link: Link) -> None:
        self._questions.drop(link)

    # Lists.

    def _compare(self, method: str) -> None:
        """Tells the client of a list that is no longer what it has."""
        if self._session is not None and self._session.stateless:
            return
        if method not in self._comparing:
            self._comparing.add(method)
            self._tasks.spawn(self._compared(method)).add_done_callback(
                lambda _: self._comparing.discard(method)
            )

    async def _compared(self, method: str) -> None:
        pages = await self._pages(method, self._listings.pages(method))
        if pages and self._session is not None and self._listings.changed(method, pages):
            self._session.notify(LISTS[method][1], None)

    async def _learn_tools(self) -> None:
        """For a client that calls tools without having listed any."""
        with contextlib.suppress(LinkFailure):
            await self._keeper.get(self._loop.time() + LIST_SECONDS)
        for page in await self._pages("tools/list", 100):
            self._listings.learn(page)

    def flow(self, reading: bool) -> None:
        """Told by the transport when the client stops and begins to read: so do we, from the listener."""
        self._http.flow(reading)

    def hang_up(self) -> None:
        """The client has closed its end: what would go on for as long as it is there ends."""
        self._stateless.hang_up()

    def leaving(self) -> None:
        """The client has left: nothing is withdrawn one by one, the session ends as a whole."""
        if (link := self._keeper.link) is not None:
            link.abandon()

    async def close(self) -> None:
        """Ends the session with the listener, within a bound."""
        self._http.flow(True)
        await self._tasks.cancel()
        await self._questions.close()
        await self._keeper.close()
        self._http.close()
