"""The tools that clients are listed, each kind of client its own list, rendered once.

Made by `callmux.process.runtime`; called by sessions for `tools/list`. Calls `callmux.router.listing`. Needs
nothing of how calls are made: a client lists tools before it calls one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from callmux.protocol import apps
from callmux.router import listing
from callmux.router.listing import Kinds, View
from callmux.router.readiness import Readiness
from callmux.upstream.catalogue import Catalogue

if TYPE_CHECKING:
    from callmux.config.recipes import Recipe
    from callmux.guard.principal import Principal
    from callmux.guard.rights import Rights
    from callmux.router.compress import Compression
    from callmux.router.personas import Persona
    from callmux.router.sight import Sight

MOST_VIEWS = 1000
"""Renderings of the list that are kept, where clients may use different things."""


class ToolLists:
    """The lists of one configuration.

    Args:
        ready: Says when it is known what servers list.
        catalogue: Gives the catalogue as it is now.
        meta_definitions: The meta-tools that are listed.
        proxied: Whether the servers' tools are listed.
        compression: Shortens what is listed.
        renamed: Gives the URIs of resources that clients know by another name, by server.
        plain: Whether the list is the server's own for every client (the transparent mode).
        eager: Whether the meta-tools ask clients that would defer them not to.
        kinds: Gives, for what a client declares, the kinds of `View`.
        narrowed: Gives the part of the catalogue that clients of these kinds see.
        given: Told when a client is given the list.
        sight: What each client may see; None where all may use everything.
        persona: The key `persona`; None where every client is listed the same. That of a profile goes before
            it.
        index_tokens: How long the index of tools may be, where one stands in their place; 0 for none.
        recipes: Those of the configuration, for the index.
    """

    def __init__(
        self,
        ready: Readiness,
        catalogue: Callable[[], Catalogue],
        meta_definitions: Sequence[dict[str, Any]],
        proxied: bool,
        compression: Compression | None = None,
        *,
        renamed: Callable[[], Mapping[str, Mapping[str, str]]] = dict,
        plain: bool = False,
        eager: bool = True,
        kinds: Callable[[bytes], Kinds] = lambda capabilities: (),
        narrowed: Callable[[Kinds], Catalogue] | None = None,
        given: Callable[[], object] = lambda: None,
        sight: Sight | None = None,
        persona: str | None = None,
        index_tokens: int = 0,
        recipes: Mapping[str, Recipe] | None = None,
    ) -> None:
        self._ready = ready
        self._catalogue = catalogue
        self._meta_definitions = meta_definitions
        self._proxied = proxied
        self._compression = compression
        self._renamed = renamed
        self._plain = plain
        self._eager = eager
        self._kinds, self._narrowed = kinds, narrowed
        self._given = given
        self._sight = sight
        self._persona = persona
        self._index_tokens = index_tokens
        self._recipes = recipes or {}
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
        await self._ready.listable()
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
        recipes = self._recipes
        if (rights := view.rights) is not None and (sight := self._sight) is not None:
            own = sight.meta_tools(rights, own)
            note = sight.note(rights, part, proxied=self._proxied, alone=not own)
            recipes = sight.recipes_of(rights) if rights.of_meta_tool("callmux_recipe_run") is None else {}
        if (persona := view.persona) is not None:
            own = persona.shown(own, proxied=self._proxied)
        if budget := self._index_tokens:
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
