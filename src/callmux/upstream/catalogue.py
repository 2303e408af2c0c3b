"""One index of all servers' tools: what clients see, and from a name back to server and tool. Pure.

A catalogue is built anew whenever a server's list changes and never edited. Called by the router, the
meta-tools and permission rules; built by the pool. Look-up rules: docs/tools.md, "Names".
"""

from __future__ import annotations

import copy
import heapq
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec

from callmux import names
from callmux.errors import ServerDisabled, ToolNotFound, ToolRemoved, ToolResolutionFailed
from callmux.protocol.shapes import Tool

REMEMBERED = 1000
"""Wrong names whose nearest right ones are kept."""
LONGEST = 100
"""Characters of a wrong name that are compared."""
MOST_COMPARED = 1000
"""Names that a wrong one is compared with letter by letter: about 20 ms."""
MOST_PAIRS = 10
"""Pairs of letters that choose them."""


class RemovedTool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool its server no longer has.

    Attributes:
        last_seen_at: ISO time of the last listing that had it.
        removed_at: ISO time of the first listing that had not.
    """

    last_seen_at: str
    removed_at: str


class ServerTools(msgspec.Struct, frozen=True, kw_only=True):
    """What one server contributes.

    Attributes:
        server: Its key.
        prefix: Its configured prefix; None means its key.
        tools: What it listed, in its order; empty before the first listing.
        whitelist: Bare names that are exposed; None means all.
        denied: Bare names that are not, whatever else is said.
        always_load: Bare names marked for clients that load tools lazily.
        removed: Bare names it had once.
        listed: Whether it has listed its tools at least once.
        disabled: Whether the configuration disables it.
        beside: What stood beside the tools in its listing, raw.
    """

    server: str
    prefix: str | None = None
    tools: Sequence[Tool] = ()
    whitelist: frozenset[str] | None = None
    denied: frozenset[str] = frozenset()
    always_load: frozenset[str] = frozenset()
    removed: Mapping[str, RemovedTool] = {}
    listed: bool = False
    disabled: bool = False
    beside: Mapping[str, bytes] = {}


class CatalogueEntry(msgspec.Struct, frozen=True):
    """One exposed tool under its emitted name."""

    emitted: str
    server: str
    tool: Tool
    always_load: bool = False


class Found(msgspec.Struct, frozen=True):
    """Where a name leads. `tool` and `emitted`, the name it is listed by, are None for a server that never
    listed its tools."""

    server: str
    bare: str
    tool: Tool | None
    emitted: str | None = None


class Catalogue:
    """The index.

    Args:
        servers: All configured servers, in configuration order.
        name_limit: Characters of an emitted name (see `names.presentable`).
        reserved: Names that belong to callmux itself (the meta-tools).
        identity: Which callmux this is (`namespace`, `instanceId`), shown to whoever names a server that is
            not in it.
        noun: What the entries are, for messages.
        late: Servers whose tools stand behind all others in a listing, in this order.

    Attributes:
        entries: Exposed tools in listing order.
        multiple: More than one server is configured, so names carry a prefix.
        late: The same.
        warnings: Sentences about names that had to be changed.
    """

    def __init__(
        self,
        servers: Sequence[ServerTools],
        *,
        name_limit: int = names.DEFAULT_LIMIT,
        reserved: frozenset[str] = frozenset(),
        identity: Mapping[str, str] = {},
        noun: str = "tool",
        late: Sequence[str] = (),
    ) -> None:
        self._noun = noun
        self.late = tuple(late)
        self._identity = identity
        self._near: dict[tuple[str, str | None], list[str]] = {}
        self.servers = {s.server: s for s in servers}
        self.multiple = len(servers) > 1
        # Several servers may say different things there, and none speaks for the others.
        self.beside: Mapping[str, bytes] = servers[0].beside if len(servers) == 1 else {}
        self.entries: list[CatalogueEntry] = []
        self.warnings: list[str] = []
        self._by_emitted: dict[str, CatalogueEntry] = {}
        self._by_bare: dict[str, list[CatalogueEntry]] = {}
        self._by_server: dict[str, dict[str, CatalogueEntry]] = {s.server: {} for s in servers}
        self._prefixes: dict[str, str] = {}
        for s in servers:
            if s.prefix:
                self._prefixes.setdefault(s.prefix, s.server)
        for s in servers:
            self._prefixes[s.server] = s.server
        self._fill(servers, name_limit, reserved)

    def _fill(self, servers: Sequence[ServerTools], limit: int, reserved: frozenset[str]) -> None:
        exposed: list[tuple[ServerTools, Tool]] = []
        for s in servers:
            seen: set[str] = set()
            for tool in () if s.disabled else s.tools:
                if (s.whitelist is not None and tool.name not in s.whitelist) or tool.name in s.denied:
                    continue
                if tool.name in seen:
                    self.warnings.append(
                        f'"{s.server}" lists the {self._noun} "{tool.name}" twice: the first one counts'
                    )
                    continue
                seen.add(tool.name)
                exposed.append((s, tool))
        wanted: dict[str, int] = {}
        for s, tool in exposed:
            desired = self._desired(s, tool.name)
            wanted[desired] = wanted.get(desired, 0) + 1
        for s, tool in exposed:
            name = self._desired(s, tool.name)
            qualified = names.join(s.server, tool.name)
            if (wanted[name] > 1 or name in reserved) and name != qualified:
                self.warnings.append(f'the name "{name}" is taken: "{s.server}" lists it as "{qualified}"')
                name = qualified
            emitted = names.presentable(name, limit)
            if emitted in self._by_emitted:
                # Only possible with "__" inside server keys or tool names: still listed, under a stable name.
                emitted = names.presentable(f"{s.server}/{tool.name}", limit or 128)
                self.warnings.append(
                    f'the name "{name}" is taken twice: "{s.server}" lists it as "{emitted}"'
                )
            entry = CatalogueEntry(emitted, s.server, tool, tool.name in s.always_load)
            self.entries.append(entry)
            self._by_emitted[emitted] = entry
            self._by_bare.setdefault(tool.name, []).append(entry)
            self._by_server[s.server][tool.name] = entry

    def _desired(self, server: ServerTools, bare: str) -> str:
        if not self.multiple:
            return bare
        return names.join(server.server if server.prefix is None else server.prefix, bare)

    def narrowed(self, shown: Mapping[str, Sequence[Tool]]) -> Catalogue:
        """What some clients see: of each server in `shown`, these tools in this order, named the same."""
        own = copy.copy(self)
        own._near = {}
        own._by_server = dict(self._by_server)
        for server, tools in shown.items():
            known = self._by_server[server]
            own._by_server[server] = {
                tool.name: msgspec.structs.replace(known[tool.name], tool=tool)
                for tool in tools
                if tool.name in known
            }
        own.entries = [entry for server in self.servers for entry in own._by_server[server].values()]
        own._by_emitted = {entry.emitted: entry for entry in own.entries}
        own._by_bare = {}
        for entry in own.entries:
            own._by_bare.setdefault(entry.tool.name, []).append(entry)
        return own

    def limited(self, shows: Callable[[CatalogueEntry], bool], servers: Collection[str]) -> Catalogue:
        """What somebody may see: entries that `shows` lets pass, of these servers, named the same."""
        part = self.narrowed(
            {
                server: [entry.tool for entry in entries.values() if server in servers and shows(entry)]
                for server, entries in self._by_server.items()
            }
        )
        part.servers = {server: tools for server, tools in self.servers.items() if server in servers}
        part._by_server = {server: part._by_server[server] for server in part.servers}
        part._prefixes = {prefix: key for prefix, key in self._prefixes.items() if key in servers}
        part.beside = self.beside if part.servers else {}
        return part

    def of_server(self, server: str) -> list[CatalogueEntry]:
        """The exposed tools of one server, in its order."""
        return list(self._by_server.get(server, {}).values())

    def owners(self, bare: str) -> list[str]:
        """The servers with a tool of this name, where these are several and the name alone means none."""
        entries = [] if bare in self._by_emitted else self._by_bare.get(bare, [])
        return [entry.server for entry in entries] if len(entries) > 1 else []

    def offered(self, server: str | None = None) -> list[CatalogueEntry]:
        """The exposed tools of all servers or of one, less those that are for the pages of apps alone."""
        entries = self.entries if server is None else self.of_server(server)
        return [entry for entry in entries if entry.tool.linkage.for_model]

    def find(self, tool: str, server: str | None = None) -> Found:
        """The server and bare name that `tool` stands for.

        Args:
            tool: An emitted, qualified or bare name.
            server: A server key that the caller named beside it.

        Raises:
            ToolNotFound: Nothing of that name.
            ToolResolutionFailed: Ambiguous, not exposed, or an unknown server.
            ToolRemoved: The server had it once.
            ServerDisabled: The configuration disables the server.
        """
        if server is not None:
            return self._find_on(server, tool)
        if (entry := self._by_emitted.get(tool)) is not None:
            return Found(entry.server, entry.tool.name, entry.tool, entry.emitted)
        for prefix in names.possible_prefixes(tool):
            if (key := self._prefixes.get(prefix)) is not None:
                return self._find_on(key, tool)
        owners = self._by_bare.get(tool, [])
        if len(owners) == 1:
            return Found(owners[0].server, tool, owners[0].tool, owners[0].emitted)
        if owners:
            options = ", ".join(sorted(e.emitted for e in owners if e.tool.linkage.for_model))
            raise ToolResolutionFailed(
                f'{self._noun} "{tool}" is ambiguous: name its server, or use one of {options}'
            )
        denying = [s.server for s in self.servers.values() if tool in s.denied]
        if denying:
            raise self._denied(denying[0], tool)
        gone = [s for s in self.servers.values() if tool in s.removed]
        if len(gone) == 1:
            raise self._removed(gone[0], tool)
        raise ToolNotFound(self._not_found(tool), tool=tool)

    def _find_on(self, key: str, tool: str) -> Found:
        server = self.servers.get(key)
        if server is None:
            raise ToolResolutionFailed(
                f'server "{key}" was not found in this callmux instance; it has {self._keys()}',
                server=key,
                availableServers=sorted(self.servers),
                **self._identity,
            )
        bare = names.strip_prefix(key, tool)
        if bare is None and server.prefix:
            bare = names.strip_prefix(server.prefix, tool)
        if bare is None:
            bare = tool
        if server.disabled:
            raise self._disabled(key, bare)
        own = self._by_server[key]
        if (entry := own.get(bare) or own.get(tool) or self._by_emitted.get(tool)) and entry.server == key:
            return Found(key, entry.tool.name, entry.tool, entry.emitted)
        denied = next((name for name in (bare, tool) if name in server.denied), None)
        if denied is not None:
            raise self._denied(key, denied)
        if bare in server.removed:
            raise self._removed(server, bare)
        if server.listed or (server.whitelist is not None and bare not in server.whitelist):
            raise ToolResolutionFailed(
                f'{self._noun} "{bare}" is not exposed on server "{key}"{self._hint(bare, key)}'
            )
        return Found(key, bare, None)

    @staticmethod
    def _disabled(key: str, bare: str) -> ServerDisabled:
        from callmux.failures.registry import message

        what = f'server "{key}" is disabled in the configuration'
        return ServerDisabled(message("server_disabled", what, {"server": key}), server=key, tool=bare)

    def _denied(self, key: str, bare: str) -> ToolResolutionFailed:
        return ToolResolutionFailed(
            f'{self._noun} "{bare}" of server "{key}" is denied: the key denyTools of that server in the'
            " configuration names it",
            server=key,
            tool=bare,
        )

    def _removed(self, server: ServerTools, bare: str) -> ToolRemoved:
        from callmux.failures.registry import message

        gone = server.removed[bare]
        what = f'server "{server.server}" no longer has the {self._noun} "{bare}"'
        return ToolRemoved(
            message("tool_removed_after_reconnect", what, {}),
            server=server.server,
            tool=bare,
            lastSeenAt=gone.last_seen_at,
            removedAt=gone.removed_at,
            currentTools=sorted(e.tool.name for e in self.offered(server.server)),
        )

    def _keys(self) -> str:
        return ", ".join(f'"{k}"' for k in sorted(self.servers)) or "no servers"

    def _not_found(self, tool: str) -> str:
        return f'{self._noun} "{tool}" was not found{self._hint(tool, None)}'

    def _hint(self, tool: str, server: str | None) -> str:
        near = self.suggest(tool, server)
        return f": did you mean {' or '.join(near)}?" if near else ""

    def suggest(self, tool: str, server: str | None = None, count: int = 3) -> list[str]:
        """Emitted names near to a wrong one, best first."""
        tool = tool[:LONGEST].lower()
        asked = (tool, server)
        if asked not in self._near:
            # One wrong name may come thousands of times, as the tool of a batch.
            if len(self._near) >= REMEMBERED:
                self._near.clear()
            self._near[asked] = self._search(tool, self.offered(server))
        return self._near[asked][:count]

    def _search(self, tool: str, pool: list[CatalogueEntry]) -> list[str]:
        import difflib

        by_name: dict[str, str] = {}
        for entry in pool:
            by_name.setdefault(entry.tool.name.lower(), entry.emitted)
            by_name.setdefault(entry.emitted.lower(), entry.emitted)
        close = difflib.get_close_matches(tool, _likely(tool, by_name), n=6, cutoff=0.6)
        return list(dict.fromkeys(by_name[name] for name in close))


def _likely(tool: str, known: Collection[str]) -> Collection[str]:
    """The names worth a comparison: all where they are few, else those of about the length of `tool` that
    have most of its pairs of letters. One pass over them, and each is looked at in C."""
    if len(known) <= MOST_COMPARED:
        return known
    step = max(len(tool) // MOST_PAIRS, 1)
    pairs = {tool[at : at + 2] for at in range(0, max(len(tool) - 1, 1), step)}
    longest, shortest = len(tool) * 2 + 2, len(tool) // 2
    about = [name for name in known if shortest <= len(name) <= longest]
    return heapq.nlargest(MOST_COMPARED, about, key=lambda name: sum(map(name.__contains__, pairs)))
