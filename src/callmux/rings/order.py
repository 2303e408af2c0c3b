"""What runs around each request and around each call, outermost first: two lists, nothing else decides.

Called by `callmux.process.workings` when it wires a configuration; makes the stages it lists. `Order` gives
each route those of the stages that can have something to do for it: a stage says so in `concerns(route)`, one
without that function always can.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from callmux.clock import Clock
from callmux.config.model import Config
from callmux.context import CallContext, ClientPort
from callmux.observe.bus import Bus
from callmux.protocol.extensions import TASKS
from callmux.protocol.params import members
from callmux.rings.cache.holding import Holding
from callmux.rings.cache.keys import Keys, Numbers
from callmux.rings.cache.policy import ReusePolicy
from callmux.rings.cache.stage import Caching
from callmux.rings.cache.writes import Writes
from callmux.rings.call import Call
from callmux.rings.coalescing import Coalescing
from callmux.rings.converting import Converting
from callmux.rings.formatting import Formatting
from callmux.rings.limiting import Limiting, Slots
from callmux.rings.observing import Observing
from callmux.rings.preparing import Preparing
from callmux.rings.relinking import Relinking
from callmux.rings.retrying import Retrying
from callmux.rings.route import Find, Route
from callmux.rings.shield.policy import Policies
from callmux.rings.shield.shelf import Shelf
from callmux.rings.shield.stage import Shielding
from callmux.rings.stage import Stages
from callmux.rings.tracing import Tracing
from callmux.rings.visiting import Visiting
from callmux.rings.writing import Writing
from callmux.stores.cache import Cache
from callmux.stores.counters import Counters
from callmux.upstream.resources import ResourceIndex
from callmux.upstream.server import Server


class Kept(Protocol):
    """What stages keep beside themselves; see `callmux.process.stores.Stores`."""

    cache: Cache
    numbers: Numbers
    counters: Counters

    @property
    def writes(self) -> Writes: ...

    @property
    def results(self) -> Shelf: ...


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What stages are made of.

    Attributes:
        config: The configuration.
        plain: Whether this is the transparent mode: nothing is changed.
        servers: All servers by name.
        kept: What they keep.
        find: Gives the route of a name, and of the server beside it.
        resources: Gives the index of resources.
        preparing: Makes arguments ready; the door uses it, too.
        slots: How many calls run at a time.
        clock: Time.
        bus: Who hears of calls.
        rights: Gives what stands for the rights of a caller in keys; None where no rules apply.
        authorizing: Refuses what its caller may not use; None where no rules apply.
        admitting: The same around a call that no request stage has seen itself.
        approving: Asks a person about a request; None where nothing has to be approved.
        confirming: Lets no call through that a person has to approve; None where nothing has to be.
        inviting: Shows a client how its person signs in; None where nobody is shown.
        again: Gives the bytes that one more turn of a client's model reads again; None where nobody knows.
    """

    config: Config
    plain: bool
    servers: Mapping[str, Server]
    kept: Kept
    find: Find
    resources: Callable[[], ResourceIndex]
    preparing: Preparing
    slots: Slots
    clock: Clock
    bus: Bus | None = None
    rights: Callable[[CallContext], str] | None = None
    authorizing: Any = None
    admitting: Any = None
    approving: Any = None
    confirming: Any = None
    inviting: Any = None
    again: Callable[[ClientPort], int | None] = lambda client: None


def request_stages(parts: Parts) -> Sequence[Any]:
    """Around each request."""
    guards = [guard for guard in (parts.authorizing, parts.approving) if guard is not None]
    if parts.plain:
        return [Converting(True), *guards]
    config = parts.config
    limits = {name: server.response_shield for name, server in config.servers.items()}
    policies, noted = Policies(config.response_shield, limits), parts.rights is not None
    return [
        Converting(),
        *guards,
        Formatting(config.output_format, parts.find, parts.bus),
        Shielding(policies, parts.kept.results, parts.find, noted=noted, again=parts.again),
    ]


