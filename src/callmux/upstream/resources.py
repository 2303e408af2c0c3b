"""One index of all servers' resources and templates: URIs for clients, and back to server and URI. Pure.

Built by `callmux.runtime` from what servers list; called by `callmux.router.offers`. A URI stays as its
server wrote it unless two servers have the same one; then each becomes `callmux://SERVER/` followed by the
URI as it was, which is understood for any URI of any server.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from urllib.parse import quote, unquote

import msgspec

from callmux.protocol.shapes import with_member
from callmux.upstream.offer import Item

SCHEME = "callmux://"


class ServerResources(msgspec.Struct, frozen=True, kw_only=True):
    """What one server contributes.

    Attributes:
        server: Its key.
        resources: What it lists.
        templates: The templates it lists.
        allowed: Patterns of URIs that exist for clients (`*` for any run of characters); None means all.
        serves: It declares resources, so it may know URIs that it does not list.
        beside: What stood beside the items in each of its lists, raw.
    """

    server: str
    resources: Sequence[Item] = ()
    templates: Sequence[Item] = ()
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

    Attributes:
        resources, templates: The definitions as clients see them, in listing order.
        beside: What stands beside them in each list, raw: that of the only server.
        renamed: By server, the URI that clients know by the server's own, where it is another.
    """

    def __init__(self, servers: Sequence[ServerResources]) -> None:
        self._servers = {s.server: s for s in servers}
        self.beside = servers[0].beside if len(servers) == 1 else {}
        self._allowed = {
            s.server: None if s.allowed is None else [_pattern(p) for p in s.allowed] for s in servers
        }
        self._places: dict[str, Place] = {}
        self._shown: dict[tuple[str, str], str] = {}
        self.renamed: dict[str, dict[str, str]] = {}
        self._matchers: list[tuple[re.Pattern[str], str]] = []
        self.resources = self._fill([(s.server, item) for s in servers for item in s.resources], "uri")
        self.templates = self._fill(
            [(s.server, item) for s in servers for item in s.templates], "uriTemplate"
        )
        for s in servers:
            self._matchers.extend((_template(item.key), s.server) for item in s.templates)

    def _fill(self, items: Sequence[tuple[str, Item]], member: str) -> list[bytes]:
        allowed = [(server, item) for server, item in items if self.allows(server, item.key)]
        owners = Counter(uri for uri, _ in {(item.key, server) for server, item in allowed})
        shown = []
        for server, item in allowed:
            if owners[item.key] > 1:
                uri = qualified(server, item.key)
                shown.append(with_member(item.raw, member, uri))
            else:
                uri = item.key
                shown.append(item.raw)
            if member == "uri":
                self._places[uri] = Place(server, item.key)
                self._shown[server, item.key] = uri
                if uri != item.key:
                    self.renamed.setdefault(server, {})[item.key] = uri
        return shown

    def allows(self, server: str, uri: str) -> bool:
        """Whether this URI of this server exists for clients."""
        patterns = self._allowed.get(server)
        return patterns is None or any(p.fullmatch(uri) for p in patterns)

    def shown(self, server: str, uri: str) -> str:
        """The URI that clients know a server's URI by."""
        return self._shown.get((server, uri), uri)

    def find(self, uri: str) -> list[Place]:
        """Where `uri` may lead, likeliest first; empty where no server can know it."""
        if (place := self._places.get(uri)) is not None:
            return [place]
        if uri.startswith(SCHEME):
            key, _, rest = uri.removeprefix(SCHEME).partition("/")
            server = unquote(key)
            if server in self._servers and rest:
                return [Place(server, rest)] if self.allows(server, rest) else []
        matching = [server for pattern, server in self._matchers if pattern.fullmatch(uri)]
        others = [s.server for s in self._servers.values() if s.serves]
        places = dict.fromkeys([*matching, *others])
        return [Place(server, uri) for server in places if self.allows(server, uri)]

    def find_template(self, template: str) -> Place | None:
        """The server and template that a listed template stands for."""
        if template.startswith(SCHEME):
            key, _, rest = template.removeprefix(SCHEME).partition("/")
            server = unquote(key)
            if server in self._servers:
                return Place(server, rest) if self.allows(server, rest) else None
        for s in self._servers.values():
            if any(item.key == template for item in s.templates) and self.allows(s.server, template):
                return Place(s.server, template)
        places = self.find(template)
        return places[0] if places else None


def qualified(server: str, uri: str) -> str:
    """A URI that names its server."""
    return f"{SCHEME}{quote(server, safe='')}/{uri}"


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
