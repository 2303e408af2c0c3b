"""From the name a caller uses to its route: each spelling is looked up once.

Called by the door, the router and the request stages. Calls the catalogue, whose rules decide, and
`callmux.router.routing`. What is kept is forgotten when the catalogue is another one. Pure.
"""

from __future__ import annotations

from collections.abc import Callable

from callmux.errors import ToolNotFound, ToolRemoved, ToolResolutionFailed
from callmux.rings.route import Route
from callmux.router.routing import Routing
from callmux.traits import Traits
from callmux.upstream.catalogue import Catalogue, Found

MOST = 20_000
"""Spellings that are kept; callers who make names up must not fill the memory."""
LONGEST = 512
"""Letters of the longest name whose route is kept; longer ones are looked up each time."""


class Names:
    """The names of one configuration. A wrong name is looked up each time: the catalogue bounds what it keeps
    of those.

    Args:
        catalogue: Gives the catalogue as it is now.
        routing: Makes routes.
        fit: Gives a new route its stages.
        unknown: The server that gets what nobody lists; None where such names are refused.

    Attributes:
        direct: The routes of names that clients have called directly; see `of_direct`.
    """

    def __init__(
        self,
        catalogue: Callable[[], Catalogue],
        routing: Routing,
        fit: Callable[[Route], None] = lambda route: None,
        unknown: str | None = None,
    ) -> None:
        self._fit = fit
        self._unknown = unknown
        self._catalogue = catalogue
        self._routing = routing
        self._routes: dict[tuple[str, str], Route] = {}
        self._spelled: dict[tuple[str, str | None], Route] = {}
        self._methods: dict[tuple[str, str, bool], Route] = {}
        self._own: dict[str, Route] = {}
        self.direct: dict[str, Route] = {}

    def __repr__(self) -> str:
        return f"Names({len(self._spelled)} spellings of {len(self._routes)} tools)"

    def find(self, tool: str, server: str | None = None) -> Route:
        """The route that a name stands for.

        Args:
            tool: An emitted, qualified or bare name.
            server: A server key that the caller named beside it.

        Raises:
            CallmuxError: It leads nowhere; see `Catalogue.find`.
        """
        route = self._spelled.get((tool, server))
        return self._look_up(tool, server) if route is None else route

    def forget(self) -> None:
        """The catalogue is another one."""
        self._routes.clear()
        self._spelled.clear()
        self.direct.clear()

    def of_direct(self, tool: str) -> Route:
        """The route of a name in a direct call, which stands in `direct` from now on.

        Raises:
            CallmuxError: It leads nowhere.
        """
        route = self.find(tool)
        if len(tool) <= LONGEST:
            if len(self.direct) >= MOST:
                self.direct.clear()
            self.direct[tool] = route
        return route

    def _look_up(self, tool: str, server: str | None) -> Route:
        try:
            found = self._catalogue().find(tool, server)
        except (ToolNotFound, ToolResolutionFailed, ToolRemoved):
            if self._unknown is None or server is not None:
                raise
            found = Found(self._unknown, tool, None)
        key = found.server, found.bare
        if len(tool) > LONGEST:
            return self._routes.get(key) or self._made(found)
        route = self._routes.get(key)
        if route is None:
            if len(self._routes) >= MOST:
                self._routes.clear()
            route = self._routes[key] = self._made(found)
        if len(self._spelled) >= MOST:
            self._spelled.clear()
        self._spelled[tool, server] = route
        return route

    def _made(self, found: Found) -> Route:
        route = self._routing.of_tool(found)
        self._fit(route)
        return route

    def of_meta_tool(self, name: str, traits: Traits) -> Route:
        """The route of one of our own tools. It depends on nothing but the configuration."""
        route = self._own.get(name)
        if route is None:
            route = self._own[name] = self._routing.of_meta_tool(name, traits)
        return route

    def of_method(self, server: str, method: str, *, safe: bool) -> Route:
        """The route of another method than `tools/call`."""
        key = server, method, safe
        route = self._methods.get(key)
        if route is None:
            route = self._routing.of_method(server, method, safe=safe)
            self._fit(route)
            if len(method) <= LONGEST:
                if len(self._methods) >= MOST:
                    self._methods.clear()
                self._methods[key] = route
        return route
