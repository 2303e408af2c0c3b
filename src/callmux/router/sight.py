"""What a client is shown: that which it may use, by the function that decides calls.

Made by `callmux.process.oversight` where rules or profiles apply. Asked by `callmux.router.tool_lists`
(tools), `.offers` (prompts, resources) and, as `Engine.sight`, by the meta-tools (search, recipes, kept
results). Names stay those of the whole catalogue, whatever is left of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from callmux.config.recipes import Recipe, named_in
from callmux.context import CallContext
from callmux.errors import CallmuxError, ToolNotFound, ToolResolutionFailed
from callmux.guard.principal import Principal
from callmux.guard.rights import Permissions, Rights, denied
from callmux.guard.rules import PROFILE, Denial
from callmux.guard.wanted import literal
from callmux.metatools.table import traits
from callmux.plan import ToolCall
from callmux.rings.route import Find
from callmux.router.indexes import Indexes
from callmux.router.listing import Kinds, definition
from callmux.router.routing import Routing
from callmux.upstream.catalogue import Catalogue, CatalogueEntry, Found
from callmux.upstream.resources import Place

MOST = 1000
"""Parts of the catalogue that are kept, one for each set of rights and kind of client."""


class Sight:
    """What clients see under one configuration.

    Args:
        permissions: Who may use what.
        indexes: All that there is.
        routing: Gives the names and the tier of a tool.
        find: Gives the route of a name, and of the server beside it.
        recipes: The workflows of the configuration, by name.
        listed: Whether it is known what a server has.
    """

    def __init__(
        self,
        permissions: Permissions,
        indexes: Indexes,
        routing: Routing,
        find: Find,
        recipes: Mapping[str, Recipe],
        listed: Callable[[str], bool],
    ) -> None:
        self._permissions = permissions
        self._indexes = indexes
        self._routing = routing
        self._find = find
        self._recipes = recipes
        self._is_listed = listed
        self._parts: dict[tuple[Rights, Kinds], Catalogue] = {}
        self._prompts: dict[Rights, Catalogue] = {}

    def rights_of(self, principal: Principal | None, profile: str) -> Rights:
        """What somebody may use."""
        return self._permissions.of(principal, profile)

    def rights(self, context: CallContext) -> Rights:
        """What the client of a request may use."""
        return self._permissions.of(context.principal, context.profile)

    def digest(self, context: CallContext) -> str:
        """Stands for what the client of a request may use."""
        return self.rights(context).digest

    def seen_by(self, context: CallContext) -> Catalogue:
        """The tools that the client of a request may call."""
        kinds = self._indexes.kinds(context.client.kind)
        return self.tools(self.rights(context), kinds)

    def refuse_nothing(self, context: CallContext) -> None:
        """Says why where rules leave a client no tool at all.

        Raises:
            AuthorizationDenied: They do.
        """
        if not self.seen_by(context).entries:
            refusal = self._why_no_tools(self.rights(context))
            if refusal is not None:
                raise denied(refusal)

    def forget(self) -> None:
        """Forgets what clients see, because the servers list something else."""
        self._permissions.forget()
        self._parts.clear()
        self._prompts.clear()

    def tools(self, rights: Rights, kinds: Kinds) -> Catalogue:
        """The tools that a client of these kinds may call."""
        part = self._parts.get((rights, kinds))
        if part is None:
            if len(self._parts) >= MOST:
                self._parts.clear()
            whole = self._indexes.narrowed(kinds)
            part = whole.limited(lambda entry: self._of_tool(rights, entry) is None, self.servers(rights))
            self._parts[rights, kinds] = part
        return part

    def prompts(self, rights: Rights) -> Catalogue:
        """The prompts that a client may use."""
        part = self._prompts.get(rights)
        if part is None:
            if len(self._prompts) >= MOST:
                self._prompts.clear()
            whole = self._indexes.prompts()
            part = whole.limited(lambda entry: self._of_prompt(rights, entry) is None, self.servers(rights))
            self._prompts[rights] = part
        return part

    def part(self, rights: Rights, kind: str) -> tuple[Sequence[bytes], Mapping[str, bytes]]:
        """The definitions that a client may see, and what stands beside them in the list.

        Args:
            kind: `prompts`, `resources` or `resourceTemplates`.

        Raises:
            AuthorizationDenied: None of them, because rules say so.
        """
        if kind == "prompts":
            prompts, whole = self.prompts(rights), self._indexes.prompts()
            shown = [definition(entry) for entry in prompts.entries]
            beside, refusals = prompts.beside, [self._of_prompt(rights, entry) for entry in whole.entries]
        else:
            index = self._indexes.resources()
            known = index.resources if kind == "resources" else index.templates
            refusals = [self.of_place(rights, place) for place in index.listed[kind]]
            shown = [raw for raw, refusal in zip(known, refusals, strict=True) if refusal is None]
            beside = index.beside.get(kind, {})
        if not shown and (why := _first_rule(refusals)) is not None:
            raise denied(why)
        return shown, beside if shown else {}

    def places(self, rights: Rights, places: Sequence[Place]) -> Sequence[Place]:
        """The places, among these, that a client may use.

        Raises:
            AuthorizationDenied: There are places, and it may use none of them.
        """
        allowed = [place for place in places if self.of_place(rights, place) is None]
        if places and not allowed:
            place = places[0]
            refusal = self.of_place(rights, place)
            assert refusal is not None
            raise denied(refusal, self._permissions.namespace.spelled(place.server, place.uri)[1])
        return allowed

    def of_place(self, rights: Rights, place: Place) -> Denial | None:
        """Why a prompt, a resource or a template may not be used; None where it may."""
        return rights.of(self._permissions.namespace.offer(place.server, place.uri))

    def servers(self, rights: Rights) -> frozenset[str]:
        """The servers that a client has anything of, or may have, where nobody knows yet."""
        catalogue, prompts, index = (
            self._indexes.catalogue(),
            self._indexes.prompts(),
            self._indexes.resources(),
        )
        seen = {entry.server for entry in catalogue.entries if self._of_tool(rights, entry) is None}
        seen |= {entry.server for entry in prompts.entries if self._of_prompt(rights, entry) is None}
        for places in index.listed.values():
            seen |= {place.server for place in places if self.of_place(rights, place) is None}
        silent = (name for name in catalogue.servers if not self._is_listed(name))
        seen |= {name for name in silent if rights.could_use(name)}
        return frozenset(seen)

    def with_tasks(self, rights: Rights, servers: Sequence[str]) -> list[str]:
        """The servers, among these, whose tasks a client may see.

        Raises:
            AuthorizationDenied: Rules leave it none of them.
        """
        seen = self.servers(rights)
        left = [server for server in servers if server in seen]
        if servers and not left:
            wanted = self._permissions.namespace.request(servers[0], "tasks/list", "tasks/list")
            why = rights.of(wanted)
            if why is not None and why.code != PROFILE:
                raise denied(why, wanted[0].names[1])
        return left

    def recipes(self, context: CallContext) -> dict[str, Recipe]:
        """The recipes all of whose calls a client may make."""
        return self.recipes_of(self.rights(context))

    def recipes_of(self, rights: Rights) -> dict[str, Recipe]:
        """The same by what a client may use."""
        return {name: recipe for name, recipe in self._recipes.items() if self._is_whole(rights, recipe)}

    def _is_whole(self, rights: Rights, recipe: Recipe) -> bool:
        for tool, server in named_in(recipe):
            try:
                route = self._find(tool, server)
            except CallmuxError:
                # Nobody can tell yet: its server has not come up, or the recipe is wrong.
                if rights.digest:
                    return False
                continue
            if rights.of_route(route) is not None:
                return False
        return True

    def check_sources(self, context: CallContext, sources: Iterable[tuple[str, str]]) -> None:
        """Refuses a kept result of tools that its owner may call no more.

        Raises:
            AuthorizationDenied: One of them.
        """
        rights = self.rights(context)
        for server, bare in sources:
            if (refusal := self._of_named(rights, server, bare)) is not None:
                raise denied(refusal, self._permissions.namespace.spelled(server, bare)[1])

    def allows(self, rights: Rights, server: str, bare: str) -> bool:
        """Whether a tool may be called, by its server's key and its own name."""
        return self._of_named(rights, server, bare) is None

    def _of_named(self, rights: Rights, server: str, bare: str) -> Denial | None:
        try:
            return rights.of_route(self._find(bare, server))
        except CallmuxError:
            # It is gone: its names are left, and it may write.
            if server not in self._indexes.catalogue().servers:
                return rights.of([literal(bare, server)])
            return rights.of([self._routing.wanted(Found(server, bare, None))])

    def meta_tools(self, rights: Rights, definitions: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
        """The tools of callmux itself that a client may call."""
        shown = []
        for one in definitions:
            own = traits(one["name"])
            restricted = own is not None and own.restricted
            if rights.of_meta_tool(one["name"], must_be_allowed=restricted) is None:
                shown.append(one)
        return shown

    def note(self, rights: Rights, part: Catalogue, *, proxied: bool, alone: bool) -> str | None:
        """What must be said beside a list of tools from which rules have taken all tools of servers.

        Args:
            part: What is left.
            proxied: Whether tools of servers are listed at all.
            alone: Whether nothing of our own is listed either.

        Raises:
            AuthorizationDenied: Nothing is left, and rules are why.
        """
        if part.entries and (proxied or not alone):
            return None
        refusal = self._why_no_tools(rights)
        if refusal is None:
            return None
        if alone:
            raise denied(refusal)
        return f"no tool of a server is listed: {refusal.reason} ({refusal.code})"

    def _why_no_tools(self, rights: Rights) -> Denial | None:
        """Why no tool may be used, where rules say so; None where there is none, or the profile has none."""
        return _first_rule(self._of_tool(rights, entry) for entry in self._indexes.catalogue().entries)

    def error(self, asked: ToolCall, context: CallContext, error: CallmuxError) -> CallmuxError:
        """The error about a tool's name that leads nowhere, as its caller may hear it."""
        return self.unknown(self.seen_by(context), asked.spelling, asked.server, error)

    def unknown(self, seen: Catalogue, tool: str, server: str | None, error: CallmuxError) -> CallmuxError:
        """The error about a name that leads nowhere, as somebody may hear it who sees only a part.

        Args:
            seen: That part.
            error: What was found in the whole.
        """
        try:
            found = seen.find(tool, server)
        except CallmuxError as own:
            return own
        if isinstance(error, ToolNotFound):
            return error
        return ToolResolutionFailed(
            f'tool "{tool}" is ambiguous: name its server, or use {found.emitted or found.bare}'
        )

    def _of_tool(self, rights: Rights, entry: CatalogueEntry) -> Denial | None:
        return rights.of(
            [self._routing.wanted(Found(entry.server, entry.tool.name, entry.tool, entry.emitted))]
        )

    def _of_prompt(self, rights: Rights, entry: CatalogueEntry) -> Denial | None:
        return self.of_place(rights, Place(entry.server, entry.tool.name))


def _first_rule(refusals: Iterable[Denial | None]) -> Denial | None:
    """The first refusal of a rule, where everything is refused; None where the profile just has nothing."""
    found = None
    for refusal in refusals:
        if refusal is None:
            return None
        if found is None and refusal.code != PROFILE:
            found = refusal
    return found
