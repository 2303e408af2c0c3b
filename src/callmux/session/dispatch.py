"""Method -> handler, for clients that talk MCP to the servers behind callmux.

Called by sessions; calls the router and the offers of whichever runtime is current, so that a reload is not
noticed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from msgspec import Raw

from callmux.context import CallContext, ClientPort
from callmux.errors import CallmuxError
from callmux.protocol import jsonrpc, versions
from callmux.protocol.calling import Calling, DirectCall
from callmux.protocol.extensions import OWNERS, TASK_REQUESTS
from callmux.protocol.jsonrpc import RpcError
from callmux.protocol.methods import CAPABILITIES, declared
from callmux.protocol.params import ASKS, BRIDGED, LEVELS, WAITS, members
from callmux.protocol.shapes import Result
from callmux.rings.ring import Job, start
from callmux.rings.stage import Outcome
from callmux.session.client_cwd import circumstances, local, roots_changed
from callmux.session.facts import Said, canonical
from callmux.session.request import Request
from callmux.session.session import Session
from callmux.session.subscriptions import Subscriptions
from callmux.session.tasks import RemoteTasks

if TYPE_CHECKING:
    from callmux.protocol.modern import Asked
    from callmux.router.indexes import Indexes
    from callmux.router.offers import Offers
    from callmux.router.tool_lists import ToolLists
    from callmux.session.consumption import Consumption
    from callmux.session.modern.parking import Parking
    from callmux.session.modern.request import ModernRequest
    from callmux.session.modern.serving import Permits, Process, Serving, Wired

    class Indexed(Wired, Protocol):
        """One configuration at work (`callmux.process.runtime.Runtime`)."""

        @property
        def indexes(self) -> Indexes: ...

        @property
        def lists(self) -> ToolLists: ...

    class Current(Process, Protocol):
        """The process as a dispatcher needs it: implemented by `callmux.process.host.Host`."""

        @property
        def runtime(self) -> Indexed: ...

        subscriptions: Subscriptions
        single: bool
        started: bool

        @property
        def offers(self) -> Offers: ...

        unguarded: bool

        @property
        def entitlements(self) -> Entitled: ...

        async def greet(self, session: Session, version: str) -> bytes:
            """Starts what must be started for this client; gives the result of `initialize`."""

        async def listed_for(self, session: Session) -> None:
            """Waits until it is known what every server lists to this client."""

        def pass_on(self, session: Session, method: str, params: Raw | None) -> None:
            """Hands a client's notification to its servers."""

    class Entitled(Permits, Protocol):
        """What the clients of sessions may use: implemented by `callmux.process.entitlements`."""

        def may_call(self, session: Session, server: str, tool: str) -> bool:
            """Whether it may call a tool, by its server's key and its own name."""


class _ClientInfo(msgspec.Struct):
    name: str = ""


class _Meta(msgspec.Struct):
    client: _ClientInfo | None = msgspec.field(default=None, name=BRIDGED)
    waits: Any = msgspec.field(default=None, name=WAITS)
    asks: Any = msgspec.field(default=None, name=ASKS)


class _InitializeParams(msgspec.Struct, rename="camel"):
    protocol_version: str | None = None
    capabilities: dict[str, Raw] = {}
    client_info: _ClientInfo | None = None
    meta: _Meta | None = msgspec.field(default=None, name="_meta")


_INITIALIZE = msgspec.json.Decoder(_InitializeParams)
_EMPTY = b"{}"
REFUSED = b""
"""Stands for a list that a client may see nothing of."""
_OF_ONE_TASK = frozenset({"tasks/get", "tasks/result", "tasks/cancel"})


