"""One index of all servers' resources and templates: URIs for clients, and back to server and URI. Pure.

Built by `callmux.router.indexes` from what servers list; called by `callmux.router.offers`,
`callmux.router.extensions` and `callmux.rings.relinking`. A URI stays as its server wrote it unless two
servers have the same one; then each becomes `callmux://SERVER/` followed by the URI as it was, which is
understood for any URI of any server. Pages of MCP Apps and skills keep their scheme: of `ui://x/y` it is
`ui://callmux/SERVER/x/y`. A skill is renamed with all its files, so that they stay within its directory.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from urllib.parse import quote, unquote

import msgspec

from callmux.patterns import late
from callmux.protocol import apps
from callmux.protocol.shapes import with_member
from callmux.upstream.inventory.offer import Item

SCHEME = "callmux://"
KEPT = (apps.SCHEME, "skill://")
"""Schemes that mean something to clients: a URI that names its server has them, too."""
SKILL = "/SKILL.md"
"""The end of the URI of the file that every skill has; what stands before is its directory (SEP-2640)."""
DEEPEST = 64
"""Directories above a URI that are looked at."""


class ServerResources(msgspec.Struct, frozen=True, kw_only=True):
    """What one server contributes.

    Attributes:
        server: Its key.
        resources: What it lists.
        templates: The templates it lists.
        named: URIs that it names elsewhere, as pages of its tools or files of its skills; servers need not
            list them.
        allowed: Patterns of URIs that exist for clients (`*` for any run of characters); None means all.
        serves: Whether it declares resources, so it may know URIs that it does not list.
        beside: What stood beside the items in each of its lists, raw.
    """

    server: str
    resources: Sequence[Item] = ()
    templates: Sequence[Item] = ()
    named: Sequence[str] = ()
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
        moving: Servers that may name URIs that nobody has listed and that could lead to another one.
    """

    def __init__(self, servers: Sequence[ServerResources], before: ResourceIndex | None = None) -> None:
        self._servers = {s.server: s for s in servers}
        self.beside = servers[0].beside if len(servers) == 1 else {}
        self._allowed = {
            s.server: None if s.allowed is None else [_pattern(p) for p in s.allowed] for s in servers
        }
        self._places: dict[str, Place] = {}
        self._shown: dict[tuple[str, str], str] = {}
        self._claims: dict[str, list[Place]] = {}
        self._led: set[str] = set()
        self.renamed: dict[str, dict[str, str]] = {}
        known = {s.server: self._known(s) for s in servers}
        owners = Counter(uri for uris in known.values() for uri in uris)
        self._skills: dict[str, list[str]] = {}
        self._taken: set[tuple[str, str]] = set()
        for server, uris in known.items():
            self._find_skills(server, uris, owners)
        for server, uris in known.items():
            for uri in uris:
                self._note(server, uri, owners, {} if before is None else before._places)
        self.resources = [
            _shown_as(item, "uri", self._shown[s.server, item.key])
            for s in servers
            for item in s.resources
            if (s.server, item.key) in self._shown
        ]
        templates = [(s.server, i) for s in servers for i in s.templates if self.allows(s.server, i.key)]
        alike = Counter(key for _, key in {(server, item.key) for server, item in templates})
        self.templates = [
            _shown_as(item, "uriTemplate", self._named_as(server, item.key, alike))
            for server, item in templates
        ]
        self.listed = {
            "resources": [
                Place(s.server, item.key)
                for s in servers
                for item in s.resources
                if (s.server, item.key) in self._shown
            ],
            "resourceTemplates": [Place(server, item.key) for server, item in templates],
        }
        self._matchers = [(_template(item.key), s.server) for s in servers for item in s.templates]
        serving = [s.server for s in servers if s.serves]
        self.moving = frozenset(serving if len(serving) > 1 else ())

    def _known(self, server: ServerResources) -> dict[str, None]:
        """The URIs of a server that are known, and exist for clients."""
        uris = dict.fromkeys([*(item.key for item in server.resources), *server.named])
        return {uri: None for uri in uris if self.allows(server.server, uri)}

    def _find_skills(self, server: str, uris: Collection[str], owners: Counter[str]) -> None:
        """Notes where a server has skills, and which of these directories another one has something in."""
        own = {uri.removesuffix(SKILL) for uri in uris if uri.endswith(SKILL)}
        for directory in own:
            self._skills.setdefault(directory, []).append(server)
        if own:
            for uri in uris:
                if owners[uri] > 1 and (within := [d for d in _directories(uri) if d in own]):
                    self._taken.add((server, within[-1]))

    def _note(self, server: str, uri: str, owners: Counter[str], before: Mapping[str, Place]) -> None:
        shown = self._shown[server, uri] = self._named_as(server, uri, owners)
        self._places[shown] = place = Place(server, uri)
        if shown != uri:
            self.renamed.setdefault(server, {})[uri] = shown
            # A client may have the URI from before: it leads where it led, else to the first of them.
            if owners[uri] > 1:
                self._claims.setdefault(uri, []).append(place)
            if before.get(uri) == place:
                self._places[uri] = place
                self._led.add(uri)
            self._places.setdefault(uri, place)

    def _named_as(self, server: str, uri: str, owners: Counter[str]) -> str:
        return qualified(server, uri) if owners[uri] > 1 or self._is_taken(server, uri) else uri

    def _is_taken(self, server: str, uri: str) -> bool:
        """Whether it belongs to a skill in whose directory another server has something, too."""
        taken = self._taken
        return bool(taken) and any((server, directory) in taken for directory in _directories(uri))

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
        """The URI that clients know a server's URI by. One that nobody has listed, of a scheme that means
        something to clients, names its server where others have resources, too."""
        shown = self._shown.get((server, uri))
        if shown is not None:
            return shown
        if self._is_taken(server, uri):
            return qualified(server, uri)
        if server not in self.moving or not uri.startswith(KEPT):
            return uri
        is_of_skill = any(server in self._skills.get(directory, ()) for directory in _directories(uri))
        return uri if is_of_skill else qualified(server, uri)

    def claims(self, uri: str) -> Sequence[Place]:
        """Where a URI may lead that several servers have as their own; empty for any other."""
        return self._claims.get(uri, ())

    def is_guess(self, uri: str) -> bool:
        """Whether nothing says to which of several servers a URI leads that means something to clients."""
        return uri in self._claims and uri not in self._led and uri.startswith(KEPT)

    def find(self, uri: str, servers: Collection[str] | None = None) -> list[Place]:
        """Where `uri` may lead, likeliest first; empty where no server can know it.

        Args:
            servers: Those that can know URIs which are not known here; None for all that have resources.
        """
        if (place := self._places.get(uri)) is not None:
            return [place]
        if (place := self._named(uri)) is not None:
            return [place] if self.allows(place.server, place.uri) else []
        skilled = [s for d in _directories(uri) for s in self._skills.get(d, ())] if self._skills else []
        matching = [server for pattern, server in self._matchers if pattern.fullmatch(uri)]
        others = [s.server for s in self._servers.values() if s.serves] if servers is None else servers
        places = dict.fromkeys([*skilled, *matching, *others])
        return [Place(server, uri) for server in places if self.allows(server, uri)]

    def _named(self, uri: str) -> Place | None:
        """The server and URI that a qualified URI names; None where it is none of these."""
        for scheme in ("", *KEPT):
            start = f"{scheme}callmux/" if scheme else SCHEME
            if uri.startswith(start):
                key, _, rest = uri.removeprefix(start).partition("/")
                server = unquote(key)
                return Place(server, scheme + rest) if server in self._servers and rest else None
        return None

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
    for scheme in KEPT:
        if uri.startswith(scheme):
            return f"{scheme}callmux/{key}/{uri.removeprefix(scheme)}"
    return f"{SCHEME}{key}/{uri}"


def _shown_as(item: Item, member: str, shown: str) -> bytes:
    """A definition under the URI that clients know."""
    return item.raw if shown == item.key else with_member(item.raw, member, shown)


def _directories(uri: str) -> Iterator[str]:
    """The URI itself, as that of a directory, and those above it."""
    for _ in range(DEEPEST):
        yield uri
        uri, slash, _ = uri.rpartition("/")
        if not slash or uri.endswith(":"):
            return


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in text.split("*")), re.DOTALL)


_EXPRESSION = late(r"\{([+#./;?&]?)[^{}]*\}")


def _template(text: str) -> re.Pattern[str]:
    """A pattern for the URIs a template (RFC 6570) can give: generous, because the server decides."""
    parts, at = [], 0
    for match in _EXPRESSION().finditer(text):
        parts.append(re.escape(text[at : match.start()]))
        parts.append("[^/?#]*" if match.group(1) == "" else ".*")
        at = match.end()
    parts.append(re.escape(text[at:]))
    return re.compile("".join(parts), re.DOTALL)
