"""What callmux advertises is what it answers, no less and no more: for clients and servers of every era, one
server or many, meta-tools or none, transparent or not.

Extensions stand in `test_capabilities`; here are tools, prompts, resources, subscriptions, completions, log
levels, and changes of lists.
"""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callmux.protocol.jsonrpc import METHOD_NOT_FOUND
from callmux.protocol.methods import CAPABILITIES, SUBSCRIBE
from callmux.protocol.modern import REMOVED
from tests.support import run

from .bench import TRANSPARENT, Bench, Client, bench, interaction
from .modern_raw_server import ModernRawServer
from .raw_server import Call, Json, RawServer
from .requirements import requirement
from .test_capabilities import COMPLETION, MODERN, filled, serving

META: Json = MODERN["_meta"]
ERAS = ("handshake", "modern")
CONFIGURATIONS: dict[str, Json] = {
    "usual": {},
    "meta-only": {"metaOnly": True},
    "no meta-tools": {"exposeMetaTools": False},
    "transparent": TRANSPARENT,
}
CHANGING: Json = {"listChanged": True}
DECLARED: dict[str, list[Json]] = {
    "tools": [{}, CHANGING],
    "prompts": [{}, CHANGING],
    "resources": [{}, CHANGING, {"subscribe": True}, {"subscribe": False}, {"subscribe": True, **CHANGING}],
    "completions": [{}],
    "logging": [{}],
}
PARAMS: dict[str, Json] = {
    "completion/complete": COMPLETION,
    "logging/setLevel": {"level": "error"},
    "prompts/get": {"name": "{}p"},
    "resources/read": {"uri": "{}:r"},
    "resources/subscribe": {"uri": "{}:r"},
    "resources/unsubscribe": {"uri": "{}:r"},
}
LISTS = {"tools": "toolsListChanged", "prompts": "promptsListChanged", "resources": "resourcesListChanged"}


def server(era: str, name: str, capabilities: Json) -> RawServer:
    """A server that answers exactly what it declares."""
    kind = RawServer if era == "handshake" else ModernRawServer
    return serving(kind(name, capabilities=capabilities))


class Asker:
    """A client of one era, and what it was told that there is."""

    def __init__(self, era: str, bench: Bench) -> None:
        self.modern = era == "modern"
        self.client: Client = bench.client()
        self.capabilities: Json = {}

    async def look(self, bench: Bench) -> None:
        """Finds out what is declared once every server is up."""
        bench.host.start(None)
        await bench.host.runtime.settled()
        if self.modern:
            found = (await self.client.send("server/discover", {"_meta": META}))["result"]
        else:
            found = await self.client.greet()
        self.capabilities = found["capabilities"]

    async def code(self, method: str, params: Json) -> int | None:
        """The code of the error that a request is answered with; None for a result."""
        message = await self.client.send(method, {**params, "_meta": META} if self.modern else params)
        code: int | None = message.get("error", {}).get("code")
        return code

    def has(self, needed: str) -> bool:
        """Whether this was declared."""
        if needed == SUBSCRIBE:
            return self.capabilities.get("resources", {}).get("subscribe") is True
        if needed == "tools" and not self.capabilities:
            # Whoever declares nothing at all may have tools all the same.
            return True
        return needed in self.capabilities

    async def listens(self) -> Json:
        """What it is told that it will hear of, of all there is; the same for a client that greeted."""
        if not self.modern:
            return {
                member: True
                for kind, member in LISTS.items()
                if self.capabilities.get(kind, {}).get("listChanged")
            }
        wanted = {"notifications": dict.fromkeys(LISTS.values(), True), "_meta": META}
        self.client.send("subscriptions/listen", wanted)
        told = await self.client.told("notifications/subscriptions/acknowledged")
        honoured: Json = told["notifications"]
        return honoured


