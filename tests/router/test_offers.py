"""Prompts, resources, completion, tasks and the unknown: each to the server it belongs to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest
from msgspec import Raw

from callmux.errors import UpstreamUnavailable
from callmux.protocol.jsonrpc import RpcError
from callmux.protocol.shapes import Result, Tool
from callmux.router.door import Door
from callmux.router.indexes import Indexes
from callmux.router.offers import Offers
from callmux.router.opened_apps import OpenedApps
from callmux.upstream.catalogue import Catalogue, ServerTools
from callmux.upstream.failures import refused, to_error
from callmux.upstream.inventory.offer import Item
from callmux.upstream.resources import Place, ResourceIndex, ServerResources
from tests.support import context, play


class FakeDoor:
    """Keeps what is sent; answers by server and method."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, str, dict[str, Any] | None]] = []
        self.answers: dict[tuple[str, str], Any] = {}
        self.tokens: list[Any] = []
        self.safe: list[bool] = []
        self.lists_tasks: list[str] = []
        self.declared: dict[tuple[str, ...], list[str]] = {}

    async def settled(self, *, for_call: bool = False) -> None: ...
    async def listable(self) -> None: ...

    def declaring(self, *path: str) -> list[str]:
        return self.lists_tasks if path == ("tasks", "list") else self.declared.get(path, [])

    async def send(
        self,
        server: str,
        method: str,
        target: str,
        key: str | None,
        given: Mapping[str, Raw] | None,
        around: Any,
        safe: bool,
    ) -> Result:
        params = None if given is None else {k: json.loads(bytes(v)) for k, v in given.items()}
        if key is not None and params is not None:
            params[key] = target
        self.sent.append((server, method, target, params))
        self.tokens.append(around.progress_token)
        self.safe.append(safe)
        answer = self.answers.get((server, method), b"{}")
        if callable(answer):
            answer = answer(params)
        if isinstance(answer, Exception):
            raise answer
        return Result(answer if isinstance(answer, bytes) else json.dumps(answer).encode())


def refusal(code: int, message: str = "no") -> Exception:
    """A server's own JSON-RPC error."""
    raw = Raw(json.dumps({"code": code, "message": message, "data": {"n": 1}}).encode())
    return to_error(refused(raw), "t", "a", safe=True, retried=False)


class Desk:
    """Offers of the servers `a` and `b`: the prompts `p`, the resources `x:same` and `a:own`, a template."""

    def __init__(self, *servers: str) -> None:
        self.door = FakeDoor()
        names = servers or ("a", "b")
        self.prompts = Catalogue(
            [ServerTools(server=name, tools=[Tool(b'{"name":"p"}')], listed=True) for name in names],
            noun="prompt",
        )
        self.index = ResourceIndex(
            [
                ServerResources(
                    server=name,
                    resources=[self.item("uri", "x:same"), self.item("uri", f"{name}:own")],
                    templates=[self.item("uriTemplate", f"{name}:{{n}}")],
                    serves=True,
                )
                for name in names
            ]
        )
        self.opened = OpenedApps()
        door, indexes = cast(Door, self.door), cast(Indexes, self)
        self.offers = Offers(door, lambda: self.prompts, lambda: self.index, list(names), indexes)

    @staticmethod
    def item(member: str, key: str) -> Item:
        return Item(key, json.dumps({member: key}).encode())

    def learn(self, server: str, uris: Sequence[str]) -> None:
        """Takes URIs that a server has named."""

    def asks(self, method: str, params: Any = None) -> bytes:
        raw = None if params is None else Raw(json.dumps(params).encode())
        work = {
            "prompts/get": self.offers.get_prompt,
            "resources/read": self.offers.read_resource,
            "completion/complete": self.offers.complete,
        }[method]
        return play(work(raw, context()))

    def refused(self, method: str, params: Any = None) -> RpcError:
        with pytest.raises(RpcError) as caught:
            self.asks(method, params)
        return caught.value


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("prompts", ["a__p", "b__p"]),
        ("resources", ["callmux://a/x:same", "a:own", "callmux://b/x:same", "b:own"]),
        ("resourceTemplates", ["a:{n}", "b:{n}"]),
    ],
)
def test_lists_hold_what_all_servers_have(kind: str, keys: list[str]) -> None:
    listed = json.loads(play(Desk().offers.list(kind)))
    assert [next(iter(item.values())) for item in listed[kind]] == keys