class Dispatch:
    """The methods of MCP.

    Args:
        current: The process.
        parking: Makes what requests wait in for clients that come again, once it is needed.

    Attributes:
        changed: Told of a session of which something else holds from now on, before its client hears of it;
            None where nobody else needs to know.
    """

    def __init__(self, current: Current, parking: Callable[[], Parking[ModernRequest]]) -> None:
        self._current = current
        self._parking = parking
        self._serving: Serving | None = None
        self._tasks = RemoteTasks()
        self.changed: Callable[[Session], Awaitable[None]] | None = None
        self._methods: dict[str, Callable[[Session, Raw | None, CallContext], Coroutine[Any, Any, bytes]]] = {
            "tools/list": self._list_tools,
            "prompts/list": lambda s, p, c: self._list(s, p, "prompts"),
            "prompts/get": lambda s, p, c: self._current.offers.get_prompt(p, c),
            "resources/list": lambda s, p, c: self._list(s, p, "resources"),
            "resources/templates/list": lambda s, p, c: self._list(s, p, "resourceTemplates"),
            "resources/read": lambda s, p, c: self._current.offers.read_resource(p, c),
            "resources/subscribe": lambda s, p, c: self._subscribe(s, p, on=True),
            "resources/unsubscribe": lambda s, p, c: self._subscribe(s, p, on=False),
            "completion/complete": lambda s, p, c: self._current.offers.complete(p, c),
            "logging/setLevel": self._set_level,
            "tasks/list": self._list_tasks,
        }

    async def open(self, session: Session, params: Raw | None) -> bytes:
        """The result of `initialize`."""
        try:
            asked = _INITIALIZE.decode(params if params is not None else _EMPTY)
        except msgspec.MsgspecError as error:
            raise RpcError(jsonrpc.INVALID_PARAMS, f"initialize: {error}") from None
        try:
            session.capabilities = canonical(asked.capabilities)
        except ValueError as error:
            raise RpcError(jsonrpc.INVALID_PARAMS, f"initialize: {error}") from None
        session.version = versions.agree(asked.protocol_version)
        bridged = asked.meta.client if asked.meta is not None else None
        session.facts.waits = asked.meta is not None and asked.meta.waits is True
        session.facts.asks = asked.meta is not None and asked.meta.asks is True
        about = bridged or asked.client_info
        session.facts.client_name = about.name if about is not None else None
        answer = await self._current.greet(session, session.version)
        session.facts.declared = declared(members(answer).get("capabilities", _EMPTY))
        await self._has_changed(session)
        return answer

    async def _has_changed(self, session: Session) -> None:
        if self.changed is not None:
            await self.changed(session)

    def call(self, session: Session, params: DirectCall | Raw | None, request: Request) -> None:
        current = self._current
        if not current.started:
            current.start(None)
        if current.unguarded:
            context = CallContext(request)
        elif current.single:
            context = local(request)
        else:
            context = circumstances(request, params)
        try:
            job = current.runtime.router.job(params, context, request.finish, request.started)
        except CallmuxError as error:
            from callmux.rings.converting import as_result

            request.answered(as_result(error).raw)
            return
        if context.progress_token is not None:
            session.pulse.watch(request, context.progress_token)
        if job.makes_task:
            job.done = partial(self._called, request)
        request.job = job
        start(job)

    def handle(
        self, session: Session, method: str, params: Raw | None, request: Request
    ) -> Coroutine[Any, Any, bytes] | None:
        current = self._current
        if not current.started:
            current.start(None)
        if current.unguarded:
            context = CallContext(client=request)
        else:
            context = local(request) if current.single else circumstances(request, params)
        if method in TASK_REQUESTS and self._serving is not None and request.version in versions.MODERN:
            return self._serving.task(method, params, context, request)
        run = self._methods.get(method)
        if run is not None:
            self._check_declared(session, method, CAPABILITIES.get(method))
            return run(session, params, context)
        offers = self._current.offers
        if method in OWNERS and offers.sole is None:
            self._check_declared(session, method, OWNERS[method].key)
        if method not in _OF_ONE_TASK:
            return offers.other(method, params, context, None)
        found = self._tasks.find(session, params)
        if found is not None:
            return self._of_task(session, method, *found, context)
        if offers.sole is None or not self._current.single:
            raise RpcError(jsonrpc.INVALID_PARAMS, f"{method}: the client has no such task")
        return offers.other(method, params, context, None)

    def _check_declared(self, session: Session, method: str, needed: str | None) -> None:
        """What was declared to a client is answered, or what is declared now: servers come and go.

        Args:
            needed: What is declared where the method is answered.

        Raises:
            RpcError: Nobody declares the method (MCP 2025-11-25, basic/lifecycle, "Operation").
        """
        told = session.facts.declared
        if needed is None or told is None or needed in told:
            return
        if self._current.entitlements.rights_of(session) is not None:
            # Rules decide what it sees, and an unknown method is not the answer to a lack of rights.
            return
        now = self._current.portraits.of(session).capabilities
        if needed not in declared(msgspec.json.encode(now)):
            raise RpcError(jsonrpc.METHOD_NOT_FOUND, f"method not found: {method}: no server has {needed}")

    async def _of_task(
        self, session: Session, method: str, server: str, params: Raw, tool: str | None, context: CallContext
    ) -> bytes:
        result = await self._current.offers.other(method, params, context, server, tool)
        return bytes(self._tasks.shown(session, server, Raw(result)))

    def stateless(
        self, session: Session, message: jsonrpc.Request | Calling, said: Said, asked: Asked | None = None
    ) -> None:
        if self._serving is None:
            from callmux.session.modern.serving import Serving  # most clients greet

            self._serving = Serving(self._current, self, self._parking())
        self._serving.receive(session, message, said, asked)

    def hang_up(self) -> None:
        """Ends every subscription: callmux is ending, or its client has left."""
        if self._serving is not None:
            self._serving.hang_up()

    async def close(self) -> None:
        """Ends what works here."""
        if self._serving is not None:
            await self._serving.close()

    def told(self, session: Session, method: str, params: Raw | None) -> None:
        if method == "notifications/roots/list_changed":
            roots_changed(session.facts)
        self._current.pass_on(session, method, params)

    @cached_property
    def consumption(self) -> Consumption:
        """What conversations have cost their models."""
        from callmux.session.consumption import Consumption  # with the first that is over

        return Consumption(lambda: self._current.runtime.indexes.catalogue())

    def shown_to(self, client: ClientPort, server: str, params: Raw | None) -> Raw | None:
        """The params of a server's notification, with tasks named as this client knows them."""
        session = client.session
        if params is None or not isinstance(session, Session):
            return params
        return self._tasks.shown(session, server, params)

    async def closed(self, session: Session) -> None:
        """Forgets a session that is over."""
        self.consumption.left(session)
        self._tasks.forget(session)
        if self._serving is not None:
            await self._serving.closed(session)

    async def _list_tools(self, session: Session, params: Raw | None, context: CallContext) -> bytes:
        _check_cursor(params)
        await self._current.listed_for(session)
        lists, rights = self._current.runtime.lists, self._current.entitlements.rights_of(session)
        view = lists.view(context.client.kind, session.facts.client_name, rights)
        return await self._shown(session, "tools", lists.list_tools(view))

    async def _list(self, session: Session, params: Raw | None, kind: str) -> bytes:
        _check_cursor(params)
        return await self._shown(
            session, kind, self._current.offers.list(kind, self._current.entitlements.rights_of(session))
        )

    async def _shown(self, session: Session, kind: str, listing: Coroutine[Any, Any, bytes]) -> bytes:
        """A listing, of which the session will be told once it is another one.

        Raises:
            RpcError: Rules leave nothing in it: an empty list would say that there is nothing.
        """
        try:
            shown = await listing
        except CallmuxError as error:
            from callmux.rings.converting import as_rpc_error

            session.seen[kind] = REFUSED
            raise as_rpc_error(error) from None
        session.seen[kind] = shown
        return shown

    def _called(self, request: Request, job: Job, outcome: Outcome) -> None:
        """Lets the session know of the task that a call made."""
        if isinstance(outcome, Result) and not outcome.is_error and job.plan is not None:
            server, tool = self._current.runtime.router.tool_of(job.plan)
            outcome = Result(self._tasks.note(request.session, server, outcome.raw, tool))
        request.finish(job, outcome)

    async def _list_tasks(self, session: Session, params: Raw | None, context: CallContext) -> bytes:
        _check_cursor(params)
        only, offers = self._current.single, self._current.offers
        tasks = await offers.list_tasks(params, context)
        if tasks is None:
            # Nobody declares it: where there is only one to ask, let it speak for itself.
            if not only:
                raise RpcError(jsonrpc.METHOD_NOT_FOUND, "method not found: tasks/list")
            return await offers.other("tasks/list", params, context, None)
        tasks = [(server, raw) for server, raw in tasks if self._may_see(session, server, raw)]
        return b'{"tasks":[%b]}' % b",".join(self._tasks.listed(session, tasks, only=only))

    def _may_see(self, session: Session, server: str, raw: bytes) -> bool:
        if self._current.unguarded:
            return True
        tool = self._tasks.tool_of(session, server, raw)
        return tool is None or self._current.entitlements.may_call(session, server, tool)

    async def _set_level(self, session: Session, params: Raw | None, context: CallContext) -> bytes:
        try:
            level = msgspec.json.decode(members(params).get("level", b"null"), type=str)
        except msgspec.MsgspecError:
            level = ""
        if level not in LEVELS:
            raise RpcError(jsonrpc.INVALID_PARAMS, f"level must be one of {', '.join(LEVELS)}")
        session.log_level = session.server_level = level
        await self._current.set_level(session)
        await self._has_changed(session)
        return _EMPTY

    async def _subscribe(self, session: Session, params: Raw | None, *, on: bool) -> bytes:
        given = members(params)
        try:
            uri = msgspec.json.decode(given.get("uri", b"null"), type=str)
        except msgspec.MsgspecError:
            raise RpcError(jsonrpc.INVALID_PARAMS, "uri is required and must be a string") from None
        subscriptions = self._current.subscriptions
        if on:
            await subscriptions.add(session, uri, self._current.offers, given)
        else:
            await subscriptions.remove(session, uri, self._current.offers, given)
        await self._has_changed(session)
        return _EMPTY


def _check_cursor(params: Raw | None) -> None:
    """Lists are given whole, so any cursor is one we never gave (MCP 2025-11-25, pagination).

    Raises:
        RpcError: There is one.
    """
    if params is not None and bytes(members(params).get("cursor", b"null")) not in (b"null", b'""'):
        raise RpcError(jsonrpc.INVALID_PARAMS, "the cursor is not one that callmux gave: list without it")


def is_wanted(params: Raw | None, client: ClientPort) -> bool:
    """Whether a log message is at least of the level the client asked for."""
    if client.log_level is None:
        return True
    try:
        level = msgspec.json.decode(members(params).get("level", b"null"), type=str)
        return LEVELS.index(level) >= LEVELS.index(client.log_level)
    except (msgspec.MsgspecError, ValueError):
        return True
