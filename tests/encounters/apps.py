"""MCP-App servers two at a time behind one callmux: whose page does each tool open?

Used by `scripts/try-servers`. A page is held against what its server gives when it is asked directly.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from tests.encounters.guests import Command, Guest, Refused, guest, of_callmux, shown
from tests.encounters.servers import Json
from tests.live.harness import stdio, write_config

_ADDRESS = re.compile(r"ui://[^\"\\\s]+")


class App(msgspec.Struct, frozen=True):
    """One server as it is directly.

    Attributes:
        name: Its key.
        pages: What each of its pages says, by address.
        tools: The address of the page of each tool that has one.
        plain: Tools that need no argument.
        unreadable: Resources that it lists and does not give, such as for want of a network.
    """

    name: str
    pages: Mapping[str, str]
    tools: Mapping[str, str]
    plain: Sequence[str]
    unreadable: frozenset[str]


class Pairing(msgspec.Struct):
    """What came of two servers behind one callmux.

    Attributes:
        names: The two.
        opened: Pages of tools that were opened.
        addresses: Addresses that were referred to anywhere.
        shared: Addresses that both have.
        wrong: Tools that opened a page that is not their server's.
        unreadable: Addresses that lead nowhere.
        apart: Where listing and result name different pages.
    """

    names: tuple[str, str]
    opened: int = 0
    addresses: int = 0
    shared: int = 0
    wrong: list[str] = []
    unreadable: list[str] = []
    apart: list[str] = []

    @property
    def good(self) -> bool:
        return not (self.wrong or self.unreadable or self.apart)


def page_of(tool: Json) -> str | None:
    """The page that a tool, or its result, names."""
    meta = tool.get("_meta") or {}
    found = (meta.get("ui") or {}).get("resourceUri") or meta.get("ui/resourceUri")
    return str(found) if found else None


def said(read: Json) -> str:
    """What a page says, without the address that it was asked for by."""
    return shown(
        [{k: v for k, v in content.items() if k not in ("uri", "_meta")} for content in read["contents"]]
    )


async def alone(name: str, words: Sequence[str], folder: Path) -> App:
    """A server as it is directly."""
    async with guest("auto", Command(words, folder)) as at:
        tools = (await at.ask("tools/list", {}))["tools"]
        with_page = {tool["name"]: page for tool in tools if (page := page_of(tool))}
        pages = {uri: said(await at.ask("resources/read", {"uri": uri})) for uri in set(with_page.values())}
        plain = [tool["name"] for tool in tools if not tool["inputSchema"].get("required")]
        unreadable = set()
        for resource in (await at.ask("resources/list", {}))["resources"]:
            try:
                await at.ask("resources/read", {"uri": resource["uri"]})
            except Refused:
                unreadable.add(resource["uri"])
    return App(name, pages, with_page, plain, frozenset(unreadable))


async def together(
    apps: tuple[App, App], words: Mapping[str, Sequence[str]], folder: Path, mode: str
) -> Pairing:
    """The two behind one callmux.

    Args:
        words: Their commands.
        mode: What the client does first.
    """
    one, other = apps
    keys = {one.name: one, (other.name if other.name != one.name else f"{other.name}-2"): other}
    entries = {}
    for key, app in keys.items():
        (own := folder / key).mkdir()
        entries[key] = stdio([*words[app.name]], cwd=str(own))
    config = write_config(folder / "callmux.json", entries)
    found = Pairing((one.name, other.name), shared=len(one.pages.keys() & other.pages.keys()))
    async with AsyncExitStack() as stack:
        at = await stack.enter_async_context(guest(mode, of_callmux(folder, "--config", str(config))))
        tools = {tool["name"]: tool for tool in (await at.ask("tools/list", {}))["tools"]}
        referred: set[str] = set()
        for key, app in keys.items():
            for bare, direct in app.tools.items():
                await _open(at, tools, f"{key}__{bare}", app.pages[direct], found, referred)
            for bare in app.plain:
                result = await at.ask("tools/call", {"name": f"{key}__{bare}", "arguments": {}})
                referred.update(_addresses(result))
                before, named = page_of(tools.get(f"{key}__{bare}", {})), page_of(result)
                if named is not None and before is not None and named != before:
                    found.apart.append(f"{key}__{bare}: {before}, then {named}")
        listed = {resource["uri"] for resource in (await at.ask("resources/list", {}))["resources"]}
        referred |= {uri for uri in listed if uri not in one.unreadable | other.unreadable}
        for uri in sorted(referred):
            try:
                await at.ask("resources/read", {"uri": uri})
            except Refused as refused:
                found.unreadable.append(f"{uri}: {refused}")
        found.addresses = len(referred)
    return found


async def _open(
    at: Guest, tools: Mapping[str, Json], name: str, expected: str, found: Pairing, referred: set[str]
) -> None:
    """Opens the page of a tool, as a host does."""
    uri = page_of(tools.get(name, {}))
    if uri is None or not uri.startswith("ui://"):
        found.wrong.append(f"{name}: {uri}")
        return
    referred.add(uri)
    found.opened += 1
    try:
        if said(await at.ask("resources/read", {"uri": uri})) != expected:
            found.wrong.append(f"{name}: {uri} is another page")
    except Refused as refused:
        found.unreadable.append(f"{uri}: {refused}")


def _addresses(result: Json) -> Iterator[str]:
    """The addresses of pages that a result names."""
    yield from _ADDRESS.findall(shown(result))