def test_a_prompt_is_got_by_its_own_name() -> None:
    desk = Desk()
    desk.asks("prompts/get", {"name": "b__p", "arguments": {"x": 1}, "z": 2})
    assert desk.door.sent == [("b", "prompts/get", "p", {"name": "p", "arguments": {"x": 1}, "z": 2})]
    assert desk.door.safe == [True]


@pytest.mark.parametrize("params", [None, {}, {"name": 7}, {"name": "nope"}, {"name": "c__p"}])
def test_an_unknown_prompt_is_refused(params: Any) -> None:
    assert Desk().refused("prompts/get", params).code == -32602


def test_a_resource_is_read_where_it_is_listed_under_the_uri_that_was_asked_for() -> None:
    desk = Desk()
    desk.door.answers["b", "resources/read"] = lambda p: {
        "contents": [{"uri": p["uri"], "n": 1}, {"uri": "y"}, {}]
    }
    read = json.loads(desk.asks("resources/read", {"uri": "callmux://b/x:same"}))
    assert desk.door.sent == [("b", "resources/read", "x:same", {"uri": "x:same"})]
    assert read == {"contents": [{"uri": "callmux://b/x:same", "n": 1}, {"uri": "y"}, {}]}


def test_an_unlisted_resource_is_looked_for_server_by_server() -> None:
    desk = Desk()
    desk.door.answers["a", "resources/read"] = refusal(-32002)
    desk.asks("resources/read", {"uri": "odd:1"})
    assert [server for server, *_ in desk.door.sent] == ["a", "b"]


@pytest.mark.parametrize("code", [-32002, -32602])
def test_the_last_server_has_the_last_word(code: int) -> None:
    desk = Desk()
    desk.door.answers["a", "resources/read"] = refusal(code, "first")
    desk.door.answers["b", "resources/read"] = refusal(code, "last")
    error = desk.refused("resources/read", {"uri": "odd:1"})
    assert (error.code, error.message) == (code, "last")
    assert isinstance(error.data, Raw)
    assert json.loads(bytes(error.data)) == {"n": 1}


def test_a_server_that_reads_nothing_does_not_know_the_uri() -> None:
    """Another one reads, so the method is there."""
    desk = Desk()
    for server in ("a", "b"):
        desk.door.answers[server, "resources/read"] = refusal(-32601)
    assert desk.refused("resources/read", {"uri": "odd:1"}).code == -32002
    alone = Desk("a")
    alone.door.answers["a", "resources/read"] = refusal(-32601)
    assert alone.refused("resources/read", {"uri": "odd:1"}).code == -32601


def test_any_other_failure_ends_the_search() -> None:
    desk = Desk()
    desk.door.answers["a", "resources/read"] = refusal(-32000, "broken")
    assert desk.refused("resources/read", {"uri": "odd:1"}).message == "broken"
    assert len(desk.door.sent) == 1


def test_a_server_that_is_down_is_said_to_be() -> None:
    desk = Desk("a")
    desk.door.answers["a", "prompts/get"] = UpstreamUnavailable("down", server="a")
    assert "down" in desk.refused("prompts/get", {"name": "p"}).message


@pytest.mark.parametrize(
    ("ref", "server", "theirs"),
    [
        ({"type": "ref/prompt", "name": "b__p"}, "b", {"type": "ref/prompt", "name": "p"}),
        ({"type": "ref/resource", "uri": "b:{n}"}, "b", {"type": "ref/resource", "uri": "b:{n}"}),
        ({"type": "ref/resource", "uri": "callmux://b/q:{n}"}, "b", {"type": "ref/resource", "uri": "q:{n}"}),
    ],
)
def test_completion_asks_the_server_of_the_reference(ref: Any, server: str, theirs: Any) -> None:
    desk = Desk()
    desk.asks("completion/complete", {"ref": ref, "argument": {"name": "n"}, "z": 1})
    ((to, _, _, params),) = desk.door.sent
    assert (to, params) == (server, {"ref": theirs, "argument": {"name": "n"}, "z": 1})


@pytest.mark.parametrize("ref", [None, {}, 7, {"name": "nope"}, {"uri": 7}])
def test_completion_of_nothing_is_refused(ref: Any) -> None:
    assert Desk().refused("completion/complete", {"ref": ref}).code == -32602


