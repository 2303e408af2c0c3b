"""What a client does at a server, directly and through callmux, and how the two compare.

Used by `test_encounters.py` and `scripts/try-servers`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec
from mcp.shared.exceptions import MCPError

from tests.encounters.guests import Command, Guest, Refused, guest, of_callmux, shown
from tests.encounters.servers import Deed, Json, Row
from tests.live.harness import stdio, write_config
from tests.live.test_listener import run_listener
from tests.support import free_port

WAYS = ("stdio", "listener", "bridge")
LISTS = {
    "tools/list": ("tools", "name"),
    "resources/list": ("resources", "uri"),
    "resources/templates/list": ("resourceTemplates", "uriTemplate"),
    "prompts/list": ("prompts", "name"),
}
MOST_READ = 8
"""Resources of a server that are read."""
OURS = "callmux_"
_OF_ERA = ("_meta", "resultType", "ttlMs", "cacheScope")
_RENAMED = re.compile(r"(?:callmux://|ui://callmux/)[^/\"]+/")


class Outcome(msgspec.Struct, frozen=True):
    """What came of something a client did.

    Attributes:
        ok: Whether it has a result.
        told: The result in one spelling, or the error.
    """

    ok: bool
    told: str


Visit = Mapping[str, Outcome]
"""By what was done."""


async def visit(at: Guest, row: Row, prefix: str, before: Visit | None = None) -> Visit:
    """What comes of all that a client does at a server.

    Args:
        prefix: Stands before the server's names, where there are several servers.
        before: What came of it directly: of several servers' resources, only its own are read.
    """
    done: dict[str, Outcome] = {}
    found: dict[str, list[Json]] = {}
    for method, (member, key) in LISTS.items():
        try:
            items = (await at.ask(method, {}))[member]
        except Refused as refused:
            done[method] = Outcome(False, str(refused))
            continue
        found[member] = [i for i in items if _is_own(i[key], row, prefix, key)]
        done[method] = Outcome(True, shown(sorted(_plain(i[key], prefix) for i in found[member])))
    deeds = [*row.deeds]
    own = None if before is None else _listed(before, "resources/list")
    listed = [r["uri"] for r in found.get("resources", []) if _may_be_of(row, r["uri"])]
    uris = [uri for uri in listed if own is None or _plain(uri, "") in own]
    deeds += [Deed(f"read {uri}", "resources/read", {"uri": uri}) for uri in uris[:MOST_READ]]
    if row.plain_tools:
        for tool in found.get("tools", []):
            if not tool["inputSchema"].get("required"):
                name = tool["name"].removeprefix(prefix)
                deeds.append(Deed(f"call {name}", "tools/call", {"name": name, "arguments": {}}, True))
    for page in dict.fromkeys(_pages(found.get("tools", []))):
        deeds.append(Deed(f"page {page}", "resources/read", {"uri": page}))
    for deed in deeds:
        done[_plain(deed.name, "")] = await _do(at, deed, prefix)
    return done


def _listed(done: Visit, method: str) -> set[str]:
    """What a list had in it."""
    outcome = done.get(method)
    return set(json.loads(outcome.told)) if outcome is not None and outcome.ok else set()


def _is_own(name: str, row: Row, prefix: str, key: str) -> bool:
    """Whether this belongs to the server. URIs say nothing of that, so all of them count."""
    if key != "name":
        return True
    return name.startswith(prefix) if prefix else not name.startswith(OURS)


def _may_be_of(row: Row, uri: str) -> bool:
    """Whether an address does not name another server."""
    named = _RENAMED.match(uri)
    return named is None or named[0].endswith(f"/{row.name}/")


def _plain(text: str, prefix: str) -> str:
    """A name or URI as its server wrote it."""
    text = text.removeprefix(prefix) if prefix else text
    return _RENAMED.sub(lambda m: "ui://" if m[0].startswith("ui://") else "", text)


def _pages(tools: Sequence[Json]) -> Iterator[str]:
    """The pages that tools name."""
    for tool in tools:
        meta = tool.get("_meta", {})
        for uri in (meta.get("ui", {}).get("resourceUri"), meta.get("ui/resourceUri")):
            if uri:
                yield uri


async def _do(at: Guest, deed: Deed, prefix: str) -> Outcome:
    params = dict(deed.params)
    if "name" in params:
        params["name"] = prefix + params["name"]
    if params.get("ref", {}).get("type") == "ref/prompt":
        params["ref"] = {**params["ref"], "name": prefix + params["ref"]["name"]}
    try:
        result = await at.ask(deed.method, params)
    except Refused as refused:
        return Outcome(False, str(refused))
    told = _plain(shown(_bare(result)), "")
    if prefix:
        told = told.replace(prefix, "")
    # The text of a failed call is for models: callmux may say more there.
    return Outcome(not result.get("isError"), re.sub(r"\d+", "0", told) if deed.varies else told)


def _bare(value: Any) -> Any:
    """A result without what an era, or callmux, adds to it."""
    if isinstance(value, list):
        return [_bare(item) for item in value]
    if isinstance(value, dict):
        kept = {name: _bare(item) for name, item in value.items() if name not in _OF_ERA}
        return {name: item for name, item in kept.items() if (name, item) != ("isError", False)}
    # The SDK's client makes floats of some whole numbers.
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Difference(msgspec.Struct, frozen=True):
    """Something that works directly, and not in the same way through callmux.

    Attributes:
        fails: Whether it fails there.
    """

    deed: str
    direct: str
    through: str
    fails: bool


def compared(direct: Visit, through: Visit) -> list[Difference]:
    """What works directly and fails through callmux, or comes to something else there."""
    found = []
    for name, before in direct.items():
        after = through.get(name, Outcome(False, "it is not there"))
        if not before.ok:
            continue
        if not after.ok:
            found.append(Difference(name, before.told, after.told, True))
        elif name in LISTS:
            if missing := _listed(direct, name) - _listed(through, name):
                found.append(Difference(name, before.told, f"without {sorted(missing)}", True))
        elif after.told != before.told:
            found.append(Difference(name, before.told, after.told, False))
    return found


def worked(done: Visit) -> int:
    """How much of a visit came to a result."""
    return sum(outcome.ok for outcome in done.values())


# ---- meetings ------------------------------------------------------------------------------------------


class Place:
    """Where encounters happen: a directory for each server, and what stands in a configuration for it."""

    def __init__(self, folder: Path, rows: Sequence[Row]) -> None:
        self.folder = folder
        self.commands: dict[str, Command] = {}
        self.rows = []
        for row in rows:
            (own := folder / row.name).mkdir()
            words = row.words(own)
            if words is not None:
                self.rows.append(row)
                self.commands[row.name] = Command(words, own)

    def config(self, name: str, rows: Sequence[Row]) -> Path:
        """A configuration with these servers."""
        (own := self.folder / name).mkdir()
        entries = {}
        for row in rows:
            command = self.commands[row.name]
            entries[row.name] = stdio([*command.words], cwd=str(command.folder))
        return write_config(own / "callmux.json", entries)


async def direct(place: Place, row: Row, mode: str) -> Visit | None:
    """A visit without callmux; None where the two do not understand each other."""
    try:
        async with guest(mode, place.commands[row.name]) as at:
            done = await visit(at, row, "")
    except Exception as error:
        if _is_refusal(error):
            return None
        raise
    # The SDK's client that speaks 2026-07-28 alone finds out only when it understands no answer.
    return done if worked(done) else None


def _is_refusal(error: BaseException) -> bool:
    """Whether a client could not begin with a server."""
    if isinstance(error, BaseExceptionGroup):
        return any(_is_refusal(inner) for inner in error.exceptions)
    return isinstance(error, Refused | MCPError | AssertionError)


@contextmanager
def _ways(folder: Path, config: Path, ways: Sequence[str]) -> Iterator[dict[str, Command | str]]:
    """Where callmux is met, by way."""
    with ExitStack() as stack:
        found: dict[str, Command | str] = {}
        port = free_port()
        url = f"http://127.0.0.1:{port}/mcp"
        if set(ways) & {"listener", "bridge"}:
            stack.enter_context(run_listener(folder, config, port))
        for way in ways:
            if way == "stdio":
                found[way] = of_callmux(folder, "--config", str(config))
            elif way == "bridge":
                found[way] = of_callmux(folder, "bridge", "--url", url)
            else:
                found[way] = url
        yield found


async def through(
    place: Place,
    name: str,
    rows: Sequence[Row],
    modes: Sequence[str],
    before: Mapping[str, Visit],
    ways: Sequence[str] = WAYS,
) -> dict[tuple[str, str, str], Visit]:
    """Visits through one callmux in front of these servers, by server, client and way.

    Args:
        name: Names the directory of this callmux.
        before: What came of a visit to each server directly.
    """
    done: dict[tuple[str, str, str], Visit] = {}
    config = place.config(name, rows)
    with _ways(config.parent, config, ways) as found:
        for way, where in found.items():
            for mode in modes:
                async with guest(mode, where) as at:
                    for row in rows:
                        prefix = f"{row.name}__" if len(rows) > 1 else ""
                        done[row.name, mode, way] = await visit(at, row, prefix, before[row.name])
    return done
