"""How calls are made under one configuration: everything between the name of a tool and its server, wired.

Made by `callmux.process.runtime`, which imports this when it is needed first: a client lists tools before it
calls one, and a start that has less to read in is over sooner.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Raw

from callmux.clock import Clock
from callmux.config.model import Config
from callmux.context import CallContext
from callmux.fields import Fields
from callmux.metatools import cache_clear
from callmux.metatools import status as status_tool
from callmux.metatools.engine import Engine
from callmux.observe.bus import Bus
from callmux.process.servers import has_directory
from callmux.process.stores import Stores
from callmux.rings.limiting import Slots
from callmux.rings.order import Order, Parts
from callmux.rings.preparing import Preparing
from callmux.rings.references.resolving import References
from callmux.rings.scopes import Scopes
from callmux.router.door import Door
from callmux.router.indexes import Indexes
from callmux.router.names import Names
from callmux.router.offers import Offers
from callmux.router.readiness import Readiness
from callmux.router.router import Router
from callmux.session.consumption import read_again, usage_of
from callmux.upstream.server import Server

if TYPE_CHECKING:
    from callmux.process.approval import Approval, AskingStages
    from callmux.process.oversight import Oversight
    from callmux.rings.inviting import Inviting

_QUESTION = status_tool.parse(Fields({"sessions": Raw(b"true"), "recommendations": Raw(b"false")})).options


class Workings:
    """The calls of one configuration.

    Args:
        config: The configuration.
        placed: The same, with each server as it decides where calls go.
        plain: Whether this is the transparent mode: nothing is changed.
        servers: Its servers by name, disabled ones left out.
        names: Gives the routes of names.
        ready: Says when names can be looked up.
        indexes: What the servers list.
        stores: What is kept as long as the process lives.
        clock: Time.
        bus: Who hears of calls.
        oversight: Who may use what; None where all may use everything.
        approval: Gives the approval of the process; asked only where the configuration has `approve`.
        inviting: Shows a client how its person signs in; None where nobody is shown.
        status: Gives the status payload, before a meta-tool adds the tools.

    Attributes:
        slots: How many calls run at a time.
        order: The stages.
        router: What tool requests lead to.
        offers: What all other requests lead to.
    """

    def __init__(
        self,
        *,
        config: Config,
        placed: Config,
        plain: bool,
        servers: Mapping[str, Server],
        names: Names,
        ready: Readiness,
        indexes: Indexes,
        stores: Stores,
        clock: Clock,
        bus: Bus | None,
        oversight: Oversight | None,
        approval: Callable[[], Approval] | None,
        inviting: Inviting | None,
        status: Callable[[], dict[str, Any]],
    ) -> None:
        limits = {n: s.max_concurrency for n, s in config.servers.items() if s.max_concurrency is not None}
        slots = self.slots = Slots(config.max_concurrency, limits)
        scopes = Scopes(placed, stores.counters.unresolved)
        preparing = Preparing(References(config.file_reference_roots), scopes, plain=plain)
        sight = None if oversight is None else oversight.sight
        find = names.find
        unknown = None if sight is None else sight.error
        door = Door(servers, names, preparing, clock, ready, unknown)
        authorizing, admitting = (None, None) if oversight is None else oversight.guards(door.soon, bus)
        ask: AskingStages | None = None
        if config.approve and approval is not None:
            ask = approval().stages(config, find, door.locate, door.prepare, bus)
        self._approval = ask
        self.order = Order(
            Parts(
                config=config,
                plain=plain,
                servers=servers,
                kept=stores,
                find=find,
                resources=indexes.resources,
                preparing=preparing,
                slots=slots,
                clock=clock,
                bus=bus,
                rights=None if sight is None else sight.digest,
                authorizing=authorizing,
                admitting=admitting,
                approving=None if ask is None else ask.request,
                confirming=None if ask is None else ask.call,
                inviting=inviting,
                again=read_again,
            )
        )
        self._engine = Engine(
            call=door.call_safely,
            begin=door.begin,
            prepare=door.prepare,
            is_cached=self.order.would_hit,
            catalogue=indexes.catalogue,
            status=status,
            description_limit=config.description_max_length,
            clock=clock,
            cache=stores.cache,
            results=stores.results,
            recipes=config.recipes,
            narrowed=lambda kind: indexes.narrowed(indexes.kinds(kind)),
            sight=sight,
            output_format=config.output_format,
            index_tokens=config.index_tokens,
            usage=partial(usage_of, indexes.catalogue),
        )
        self.router = Router(
            door,
            indexes.catalogue,
            names,
            self._engine,
            self.order.request,
            ready,
            config.max_calls_per_request,
            {name for name, server in config.servers.items() if not has_directory(server)},
            opened=lambda: indexes.opened,
        )
        self.offers = Offers(door, indexes.prompts, indexes.resources, [*servers], indexes, sight)

    def __repr__(self) -> str:
        return f"Workings({self.slots!r})"

    def retire(self, why: str | None = None) -> None:
        """Asks people about nothing any more; calls that wait for them are not made.

        Args:
            why: The reason, for whoever wanted to call; another configuration is in force where it is None.
        """
        if self._approval is not None:
            self._approval.asking.retire(*([] if why is None else [why]))

    def status(self, about: CallContext | None) -> dict[str, Any]:
        """What `callmux_status` shows, sessions included.

        Args:
            about: Who asks, and sees what they may; None for those who see everything.
        """
        return status_tool.payload(_QUESTION, self._engine, about)

    async def clear_cache(self, tool: str | None, server: str | None) -> None:
        """Forgets cached results, whoever has read them."""
        await cache_clear.forget(cache_clear.Chosen(tool, server), self._engine)
