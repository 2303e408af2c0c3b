"""callmux tools list, schema and search."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from callmux.cli.main import main
from callmux.cli.tools import short
from tests.cli.test_call import MAY_LOAD, MAY_NOT_LOAD
from tests.shell.fake_listener import FakeListener, Reply, fake_listener, result
from tests.support import SECONDS

TOOLS: list[dict[str, Any]] = [
    {"name": "a__get_item", "description": "Get one item.\nMore of it: CABLE."},
    {"name": "a__find", "inputSchema": {"type": "object", "maximum": 1.10}},
    {"name": "ab__find", "description": "  \n"},
]


def test_they_load_what_a_call_loads() -> None:
    code = "import sys, callmux.cli.main, callmux.cli.tools; print(*sys.modules)"
    loaded = set(subprocess.check_output([sys.executable, "-c", code], timeout=SECONDS, text=True).split())
    own = {name[8:] for name in loaded if name.startswith("callmux.")}
    assert own <= MAY_LOAD | {"cli.tools", "cli.grammar.tools"}
    assert not MAY_NOT_LOAD & loaded


@pytest.fixture
def fake() -> Iterator[FakeListener]:
    with fake_listener() as listener:
        listener.lists(TOOLS)
        yield listener


@pytest.fixture
def said(fake: FakeListener, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*args: str, code: int = 0) -> str:
        assert main(["tools", *args, "--url", fake.url]) == code
        out, err = capsys.readouterr()
        return err if code else out

    return run


def test_a_list_has_a_line_for_each_tool(said: Any) -> None:
    assert said("list") == "a__get_item  Get one item.\na__find\nab__find\n"
    assert json.loads(said("list", "--json")) == {
        "count": 3,
        "tools": [
            {"name": "a__get_item", "description": "Get one item."},
            {"name": "a__find"},
            {"name": "ab__find"},
        ],
    }


def test_on_a_terminal_it_has_columns(said: Any, monkeypatch: pytest.MonkeyPatch, fake: FakeListener) -> None:
    fake.lists([{"name": "a", "description": "\x1b[2Jx"}, {"name": "long", "description": "y"}])
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert said("list") == "a     �[2Jx\nlong  y\n"


def test_every_page_is_read(said: Any, fake: FakeListener) -> None:
    def page(message: Any) -> Reply:
        cursor = message["params"].get("cursor", "0")
        more = {"nextCursor": "1"} if cursor == "0" else {}
        return Reply(result({"tools": [{"name": f"t{cursor}"}], **more}, message["id"]))

    fake.replies["tools/list"] = page
    assert said("list") == "t0\nt1\n"


def test_a_list_without_end_is_given_up(
    said: Any, fake: FakeListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callmux.cli.tools.MAX_PAGES", 3)
    fake.replies["tools/list"] = lambda m: Reply(result({"tools": [], "nextCursor": "x"}, m["id"]))
    assert "does not end after 3 pages" in said("list", code=2)


def test_a_server_can_be_chosen(said: Any) -> None:
    assert said("list", "--server", "a") == "a__get_item  Get one item.\na__find\n"
    assert said("search", "find", "--server", "ab") == "ab__find\n"


def test_a_search_looks_into_names_and_whole_descriptions(said: Any) -> None:
    assert said("search", "GET_") == "a__get_item  Get one item.\n"
    assert said("search", "cable") == "a__get_item  Get one item.\n"
    assert json.loads(said("search", "zebra", "--json")) == {"count": 0, "tools": []}


def test_nothing_found_is_a_sentence_unless_it_is_to_be_quiet(said: Any) -> None:
    assert said("search", "zebra") == 'No tool matches "zebra".\n'
    assert said("search", "zebra", "--quiet") == ""
    assert said("list", "--server", "zebra") == "No tools.\n"


def test_a_schema_is_shown_with_every_digit(said: Any, fake: FakeListener) -> None:
    fake.replies["tools/list"] = Reply(result({"tools": TOOLS}).replace(b"1.1}", b"1.10}"))
    assert said("schema", "a__find") == 'a__find\n\n{\n  "type": "object",\n  "maximum": 1.10\n}\n'
    assert said("schema", "a__get_item") == "a__get_item — Get one item.\nMore of it: CABLE.\n\n{}\n"
    assert said("schema", "a__get_item", "--json") == json.dumps(TOOLS[0], indent=2) + "\n"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a__get_itm", 'tool "a__get_itm" not found (did you mean "a__get_item"?)'),
        ("get_item", 'tool "get_item" not found (did you mean "a__get_item"?)'),
        ("zzz", 'tool "zzz" not found. callmux tools list names them all'),
    ],
)
def test_an_unknown_tool_is_named_with_the_nearest(name: str, says: str, said: Any) -> None:
    assert f"Error: {says}" in said("schema", name, code=2)


@pytest.mark.parametrize("args", [[], ["list", "x"], ["schema"], ["search"], ["lst"], ["list", "--bogus"]])
def test_what_cannot_be_understood_is_exit_code_2(args: list[str], said: Any, fake: FakeListener) -> None:
    assert said(*args, code=2).startswith("Error: ")
    assert fake.seen == []


def test_a_listing_that_is_none_is_an_error(said: Any, fake: FakeListener) -> None:
    fake.replies["tools/list"] = Reply(result({"odd": 1}))
    assert "has no tools" in said("list", code=2)


def test_descriptions_are_cut_to_a_line() -> None:
    assert short({"name": "a", "description": "x" * 101}) == "x" * 99 + "…"
    assert short({"name": "a", "description": "\n x \ny"}) == "x"
    assert short({"name": "a", "description": 5}) == ""
