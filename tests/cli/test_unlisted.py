"""The tools of servers behind a listing of callmux's own."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callmux.cli.main import main
from tests.shell.fake_listener import FakeListener, Reply, fake_listener, result, text_result

OWN = ["callmux_search_tools", "callmux_status", "callmux_call"]


class Behind:
    """The servers of a listener that lists only callmux's own tools; `server: {tool: schema}`."""

    def __init__(self, fake: FakeListener, servers: dict[str, dict[str, Any]], own: list[str]) -> None:
        self.servers = servers
        self.alone = len(servers) == 1
        self.asked: list[str] = []
        fake.lists([{"name": name} for name in own])
        fake.replies["tools/call"] = self._reply

    def _reply(self, message: Any) -> Reply:
        name, given = message["params"]["name"], message["params"]["arguments"]
        self.asked.append(name)
        assert given["outputFormat"] == "json"
        value = self._search(given) if name == "callmux_search_tools" else self._status()
        return Reply(result(text_result(json.dumps(value)), message["id"]))

    def _search(self, given: dict[str, Any]) -> dict[str, Any]:
        found = []
        for server, tools in self.servers.items():
            for name, schema in tools.items():
                whole = name if self.alone else f"{server}__{name}"
                if given.get("server", server) == server and given["query"] in ("", whole):
                    entry = {"tool": whole, "name": name, "server": server, "description": f"Does {name}."}
                    found.append(entry | ({"inputSchema": schema} if "includeInputSchema" in given else {}))
        return {"found": len(found), "results": found[: given["limit"]]}

    def _status(self) -> dict[str, Any]:
        return {
            "servers": [
                {"name": server, "tools": [{"name": name, "description": f"Does {name}."} for name in tools]}
                for server, tools in self.servers.items()
            ]
        }


@pytest.fixture
def fake() -> Iterator[FakeListener]:
    with fake_listener() as listener:
        yield listener


@pytest.fixture
def said(fake: FakeListener, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*args: str, code: int = 0) -> tuple[str, str]:
        assert main(["tools", *args, "--url", fake.url]) == code
        return capsys.readouterr()

    return run


def test_a_listing_of_own_tools_goes_on_with_those_of_the_servers(said: Any, fake: FakeListener) -> None:
    Behind(fake, {"a": {"find": {}}, "b": {"get": {}}}, OWN)
    assert said("list").out.splitlines() == [*OWN, "a__find  Does find.", "b__get  Does get."]
    assert said("list", "--server", "b").out == "b__get  Does get.\n"
    assert said("search", "does FIND").out == "a__find  Does find.\n"


def test_a_schema_is_asked_for_by_name(said: Any, fake: FakeListener) -> None:
    Behind(fake, {"a": {"find": {"maximum": 3}}, "b": {"get": {}}}, OWN)
    assert said("schema", "a__find").out == 'a__find — Does find.\n\n{\n  "maximum": 3\n}\n'
    assert json.loads(said("schema", "a__find", "--json").out) == {
        "name": "a__find",
        "description": "Does find.",
        "inputSchema": {"maximum": 3},
    }
    assert 'did you mean "a__find"?' in said("schema", "find", code=2).err


@pytest.mark.parametrize(("others", "prefix"), [({"z": {"get": {}}}, "a__"), ({}, "")])
def test_more_tools_than_a_search_gives_are_all_named(
    said: Any, fake: FakeListener, others: dict[str, Any], prefix: str
) -> None:
    many = {f"t{n:03}": {"minimum": n} for n in range(120)}
    Behind(fake, {"a": many, **others}, OWN)
    names = [line.split()[0] for line in said("list").out.splitlines()]
    assert names == [*OWN, *(prefix + name for name in many), *(["z__get"] if others else [])]
    assert '"minimum": 119' in said("schema", f"{prefix}t119").out


def test_tools_that_nothing_names_are_counted(said: Any, fake: FakeListener) -> None:
    Behind(fake, {"a": {f"t{n:03}": {} for n in range(120)}}, ["callmux_search_tools"])
    out, err = said("list")
    assert len(out.splitlines()) == 51
    assert err == "Note: 70 more tools are not shown: callmux_search_tools finds them\n"


def test_a_search_that_is_refused_leaves_the_listing_and_says_so(said: Any, fake: FakeListener) -> None:
    fake.lists([{"name": name} for name in OWN])
    fake.answers(text_result("your rules allow no tool", isError=True))
    out, err = said("list")
    assert out.splitlines() == OWN
    assert "the servers' tools cannot be shown: callmux_search_tools failed: your rules allow no tool" in err


def test_a_search_without_an_answer_is_an_error(said: Any, fake: FakeListener) -> None:
    fake.lists([{"name": name} for name in OWN])
    fake.replies["tools/call"] = Reply(b"", 503)
    assert "returned HTTP 503" in said("list", code=2).err


def test_a_schema_that_no_search_shows_is_an_error_of_its_own(said: Any, fake: FakeListener) -> None:
    fake.lists([{"name": name} for name in OWN])
    found = {"found": 1, "results": [{"tool": "a__find", "name": "find", "server": "a"}]}
    fake.answers(text_result(json.dumps(found)))
    assert 'the schema of tool "a__find" was not in the answers' in said("schema", "a__find", code=2).err


def test_nothing_is_searched_where_servers_tools_are_listed(said: Any, fake: FakeListener) -> None:
    behind = Behind(fake, {"a": {"find": {}}}, [*OWN, "a__find"])
    assert said("list").out.splitlines() == [*OWN, "a__find"]
    assert behind.asked == []


@pytest.mark.parametrize("server", [[], ["--server", "notes"]])
def test_with_the_preset_lean_a_tool_of_a_real_server_shows_its_schema(
    server: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = {"command": sys.executable, "args": ["-m", "callmux.demo.servers.notes"]}
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"preset": "lean", "servers": {"notes": command, "more": command}}))
    assert main(["--config", str(path), "tools", "schema", "notes__read_note", "--json", *server]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["name"].endswith("read_note")
    assert shown["inputSchema"]["required"] == ["name"]