async def answered(asker: Asker, names: list[str], has_server: dict[str, list[str]]) -> None:
    """Each method is answered where it is declared, of whatever server, and is unknown where it is not."""
    for (method, needed), name in itertools.product(CAPABILITIES.items(), names):
        params = filled(PARAMS.get(method, {}), name, f"{name}__" if len(names) > 1 else "")
        code = await asker.code(method, params)
        if asker.modern and method in REMOVED:
            assert code == METHOD_NOT_FOUND, (method, code)
        elif not asker.has(needed):
            assert code == METHOD_NOT_FOUND, (method, code, asker.capabilities)
        elif name in has_server[needed] and (needed != "completions" or name in has_server["prompts"]):
            assert code is None, (method, params, code, asker.capabilities)
        else:
            assert code != METHOD_NOT_FOUND, (method, params, asker.capabilities)


def servers_with(all: dict[str, Json]) -> dict[str, list[str]]:
    """Which servers declare what."""
    found: dict[str, list[str]] = {}
    for needed in set(CAPABILITIES.values()):
        kind, _, member = needed.partition(".")
        found[needed] = [
            name for name, given in all.items() if kind in given and (not member or given[kind].get(member))
        ]
    return found


async def scene(client_era: str, eras: list[str], all: list[Json], config: Json) -> None:
    declared = {f"s{n}": capabilities for n, capabilities in enumerate(all)}
    servers = [server(era, name, given) for era, (name, given) in zip(eras, declared.items(), strict=True)]
    async with bench(*servers, single=len(all) == 1, **config) as b:
        asker = Asker(client_era, b)
        await asker.look(b)
        await answered(asker, list(declared), servers_with(declared))
        heard = await asker.listens()
        for kind, member in LISTS.items():
            assert bool(heard.get(member)) == bool(asker.capabilities.get(kind, {}).get("listChanged")), (
                kind,
                heard,
                asker.capabilities,
            )


one_server = st.fixed_dictionaries({}, optional={name: st.sampled_from(of) for name, of in DECLARED.items()})
one = st.tuples(st.sampled_from(ERAS), one_server)


@requirement("initialize.served", "initialize.unserved")
@given(
    client=st.sampled_from(ERAS),
    config=st.sampled_from(sorted(CONFIGURATIONS)),
    all=st.lists(one, min_size=1, max_size=3),
)
@settings(max_examples=60)
def test_what_is_advertised_is_answered_and_nothing_else(
    client: str, config: str, all: list[tuple[str, Json]]
) -> None:
    run(scene(client, [era for era, _ in all], [given for _, given in all], CONFIGURATIONS[config]), 20)


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("of_server", ERAS)
@pytest.mark.parametrize("of_client", ERAS)
@interaction("initialize.changes")
async def test_a_list_that_changes_is_told_of_in_every_era(
    of_client: str, of_server: str, kind: str, several: bool
) -> None:
    changed = False

    def listed(call: Call) -> Json:
        things: Json = {"tools": {"name": "t", "inputSchema": {"type": "object"}}, "prompts": {"name": "p"}}
        item = things.get(kind, {"uri": "x:r", "name": "r"})
        more = {**item, "name": "more", **({"uri": "x:more"} if kind == "resources" else {})}
        return {kind: [item, more] if changed else [item]}

    capabilities: Json = {"tools": CHANGING, "prompts": CHANGING, "resources": CHANGING}
    changing = server(of_server, "a", capabilities).answers(f"{kind}/list", listed)
    others = [server("handshake", "b", {"tools": {}})] if several else []
    async with bench(changing, *others, single=False) as b:
        asker = Asker(of_client, b)
        await asker.look(b)
        assert (await asker.listens())[LISTS[kind]] is True
        assert await asker.code(f"{kind}/list", {}) is None
        changed = True
        if isinstance(changing, ModernRawServer):
            changing.changes(kind)
        else:
            changing.peer.tell(f"notifications/{kind}/list_changed")
        await asker.client.told(f"notifications/{kind}/list_changed")