def call_stages(parts: Parts) -> Sequence[Any]:
    """Around each call."""
    kept, servers, clock, bus = parts.kept, parts.servers, parts.clock, parts.bus
    rules = ReusePolicy(parts.config)
    keys = Keys(rules, kept.numbers, servers, parts.rights)
    stages: list[Any] = [*_reminding(parts), Visiting(servers), _following(parts)]
    if parts.inviting is not None:
        stages.append(parts.inviting)
    if bus is not None:
        stages.append(Observing(bus, clock))
    if len(servers) > 1:
        # Two servers can have the same URI.
        stages.append(Relinking(parts.resources))
    stages.append(parts.preparing)
    if parts.confirming is not None:
        stages.append(parts.confirming)
    if rules.caches:
        stages.append(Caching(keys, kept.cache, kept.writes, kept.counters, servers, clock))
        stages.append(Holding(keys, kept.cache, kept.writes, kept.counters, servers, clock))
    return [
        *stages,
        Coalescing(keys, kept.writes, kept.counters, servers, clock),
        _writing(parts, caches=rules.caches),
        PerServer(lambda server: Limiting(parts.slots, server, servers[server])),
        *([] if bus is None else [Tracing(bus)]),
        Retrying(servers, clock, bus),
    ]


def _writing(parts: Parts, *, caches: bool) -> Writing:
    """Notes writes; before they begin where other processes read what is kept."""
    given = parts.kept.writes, parts.servers, parts.clock
    if not (caches and parts.kept.writes.shared):
        return Writing(*given)
    from callmux.rings.announcing import Announcing

    return Announcing(*given)


def _reminding(parts: Parts) -> Sequence[Any]:
    """Shows the input schema of a tool that was called wrongly, where clients are listed none."""
    if not parts.config.index_tokens:
        return ()
    from callmux.rings.reminding import Reminding

    return (Reminding(parts.servers),)


def _following(parts: Parts) -> PerServer:
    """Follows tasks. Few servers have any, so its module is loaded with the first that has."""
    servers = parts.servers

    def make(server: str) -> Any:
        from callmux.rings.following import Following

        return Following(servers[server], plain=parts.plain)

    def has_tasks(route: Route) -> bool:
        """Whether its server has tasks, as far as it has said what it has."""
        if route.method != "tools/call" or route.own is not None:
            return False
        declared = servers[route.server].offer.capabilities
        return "tasks" in declared or TASKS in members(declared.get("extensions"))

    return PerServer(make, has_tasks)


class PerServer:
    """A stage of which each server has its own, made with the first route to that server.

    Args:
        make: Makes that of a server.
        concerns: Whether it can have something to do for a route.
    """

    def __init__(self, make: Callable[[str], Any], concerns: Callable[[Route], bool] | None = None) -> None:
        self._make = make
        self._made: dict[str, Any] = {}
        self.concerns = concerns

    def of(self, server: str) -> Any:
        """The stage of a server."""
        if server not in self._made:
            self._made[server] = self._make(server)
        return self._made[server]


class Order:
    """The stages of one configuration, fitted to its routes.

    Args:
        parts: What they are made of.

    Attributes:
        request: What stands around each request.
    """

    def __init__(self, parts: Parts) -> None:
        self.request = request_stages(parts)
        self._call = call_stages(parts)
        self._admitting = () if parts.admitting is None else (parts.admitting,)
        self._caching = next((stage for stage in self._call if type(stage) is Caching), None)
        self._made: dict[tuple[Any, ...], Stages] = {}

    def fit(self, route: Route) -> None:
        """Gives a route its stages."""
        inner = tuple(_for(stage, route) for stage in self._call if _concerns(stage, route))
        outer = tuple(stage for stage in self.request if _concerns(stage, route))
        route.stages = self._stages(self._admitting + inner)
        route.direct = self._stages(outer + inner)

    def would_hit(self, call: Call) -> bool | Coroutine[Any, Any, bool]:
        """Whether a call that is ready would be answered from the cache now; asking leaves no trace there."""
        return False if self._caching is None else self._caching.would_hit(call)

    def _stages(self, stages: tuple[Any, ...]) -> Stages:
        made = self._made.get(stages)
        if made is None:
            made = self._made[stages] = Stages(stages)
        return made


def _concerns(stage: Any, route: Route) -> bool:
    concerns = getattr(stage, "concerns", None)
    return concerns is None or bool(concerns(route))


def _for(stage: Any, route: Route) -> Any:
    return stage.of(route.server) if isinstance(stage, PerServer) else stage
