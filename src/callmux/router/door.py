"""The one door for calls: a name is looked up, the call is planned, and the call ring runs it.

Called by the router for direct calls and, through `Engine.call`, by the meta-tools for each of theirs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from msgspec import Raw

from callmux.clock import Clock
from callmux.context import CallContext
from callmux.errors import CallmuxError, ToolNotFound, ToolResolutionFailed
from callmux.metatools.engine import Begun
from callmux.metatools.table import traits
from callmux.plan import Asked, ToolCall
from callmux.protocol.shapes import Result
from callmux.rings.call import Call
from callmux.rings.converting import alone, as_result
from callmux.rings.preparing import Preparing
from callmux.rings.ring import nobody, run, start
from callmux.rings.route import Route
from callmux.rings.stage import Cancelled, Outcome, Stages
from callmux.router.names import Names
from callmux.router.readiness import Readiness
from callmux.tasks import at_once
from callmux.upstream.in_use import using
from callmux.upstream.server import Server


class Door:
    """Turns what a caller asks for into a planned call and runs it.

    Args:
        servers: All servers that are not disabled, by name.
        names: Gives the routes of names.
        preparing: The stage that makes arguments ready, for previews.
        clock: Time; its monotonic reading is that of the event loop.
        ready: Says when names can be looked up.
        unknown: Gives the error about a name that leads nowhere, as its caller may hear it.
    """

    def __init__(
        self,
        servers: Mapping[str, Server],
        names: Names,
        preparing: Preparing,
        clock: Clock,
        ready: Readiness,
        unknown: Callable[[ToolCall, CallContext, CallmuxError], CallmuxError] | None = None,
    ) -> None:
        self._unknown = unknown
        self._servers = servers
        self._names = names
        self._preparing = preparing
        self._clock = clock
        self._ready = ready

    def made(
        self,
        asked: Asked,
        route: Route,
        stages: Stages,
        seconds: float,
        context: CallContext,
        done: Callable[[Any, Outcome], None],
        came: float,
    ) -> Call:
        """A call whose name is looked up, ready to be started.

        Args:
            stages: What stands around it; with `route.direct` it is a request and its only call at once.
            done: Takes the call and its outcome, once.
            came: When it came, by the loop's clock.
        """
        given = asked.arguments
        # In their order: names of arguments cost a thousand instructions.
        return Call(
            context,
            route,
            stages,
            done,
            route.bare,
            asked,
            seconds,
            came + seconds,
            None if given is None else bytes(given),
        )

    async def call(self, asked: ToolCall, context: CallContext) -> Result:
        """Makes the call.

        Raises:
            CallmuxError: The name leads nowhere, or the call failed.
        """
        if self._ready.all_settled:
            return alone(await run(self._planned(asked, context)))
        with self.held():
            return alone(await run(await self._plan(asked, context)))

    def held(self) -> AbstractContextManager[None]:
        """While this is entered, none of the servers ends because of a reload."""
        return using(server.in_use for server in self._servers.values())

    async def prepare(self, asked: ToolCall, context: CallContext) -> Call:
        """A model's call as it would be sent. Nothing is sent.

        Raises:
            CallmuxError: It could not be: the name leads nowhere, or a reference in its arguments does.
        """
        planned = await self._plan(asked, context)
        _check_visible(planned)
        return await self._preparing.prepare(planned)

    async def locate(self, asked: ToolCall) -> Route:
        """The route of a call, once it is known.

        Raises:
            CallmuxError: The name leads nowhere.
        """
        if not self._ready.all_settled:
            await self._ready.wait_for(asked.spelling, asked.server)
        return self._names.find(asked.spelling, asked.server)

    async def _plan(self, asked: ToolCall, context: CallContext) -> Call:
        if not self._ready.all_settled:
            await self._ready.wait_for(asked.spelling, asked.server)
        return self._planned(asked, context)

    def _planned(self, asked: ToolCall, context: CallContext) -> Call:
        try:
            route = self._names.find(asked.spelling, asked.server)
        except CallmuxError as error:
            raise self._refusal(asked, context, error) from None
        now = self._clock.monotonic()
        call = self.made(
            asked, route, route.stages, route.seconds_for(asked.timeout_ms), context, nobody, now
        )
        if asked.extra:
            call.makes_task = "task" in asked.extra
        return call

    def _refusal(self, asked: ToolCall, context: CallContext, error: CallmuxError) -> CallmuxError:
        """The error about a name that leads nowhere; about one of callmux itself, what to do instead."""
        own = traits(asked.spelling)
        if own is not None and isinstance(error, ToolNotFound):
            checked = (
                "; callmux_dry_run takes its arguments as they are" if own.calls and not own.expands else ""
            )
            return ToolNotFound(
                f'"{asked.spelling}" is a tool of callmux itself: call it directly or through callmux_call, '
                "not inside of another" + checked,
                tool=asked.spelling,
            )
        return error if self._unknown is None else self._unknown(asked, context, error)

    async def call_safely(self, asked: ToolCall, context: CallContext) -> Result:
        """Makes a model's call, inside a meta-tool; a failure comes back as an error result."""
        try:
            if self._ready.all_settled:
                planned = self._planned(asked, context)
                _check_visible(planned)
                return await run(planned)
            with self.held():
                planned = await self._plan(asked, context)
                _check_visible(planned)
                return await run(planned)
        except Exception as error:  # noqa: BLE001 - the root of one child of a fan-out
            return as_result(error)

    def begin(self, asked: ToolCall, context: CallContext, done: Callable[[Any, Outcome], None]) -> Begun:
        """Makes a model's call inside a meta-tool, without a task where nothing waits.

        Args:
            done: Takes its outcome, perhaps at once; see `callmux.rings.ring.Job`.
        """
        if not self._ready.all_settled:
            task = at_once(self.call_safely(asked, context))
            task.add_done_callback(partial(_waited_for, done))
            return task
        try:
            call = self._planned(asked, context)
            tool = call.route.tool
            if tool is not None and not tool.linkage.for_model:
                _check_visible(call)
        except Exception as error:  # noqa: BLE001 - the root of one child of a fan-out
            done(None, error)
            return None
        call.done = done
        start(call)
        return call

    async def send(
        self,
        server: str,
        method: str,
        target: str,
        key: str | None,
        given: Mapping[str, Raw] | None,
        context: CallContext,
        safe: bool,
    ) -> Result:
        """Makes any other request to a server whose name is known.

        Args:
            target: What stands in the params under `key`.
            given: The caller's params, where there are any; all but `key` pass as they are.
            safe: Whether repeating it does no harm.

        Raises:
            CallmuxError: It failed.
        """
        route = self._names.of_method(server, method, safe=safe)
        others = {name: raw for name, raw in (given or {}).items() if name != key}
        planned = Call(
            context=context,
            stages=route.stages,
            done=nobody,
            route=route,
            target=target,
            key=key,
            asked=ToolCall(spelling=target, meta=others.pop("_meta", None), extra=others),
            makes_task="task" in others,
            no_params=given is None and key is None,
            seconds=route.seconds,
            deadline=self._clock.monotonic() + route.seconds,
        )
        return await run(planned)

    def soon(self, calls: Sequence[ToolCall]) -> Coroutine[None, None, None] | None:
        """What to wait for until the names of these calls can be looked up; None where they can."""
        return None if self._ready.all_settled else self._ready.wait_for_all(calls)

    def declaring(self, *path: str) -> list[str]:
        """The servers that declare this part of their capabilities."""
        return [name for name, server in self._servers.items() if server.offer.declares(*path)]

    async def settled(self) -> None:
        """Waits until every server is up or has failed once."""
        await self._ready.settled()

    async def listable(self) -> None:
        """Waits until it is known what servers list, or has waited long enough."""
        await self._ready.listable()


def _waited_for(done: Callable[[Any, Outcome], None], task: asyncio.Task[Result]) -> None:
    """Tells the outcome of a call whose name could not be looked up at once."""
    done(None, Cancelled(None) if task.cancelled() else task.exception() or task.result())


def _check_visible(call: Call) -> None:
    """Refuses a model's call to a tool that only the page of its own server may call.

    Raises:
        ToolResolutionFailed: It would.
    """
    if call.tool is not None and not call.tool.linkage.for_model:
        raise ToolResolutionFailed(
            f'tool "{call.target}" of server "{call.server}" is not for a model: only the page of '
            "the server's app calls it, directly",
            server=call.server,
            tool=call.target,
        )
