"""One index of all servers' resources and templates: URIs for clients, and back to server and URI. Pure.

Built by `callmux.router.indexes` from what servers list; called by `callmux.router.offers`. A URI stays as
its server wrote it unless two servers have the same one; then each becomes `callmux://SERVER/` followed by
the URI as it was, which is understood for any URI of any server. Pages of MCP Apps must keep their scheme: of
`ui://x/y` it is `ui://callmux/SERVER/x/y`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from urllib.parse import quote, unquote

import msgspec

from callmux.protocol import apps
from callmux.protocol.shapes import with_member
from callmux.upstream.inventory.offer import Item

SCHEME = "callmux://"
UI_HOST = f"{apps.SCHEME}callmux/"


class ServerResources(msgspec.Struct, frozen=True, kw_only=True):
    """What one server contributes.

    Attributes:
        server: Its key.
        resources: What it lists.
        templates: The templates it lists.
        pages: URIs that its tools name as their pages; servers need not list them.
        allowed: Patterns of URIs that exist for clients (`*` for any run of characters); None means all.
        serves: Whether it declares resources, so it may know URIs that it does not list.
        beside: What stood beside the items in each of its lists, raw.
    """

    server: str
    resources: Sequence[Item] = ()
    templates: Sequence[Item] = ()
    pages: Sequence[str] = ()
    allowed: Sequence[str] | None = None
    serves: bool = False
    beside: Mapping[str, Mapping[str, bytes]] = {}


class Place(msgspec.Struct, frozen=True):
    """Where a URI leads."""

    server: str
    uri: str


class ResourceIndex:
    """The index.

    Args:
        servers: All servers, in configuration order.
        before: The index that clients knew until now: where it had a URI that has become one of several, the
            URI as it was still leads there.

    Attributes:
        resources, templates: The definitions as clients see them, in listing order.
        beside: What stands beside them in each list, raw: that of the only server.
        listed: Where each of them leads: of `resources` and `resourceTemplates`, in the same order.
        renamed: By server, the URI that clients know by the server's own, where it is another.
    """

    def __init__(self, servers: Sequence[ServerResources], before: ResourceIndex | None = None) -> None:
        known = {} if before is None else before._places
        self._servers = {s.server: s for s in servers}
        self.beside = servers[0].beside if len(servers) == 1 else {}
        self._allowed = {
            s.server: None if s.allowed is None else [_pattern(p) for p in s.allowed] for s in servers
        }
        self.listed: dict[str, list[Place]] = {}
        self._places: dict[str, Place] = {}
        self._shown: dict[tuple[str, str], str] = {}
        self.renamed: dict[str, dict[str, str]] = {}
        self._matchers: list[tuple[re.Pattern[str], str]] = []
        self.resources = self._fill(
            [(s.server, item) for s in servers for item in s.resources],
            "uri",
            [(s.server, uri) for s in servers for uri in s.pages],
            known,
        )
        self.templates = self._fill(
            [(s.server, item) for s in servers for item in s.templates], "uriTemplate", [], {}
        )
        for s in servers:
            self._matchers.extend((_template(item.key), s.server) for item in s.templates)

    def _fill(
        self,
        items: Sequence[tuple[str, Item]],
        member: str,
        unlisted: Sequence[tuple[str, str]],
        before: Mapping[str, Place],
    ) -> list[bytes]:
        allowed = [(server, item) for server, item in items if self.allows(server, item.key)]
        kind = "resources" if member == "uri" else "resourceTemplates"
        self.listed[kind] = [Place(server, item.key) for server, item in allowed]
        pages = [(server, uri) for server, uri in unlisted if self.allows(server, uri)]
        known = dict.fromkeys([*((server, item.key) for server, item in allowed), *pages])
        owners = Counter(uri for _, uri in known)
        uris = {(server, uri): qualified(server, uri) if owners[uri] > 1 else uri for server, uri in known}
        if member == "uri":
            for (server, uri), shown in uris.items():
                self._places[shown] = place = Place(server, uri)
                self._shown[server, uri] = shown
                if shown != uri:
                    self.renamed.setdefault(server, {})[uri] = shown
                    # A client may have the URI from before: it leads where it led, else to the first of them.
                    if before.get(uri) == place:
                        self._places[uri] = place
                    self._places.setdefault(uri, place)
        return [
            item.raw
            if uris[server, item.key] == item.key
            else with_member(item.raw, member, uris[server, item.key])
            for server, item in allowed
        ]

    def allows(self, server: str, uri: str) -> bool:
        """Whether this URI of this server exists for clients."""
        patterns = self._allowed.get(server)
        if patterns is None:
            return True
        from callmux.guard.uris import MOST_LETTERS, forms

        # As it is written and as the server may read it: file:///a/../b is not below file:///a.
        return len(uri) <= MOST_LETTERS and all(
            any(p.fullmatch(form) for p in patterns) for form in forms(uri)
        )

    def shown(self, server: str, uri: str) -> str:
        """The URI that clients know a server's URI by."""
        return self._shown.get((server, uri), uri)

    def find(self, uri: str) -> list[Place]:
        """Where `uri` may lead, likeliest first; empty where no server can know it."""
        if (place := self._places.get(uri)) is not None:
            return [place]
        if (place := self._named(uri)) is not None:
            return [place] if self.allows(place.server, place.uri) else []
        matching = [server for pattern, server in self._matchers if pattern.fullmatch(uri)]
        others = [s.server for s in self._servers.values() if s.serves]
        places = dict.fromkeys([*matching, *others])
        return [Place(server, uri) for server in places if self.allows(server, uri)]

    def _named(self, uri: str) -> Place | None:
        """The server and URI that a qualified URI names; None where it is none of these."""
        start, scheme = (UI_HOST, apps.SCHEME) if uri.startswith(UI_HOST) else (SCHEME, "")
        if not uri.startswith(start):
            return None
        key, _, rest = uri.removeprefix(start).partition("/")
        server = unquote(key)
        return Place(server, scheme + rest) if server in self._servers and rest else None

    def find_template(self, template: str) -> Place | None:
        """The server and template that a listed template stands for."""
        if (place := self._named(template)) is not None:
            return place if self.allows(place.server, place.uri) else None
        for s in self._servers.values():
            if any(item.key == template for item in s.templates) and self.allows(s.server, template):
                return Place(s.server, template)
        places = self.find(template)
        return places[0] if places else None


def qualified(server: str, uri: str) -> str:
    """A URI that names its server."""
    key = quote(server, safe="")
    if uri.startswith(apps.SCHEME):
        return f"{UI_HOST}{key}/{uri.removeprefix(apps.SCHEME)}"
    return f"{SCHEME}{key}/{uri}"


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in text.split("*")), re.DOTALL)


_EXPRESSION = re.compile(r"\{([+#./;?&]?)[^{}]*\}")


def _template(text: str) -> re.Pattern[str]:
    """A pattern for the URIs a template (RFC 6570) can give: generous, because the server decides."""
    parts, at = [], 0
    for match in _EXPRESSION.finditer(text):
        parts.append(re.escape(text[at : match.start()]))
        parts.append("[^/?#]*" if match.group(1) == "" else ".*")
        at = match.end()
    parts.append(re.escape(text[at:]))
    return re.compile("".join(parts), re.DOTALL)