def test_progress_is_asked_for_where_the_client_asked() -> None:
    desk = Desk()
    desk.asks("prompts/get", {"name": "a__p", "_meta": {"progressToken": "t"}})
    desk.asks("prompts/get", {"name": "a__p", "_meta": {"progressToken": None}})
    assert desk.door.tokens == [Raw(b'"t"'), None]


@pytest.mark.parametrize(("params", "sent"), [(None, None), (b"{}", {}), (b'{"n":1}', {"n": 1})])
def test_an_unknown_method_goes_to_the_only_server_with_the_params_it_has(params: Any, sent: Any) -> None:
    desk = Desk("a")
    given = None if params is None else Raw(params)
    play(desk.offers.other("x/y", given, context(), None))
    assert desk.door.sent == [("a", "x/y", "x/y", sent)]
    assert desk.door.safe == [False]


def test_of_several_servers_one_must_be_named() -> None:
    desk = Desk()
    assert (desk.offers.sole, Desk("a").offers.sole) == (None, "a")
    with pytest.raises(RpcError, match="method not found: x/y"):
        play(desk.offers.other("x/y", None, context(), None))
    play(desk.offers.other("x/y", None, context(), "b"))
    assert [server for server, *_ in desk.door.sent] == ["b"]


class TestTasks:
    def listed(self, desk: Desk, params: Any = None) -> Sequence[tuple[str, Any]] | None:
        raw = None if params is None else Raw(json.dumps(params).encode())
        found = play(desk.offers.list_tasks(raw, context()))
        return None if found is None else [(server, json.loads(task)) for server, task in found]

    def test_nobody_lists_any(self) -> None:
        assert self.listed(Desk()) is None

    def test_all_pages_of_all_servers_that_do(self) -> None:
        desk = Desk()
        desk.door.lists_tasks = ["a", "b"]

        def page(params: Any) -> Any:
            n = int((params or {}).get("cursor", 0))
            return {"tasks": [n]} | ({"nextCursor": str(n + 1)} if n < 2 else {"nextCursor": None})

        desk.door.answers["a", "tasks/list"] = page
        desk.door.answers["b", "tasks/list"] = {"tasks": [7]}
        assert self.listed(desk) == [("a", 0), ("a", 1), ("a", 2), ("b", 7)]
        assert [params for *_, params in desk.door.sent] == [None, {"cursor": "1"}, {"cursor": "2"}, None]

    def test_a_list_without_end_is_ended(self) -> None:
        desk = Desk()
        desk.door.lists_tasks = ["a"]
        desk.door.answers["a", "tasks/list"] = {"tasks": [1], "nextCursor": "again"}
        assert self.listed(desk) == [("a", 1), ("a", 1)]

    def test_one_of_several_that_fails_is_left_out(self) -> None:
        desk = Desk()
        desk.door.lists_tasks = ["a", "b"]
        desk.door.answers["a", "tasks/list"] = {"tasks": 7}
        desk.door.answers["b", "tasks/list"] = {"tasks": [7]}
        assert self.listed(desk) == [("b", 7)]

    def test_the_only_one_that_fails_fails(self) -> None:
        desk = Desk()
        desk.door.lists_tasks = ["a"]
        desk.door.answers["a", "tasks/list"] = refusal(-1, "not today")
        with pytest.raises(RpcError, match="not today"):
            self.listed(desk)


class TestSubscriptions:
    def test_the_first_server_that_knows_the_uri_is_asked(self) -> None:
        desk = Desk()
        desk.door.answers["a", "resources/subscribe"] = refusal(-32002)
        places = play(desk.offers.resource_places("odd:1", context()))
        given = {"uri": Raw(b'"odd:1"'), "z": Raw(b"1")}
        assert play(desk.offers.subscribe(places, given, context())) == Place("b", "odd:1")
        assert desk.door.sent[-1] == ("b", "resources/subscribe", "odd:1", {"uri": "odd:1", "z": 1})

    def test_its_end_goes_to_the_same_place(self) -> None:
        desk = Desk()
        play(desk.offers.unsubscribe(Place("b", "x:same"), {}, context()))
        assert desk.door.sent == [("b", "resources/unsubscribe", "x:same", {"uri": "x:same"})]

    def test_without_servers_of_resources_there_is_no_place(self) -> None:
        desk = Desk("a")
        desk.index = ResourceIndex([ServerResources(server="a")])
        with pytest.raises(RpcError) as caught:
            play(desk.offers.resource_places("x:1", context()))
        assert caught.value.code == -32002
