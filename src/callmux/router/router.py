"""What a request of a client becomes: a listing, a direct call, or the run of a meta-tool.

Called by sessions, which reach it through the runtime in force (`callmux.session.modern.serving`). Calls the
meta-tools' parsers, the request ring around every plan, and the door for calls.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence, Set
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

from callmux.context import CallContext
from callmux.errors import CallmuxError, InvalidArguments
from callmux.metatools.engine import Engine
from callmux.metatools.meta_tool import META_TOOLS, MetaTool
from callmux.plan import Asked, Made, Plan, ToolCall, whole
from callmux.protocol import apps, jsonrpc
from callmux.protocol.calling import DirectCall
from callmux.protocol.jsonrpc import OfOtherEra, RpcError
from callmux.protocol.params import names_revision, present, progress_token
from callmux.protocol.shapes import Result
from callmux.rings.call import Call
from callmux.rings.ring import Job, nobody
from callmux.rings.stage import Outcome, Stages
from callmux.router import listing
from callmux.router.compress import Compression
from callmux.router.door import Door
from callmux.router.listing import Kinds, View
from callmux.router.names import Names
from callmux.router.opened_apps import OpenedApps
from callmux.upstream.catalogue import Catalogue

if TYPE_CHECKING:
    from callmux.guard.principal import Principal
    from callmux.guard.rights import Rights
    from callmux.router.personas import Persona
    from callmux.router.sight import Sight

MOST_VIEWS = 1000
"""Renderings of the list that are kept, where clients may use different things."""

_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_STRING = msgspec.json.Decoder(str)
_KNOWN = frozenset({"name", "arguments", "_meta"})


_DIRECT = msgspec.json.Decoder(DirectCall)


class Router:
    """The requests of clients, for one configuration.

    Args:
        door: The door for calls.
        catalogue: Gives the catalogue as it is now.
        kinds: Gives, for what a client declares, the kinds of `View`.
        narrowed: Gives the part of the catalogue that clients of these kinds see.
        names: Gives the routes of names.
        engine: What meta-tools may use.
        stages: What stands around each request, outermost first.
        meta_definitions: The meta-tools that are listed.
        proxied: Whether the servers' tools are listed.
        compression: Shortens what is listed.
        most_calls: Calls that one request may make.
        placeless: Servers that run in no directory of the caller's choice.
        renamed: Gives the URIs of resources that clients know by another name, by server.
        opened: Gives whose apps clients have opened.
        plain: Whether the list is the server's own for every client (the transparent mode).
        eager: Whether the meta-tools ask clients that would defer them not to.
        given: Told when a client is given the list.
        sight: What each client may see; None where all may use everything.
        persona: The key `persona`; None where every client is listed the same. That of a profile goes before
            it.
    """

    def __init__(
        self,
        door: Door,
        catalogue: Callable[[], Catalogue],
        names: Names,
        engine: Engine,
        stages: Sequence[Any],
        meta_definitions: Sequence[dict[str, Any]],
        proxied: bool,
        compression: Compression | None = None,
        most_calls: int = 10_000,
        placeless: Set[str] = frozenset(),
        *,
        renamed: Callable[[], Mapping[str, Mapping[str, str]]] = dict,
        opened: Callable[[], OpenedApps] = OpenedApps,
        plain: bool = False,
        eager: bool = True,
        kinds: Callable[[bytes], Kinds] = lambda capabilities: (),
        narrowed: Callable[[Kinds], Catalogue] | None = None,
        given: Callable[[], object] = lambda: None,
        sight: Sight | None = None,
        persona: str | None = None,
    ) -> None:
        self._persona = persona
        self._sight, self._given = sight, given
        self._door = door
        self._catalogue = catalogue
        self._names, self._direct = names, names.direct
        self._engine = engine
        self._stages = Stages([*stages, self])
        self._meta_definitions = meta_definitions
        self._renamed, self._opened = renamed, opened
        self._proxied = proxied
        self._plain = plain
        self._eager = eager
        self._compression = compression
        self._most_calls = most_calls
        self._placeless = placeless
        self._kinds, self._narrowed = kinds, narrowed
        self._listed: Catalogue | None = None
        self._listings: dict[View, bytes] = {}

    def rights_of(self, principal: Principal | None, profile: str) -> Rights | None:
        """What a principal may use; None where all may use everything."""
        return None if self._sight is None else self._sight.rights_of(principal, profile)

    def view(self, kind: bytes, client_name: str | None, rights: Rights | None = None) -> View:
        """What a client is shown.

        Args:
            kind: What it declares, and whose sign-ins it uses (`callmux.context.ClientPort.kind`).
            client_name: The name in its `clientInfo`.
            rights: What it may use.
        """
        eager = self._eager and client_name in listing.DEFERRING
        shown = self._plain or apps.shown_by(kind.partition(b"\0")[0])
        own = None if rights is None else rights.persona
        persona = self._persona_of(own or self._persona, kind, client_name)
        return View(shown, eager, self._kinds(kind), rights, persona)

    def _persona_of(self, wanted: str | None, kind: bytes, client_name: str | None) -> Persona | None:
        if wanted is None:
            return None
        from callmux.router.personas import persona_of

        return persona_of(wanted, client_name, kind.partition(b"\0")[0])

    async def list_tools(self, view: View = View()) -> bytes:  # noqa: B008 (frozen)
        """The result of `tools/list`, once it is known of every server what it lists.

        Raises:
            AuthorizationDenied: Rules leave nothing in it.
        """
        await self._door.listable()
        self._given()
        return self.current_listing(view)

    def current_listing(self, view: View = View()) -> bytes:  # noqa: B008 (frozen)
        """The result of `tools/list` as it would be now.

        Raises:
            AuthorizationDenied: Rules leave nothing in it.
        """
        catalogue = self._catalogue()
        if self._listed is not catalogue:
            self._listed = catalogue
            self._listings.clear()
        if view not in self._listings:
            if len(self._listings) >= MOST_VIEWS:
                self._listings.clear()
            self._listings[view] = self._rendered(view)
        return self._listings[view]

    def servers_told(self, view: View) -> str:
        """The servers that a client may see, each with the number of its tools."""
        from callmux.router.tool_index import servers_told

        return servers_told(self._seen(view))

    def _seen(self, view: View) -> Catalogue:
        """The tools that a client may call."""
        if view.rights is not None and self._sight is not None:
            return self._sight.tools(view.rights, view.kinds)
        return self._narrowed(view.kinds) if view.kinds and self._narrowed is not None else self._catalogue()

    def _rendered(self, view: View) -> bytes:
        part, own, note, indexed = self._seen(view), self._meta_definitions, None, None
        recipes = self._engine.recipes
        if (rights := view.rights) is not None and (sight := self._sight) is not None:
            own = sight.meta_tools(rights, own)
            note = sight.note(rights, part, proxied=self._proxied, alone=not own)
            recipes = sight.recipes_of(rights) if rights.of_meta_tool("callmux_recipe_run") is None else {}
        if (persona := view.persona) is not None:
            own = persona.shown(own, proxied=self._proxied)
        if budget := self._engine.index_tokens:
            from callmux.router.index_pages import with_index

            most = None if persona is None else persona.schema
            indexed = partial(with_index, budget=budget, catalogue=part, recipes=recipes, schema=most)
        return listing.render(
            part,
            own,
            proxied=self._proxied,
            compression=self._compression,
            view=view,
            renamed=self._renamed(),
            note=note,
            indexed=indexed,
        )

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
        if route is not None and self._door.all_settled:
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
        if self._door.all_settled:
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
            await self._door.listable()
        elif not plan.calls:
            await self._door.settled()
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
