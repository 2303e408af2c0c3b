"""A name is looked up once, for as long as the catalogue stays."""

from __future__ import annotations

import pytest

from callmux.config.check import check_document
from callmux.errors import CallmuxError, ToolNotFound
from callmux.protocol.shapes import Tool
from callmux.router import names as module
from callmux.router.names import Names
from callmux.router.routing import Routing
from callmux.traits import Traits
from callmux.upstream.catalogue import Catalogue, ServerTools


class Bench:
    """The names of a catalogue that can change; counts the look-ups and the routes that are made."""

    def __init__(self, *tools: str) -> None:
        self.looked_up: list[str] = []
        self.made = 0
        bench = self

        class Counting(Routing):
            def of_tool(self, found):  # type: ignore[no-untyped-def]
                bench.made += 1
                return super().of_tool(found)

        config = check_document({"servers": {"a": {"command": "x"}, "b": {"command": "x"}}}).config
        self.lists(*tools)
        self.names = Names(lambda: self.catalogue, Counting(config))

    def lists(self, *tools: str) -> None:
        looked_up = self.looked_up

        class Counting(Catalogue):
            def find(self, tool, server=None):  # type: ignore[no-untyped-def]
                looked_up.append(tool)
                return super().find(tool, server)

        listed = [Tool(b'{"name":"%b"}' % name.encode()) for name in tools]
        self.catalogue: Catalogue = Counting(
            [ServerTools(server=s, tools=listed, listed=True) for s in ("a", "b")]
        )
        if hasattr(self, "names"):
            self.names.forget()


def test_all_spellings_lead_to_one_route_and_each_is_looked_up_once() -> None:
    bench = Bench("t")
    routes = {id(bench.names.find(*asked)) for asked in [("a__t", None), ("t", "a"), ("a__t", "a")] * 3}
    assert len(routes) == 1
    assert (len(bench.looked_up), bench.made) == (3, 1)
    assert bench.names.find("b__t").server == "b"
    assert repr(bench.names) == "Names(4 spellings of 2 tools)"


def test_another_catalogue_is_looked_up_anew() -> None:
    bench = Bench("t")
    before = bench.names.find("a__t")
    bench.lists("t", "u")
    after = bench.names.find("a__t")
    assert after is not before
    assert after.tool is not before.tool
    bench.lists("u")
    with pytest.raises(CallmuxError):
        bench.names.find("a__t")


def test_a_wrong_name_is_looked_up_each_time_and_takes_no_room() -> None:
    bench = Bench("t")
    for _ in range(2):
        with pytest.raises(ToolNotFound):
            bench.names.find("nothing")
    assert bench.looked_up == ["nothing", "nothing"]
    assert repr(bench.names) == "Names(0 spellings of 0 tools)"


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    bench = Bench(*(f"t{n}" for n in range(10)))
    for n in range(10):
        assert bench.names.find(f"a__t{n}").bare == f"t{n}"
        assert bench.names.of_method("a", f"m{n}", safe=True).method == f"m{n}"
        assert len(bench.names._routes) <= 3
        assert len(bench.names._spelled) <= 3
        assert len(bench.names._methods) <= 3


def test_a_route_of_another_method_is_made_once() -> None:
    names = Bench().names
    assert names.of_method("a", "x", safe=True) is names.of_method("a", "x", safe=True)
    assert names.of_method("a", "x", safe=True) is not names.of_method("a", "x", safe=False)


def test_the_route_of_a_meta_tool_is_made_once_and_outlives_the_catalogue() -> None:
    bench = Bench("get")
    own = Traits(calls=True)
    route = bench.names.of_meta_tool("callmux_x", own)
    bench.names.forget()
    assert bench.names.of_meta_tool("callmux_x", own) is route
    assert (route.own, route.bare, route.server) == (own, "callmux_x", "")


@pytest.mark.parametrize("letters", [module.LONGEST, module.LONGEST + 1])
def test_the_longest_names_are_not_kept(letters: int) -> None:
    listed, made_up = "x" * (letters - 3), "y" * letters
    bench = Bench("t")
    servers = [ServerTools(server="a"), ServerTools(server="b", tools=[], listed=True)]
    bench.catalogue = Catalogue(servers)
    kept = letters <= module.LONGEST
    for _ in range(2):
        # Nobody knows yet what this server has.
        assert bench.names.find(made_up, "a").bare == made_up
        assert bench.names.of_direct(f"a__{listed}").bare == listed
        assert bench.names.of_method("a", made_up, safe=False).method == made_up
    assert len(bench.names._spelled) == (2 if kept else 0)
    assert len(bench.names._routes) == (2 if kept else 0)
    assert len(bench.names._methods) == len(bench.names.direct) == (1 if kept else 0)


def test_a_name_in_a_direct_call_stands_ready_until_the_catalogue_is_another() -> None:
    bench = Bench("t")
    made = bench.names.of_direct("a__t")
    assert bench.names.direct == {"a__t": made}
    assert bench.names.find("a__t") is made
    bench.lists("t")
    assert bench.names.direct == {}
    with pytest.raises(CallmuxError):
        bench.names.of_direct("wrong")
    assert bench.names.direct == {}


def test_what_is_kept_of_names_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    bench = Bench("t", "u", "v")
    for name in ("a__t", "a__u", "a__v", "b__t", "b__u"):
        assert bench.names.of_direct(name).server == name[0]
        assert len(bench.names.direct) <= 2
        assert bench.names.find(name) is bench.names.direct[name]


def test_in_front_of_one_server_a_name_that_is_not_listed_is_that_servers() -> None:
    bench = Bench("t")
    config = check_document({"servers": {"a": {"command": "x"}}}).config
    names = Names(lambda: bench.catalogue, Routing(config), unknown="a")
    found = names.find("unlisted")
    assert (found.server, found.bare, found.tool) == ("a", "unlisted", None)
    with pytest.raises(CallmuxError):
        names.find("unlisted", "b")
