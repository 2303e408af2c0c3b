"""What a request of a client becomes: a direct call, or the run of a meta-tool.

Called by sessions, which reach it through the runtime in force (`callmux.session.modern.serving`). Calls the
meta-tools' parsers, the request ring around every plan, and the door for calls.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine, Sequence, Set
from typing import Any

import msgspec
from msgspec import Raw

from callmux.context import CallContext
from callmux.errors import CallmuxError, InvalidArguments
from callmux.metatools.engine import Engine
from callmux.metatools.meta_tool import META_TOOLS, MetaTool
from callmux.plan import Asked, Made, Plan, ToolCall, whole
from callmux.protocol import jsonrpc
from callmux.protocol.calling import DirectCall
from callmux.protocol.jsonrpc import OfOtherEra, RpcError
from callmux.protocol.params import names_revision, present, progress_token
from callmux.protocol.shapes import Result
from callmux.rings.call import Call
from callmux.rings.ring import Job, nobody
from callmux.rings.stage import Outcome, Stages
from callmux.router.door import Door
from callmux.router.names import Names
from callmux.router.opened_apps import OpenedApps
from callmux.router.readiness import Readiness
from callmux.upstream.catalogue import Catalogue

_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_STRING = msgspec.json.Decoder(str)
_KNOWN = frozenset({"name", "arguments", "_meta"})


_DIRECT = msgspec.json.Decoder(DirectCall)


class Router:
    """The requests of clients, for one configuration.

    Args:
        door: The door for calls.
        catalogue: Gives the catalogue as it is now.
        names: Gives the routes of names.
        engine: What meta-tools may use.
        stages: What stands around each request, outermost first.
        ready: Says when servers can be asked.
        most_calls: Calls that one request may make.
        placeless: Servers that run in no directory of the caller's choice.
        opened: Gives whose apps clients have opened.
    """

    def __init__(
        self,
        door: Door,
        catalogue: Callable[[], Catalogue],
        names: Names,
        engine: Engine,
        stages: Sequence[Any],
        ready: Readiness,
        most_calls: int = 10_000,
        placeless: Set[str] = frozenset(),
        *,
        opened: Callable[[], OpenedApps] = OpenedApps,
    ) -> None:
        self._door = door
        self._catalogue = catalogue
        self._names, self._direct = names, names.direct
        self._engine = engine
        self._stages = Stages([*stages, self])
        self._ready = ready
        self._opened = opened
        self._most_calls = most_calls
        self._placeless = placeless

    def job(
        self,
        params: DirectCall | Raw | None,
        context: CallContext,
        done: Callable[[Any, Outcome], None],
        came: float,
    ) -> Job:
        """A `tools/call` as a job, ready to be started.

        Args:
            done: Takes the job and its outcome, once.
            came: When the request came, by the loop's clock.

        Raises:
            RpcError: The params are no such request at all.
            CallmuxError: They are no such request of the meta-tool they name.
        """
        if type(params) is not DirectCall:
            assert params is None or isinstance(params, Raw)
            try:
                return self.job(_DIRECT.decode(b"{}" if params is None else params), context, done, came)
            except msgspec.MsgspecError:
                return self._other_job(_read(params), context, done, came)
        asked = params
        if asked.meta is not None:
            _look_at(asked.meta, context)
        given = asked.arguments
        arguments = None if given is None else bytes(given)
        if arguments == b"null":
            # Some clients write null for "no arguments".
            asked, arguments = msgspec.structs.replace(asked, arguments=None), None
        route = self._direct.get(asked.spelling)
        if route is not None and self._ready.all_settled:
            # What `Door.made` makes, without its frame.
            seconds = route.seconds
            return Call(
                context, route, route.direct, done, route.bare, asked, seconds, came + seconds, arguments
            )
        return self._other_job(asked, context, done, came)

    def _other_job(
        self, asked: Asked, context: CallContext, done: Callable[[Any, Outcome], None], came: float
    ) -> Job:
        """What is no direct call like any other of a name that was called before."""
        if isinstance(asked, ToolCall):
            _look_at(asked.meta, context)
        job = self._odd_job(asked, context, came)
        job.done = done
        return job

    def _odd_job(self, asked: Asked, context: CallContext, came: float) -> Job:
        name = asked.spelling
        if (meta_tool := META_TOOLS.get(name)) is None:
            job = self._direct_job(asked, context, came)
            job.makes_task = "task" in asked.extra
            return job
        plan = meta_tool.read(asked.arguments)
        # A plan runs under its own name: callmux_call may have been asked for another meta-tool.
        own = META_TOOLS[plan.name]
        plan = own.expand(plan, self._engine)
        if len(plan.calls) > self._most_calls:
            raise self._too_many(plan, own)
        made = Made(0 if asked.arguments is None else len(bytes(asked.arguments)))
        plan = msgspec.structs.replace(self._with_warnings(plan), made=made)
        route = self._names.of_meta_tool(own.name, own.traits)
        return Job(context=context, plan=plan, route=route, stages=self._stages)

    def _direct_job(self, asked: Asked, context: CallContext, came: float) -> Job:
        if self._ready.all_settled:
            with contextlib.suppress(CallmuxError):
                route = self._names.of_direct(asked.spelling)
                return self._door.made(asked, route, route.direct, route.seconds, context, nobody, came)
        call = whole(asked)
        # A page calls tools by the names that its own server gave them.
        owners = self._catalogue().owners(asked.spelling)
        if owners and (server := self._opened().meant(context.client, owners)) is not None:
            call = msgspec.structs.replace(call, server=server)
        plan = Plan(name=asked.spelling, calls=(call,))
        return Job(context=context, plan=plan, stages=self._stages)

    def is_harmless(self, plan: Plan) -> bool:
        """Whether a plan may be carried out twice: each of its calls may, as far as it is known."""
        own = META_TOOLS.get(plan.name)
        if own is not None and not plan.calls:
            return own.traits.harmless
        try:
            return all(self._names.find(call.spelling, call.server).safe for call in plan.calls)
        except CallmuxError:
            return False

    def is_safe(self, params: Raw | None) -> bool:
        """Whether a `tools/call` with these params may be carried out twice."""
        try:
            asked = _read(params)
            meta_tool = META_TOOLS.get(asked.spelling)
            if meta_tool is None:
                return self._names.of_direct(asked.spelling).safe
            return self.is_harmless(meta_tool.expand(meta_tool.read(asked.arguments), self._engine))
        except (RpcError, CallmuxError):
            return False

    def tool_of(self, plan: Plan) -> tuple[str, str]:
        """The server that the one call of a plan has reached, and the tool there."""
        route = self._names.find(plan.calls[0].spelling, plan.calls[0].server)
        return route.server, route.bare

    def _too_many(self, plan: Plan, asked: MetaTool) -> InvalidArguments:
        field = asked.traits.entries
        what = f"{field} has {len(plan.calls)} entries" if field else f"these are {len(plan.calls)} calls"
        return InvalidArguments(
            f"{what}, more than maxCallsPerRequest ({self._most_calls}): send several requests",
            field=field or "arguments",
            max=self._most_calls,
        )

    def _with_warnings(self, plan: Plan) -> Plan:
        """The plan with a warning where a `cwd` will not be where the call runs."""
        without = set()
        for call in plan.calls:
            if call.cwd is not None:
                with contextlib.suppress(CallmuxError):
                    without.add(self._names.find(call.spelling, call.server).server)
        if not (without := without & self._placeless):
            return plan
        warning = {
            "code": "cwd_ignored",
            "message": f"cwd does not change where {', '.join(sorted(without))} runs; only relative file "
            "references start there",
            "recommendation": "Leave cwd out, or give absolute paths to the tool",
        }
        return msgspec.structs.replace(plan, warnings=[*plan.warnings, warning])

    def servers_of(self, params: Raw | None) -> list[str]:
        """The servers that a `tools/call` with these params goes to, as far as that can be told."""
        try:
            asked = _read(params)
            meta_tool = META_TOOLS.get(asked.spelling)
            calls = meta_tool.read(asked.arguments).calls if meta_tool else [asked]
        except (RpcError, CallmuxError):
            return []
        found = []
        for call in calls:
            with contextlib.suppress(CallmuxError):
                found.append(self._names.find(call.spelling, call.server).server)
        return found

    def enter(self, job: Job) -> Coroutine[Any, Any, Result]:
        """The innermost stage around a request that makes its calls itself."""
        plan = job.plan
        assert plan is not None
        meta_tool = META_TOOLS.get(plan.name)
        if meta_tool is None:
            return self._door.call(plan.calls[0], job.context)
        return self._run_meta(meta_tool, plan, job.context)

    async def _run_meta(self, meta_tool: MetaTool, plan: Plan, context: CallContext) -> Result:
        if meta_tool.traits.lists:
            await self._ready.listable()
        elif not plan.calls:
            await self._ready.settled()
        with self._door.held():
            return await meta_tool.run(plan, self._engine, context)


def _look_at(meta: Raw | None, context: CallContext) -> None:
    """Takes what the `_meta` of a request says to callmux.

    Raises:
        OfOtherEra: The request belongs to a revision without a handshake.
    """
    if meta is not None:
        if names_revision(meta):
            raise OfOtherEra("tools/call")
        if (token := progress_token(meta)) is not None:
            context.mark(token)


def _read(params: Raw | None) -> ToolCall:
    """The params of a `tools/call`, whatever members they have.

    Raises:
        RpcError: They have no name.
    """
    try:
        members = _MEMBERS.decode(params if params is not None else b"{}")
        name = _STRING.decode(members.get("name", b"null"))
    except msgspec.MsgspecError as error:
        raise RpcError(jsonrpc.INVALID_PARAMS, f"tools/call needs a name: {error}") from None
    return ToolCall(
        spelling=name,
        arguments=present(members.get("arguments")),
        meta=members.get("_meta"),
        extra={k: v for k, v in members.items() if k not in _KNOWN},
    )
