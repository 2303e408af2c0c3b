"""Our entry in a JSON file: nothing else moves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.clients import json_files
from callmux.clients.dialects import DIALECTS
from callmux.clients.entry import ClientFileError, Entry
from callmux.clients.json_files import (
    fits,
    read_servers,
    snippet,
    with_entry,
    without_entry,
    without_servers,
)
from callmux.config.json_text import parse_json

CLAUDE, VSCODE = DIALECTS["claude"], DIALECTS["vscode"]
ENTRY = Entry(command="callmux")


def test_comments_order_and_odd_formatting_stay() -> None:
    text = '{ // mine\n\t"z": 1,   "a": [1,2],\n\t"servers": {\n\t\t"o": {"command":"x"}, // why\n\t},\n}\n'
    new = with_entry(VSCODE, text, "callmux", ENTRY)
    assert '{ // mine\n\t"z": 1,   "a": [1,2],\n\t"servers": {\n\t\t"o": {"command":"x"}, // why\n' in new
    assert read_servers(VSCODE, new)["callmux"] == {"type": "stdio", "command": "callmux", "args": []}
    assert without_entry(VSCODE, new, "callmux") == text


@pytest.mark.parametrize(
    "text", ["", "\n", "{}", "\ufeff{}", '{"a": 1}', '{"mcpServers": {}}\n', '{\r\n "a": 1\r\n}']
)
def test_an_entry_finds_room_in_any_file(text: str) -> None:
    new = with_entry(CLAUDE, text, "callmux", ENTRY)
    assert read_servers(CLAUDE, new) == {"callmux": {"command": "callmux", "args": []}}
    assert read_servers(CLAUDE, without_entry(CLAUDE, new, "callmux")) == {}
    assert "\r\n" not in text or new.count("\n") == new.count("\r\n")


@given(
    st.dictionaries(
        st.text(max_size=5), st.integers() | st.text(max_size=5) | st.lists(st.booleans()), max_size=4
    ),
    st.sampled_from([None, 2, 4, "\t"]),
)
def test_in_and_out_again_gives_the_same_bytes(others: dict[str, object], indent: int | str | None) -> None:
    """With another server there, so that the section is not ours."""
    document = {**others, "mcpServers": {"other": {"command": "o"}}, "tail": None}
    text = json.dumps(document, indent=indent) + "\n"
    new = with_entry(CLAUDE, text, "callmux", ENTRY)
    assert json.loads(new)["mcpServers"].pop("callmux") == {"command": "callmux", "args": []}
    assert without_entry(CLAUDE, new, "callmux") == text


def test_what_the_user_added_to_our_entry_stays() -> None:
    text = '{"mcpServers": {"callmux": {"args": ["--config", "x"], "timeout": 9, "command": "callmux"}}}'
    new = with_entry(CLAUDE, text, "callmux", Entry(command="callmux", args=("bridge",)))
    assert new == '{"mcpServers": {"callmux": {"args": ["bridge"], "timeout": 9, "command": "callmux"}}}'


def test_an_address_takes_the_place_of_a_program_and_keeps_headers_of_an_address() -> None:
    url = Entry(url="http://h/mcp", transport="streamable-http", token_env="T")
    program = '{"mcpServers": {"callmux": {"command": "callmux", "args": [], "env": {"A": "b"}}}}'
    new = with_entry(CLAUDE, program, "callmux", url)
    assert read_servers(CLAUDE, new)["callmux"] == {
        "env": {"A": "b"},
        "type": "http",
        "url": "http://h/mcp",
        "headers": {"Authorization": "Bearer ${T}"},
    }
    own = '{"mcpServers": {"callmux": {"url": "http://old/mcp", "headers": {"X": "1"}}}}'
    headers = read_servers(CLAUDE, with_entry(CLAUDE, own, "callmux", url))["callmux"]["headers"]
    assert headers == {"X": "1", "Authorization": "Bearer ${T}"}


def test_key_order_type_and_extra_keys_are_no_drift() -> None:
    """The original compares serialised text, and reports a difference. Weak spot C8 of callmux (npm)."""
    for raw in (
        {"args": [], "command": "callmux"},
        {"type": "stdio", "command": "callmux"},
        {"command": "callmux", "args": [], "env": {}, "timeout": 5},
    ):
        assert fits(CLAUDE, raw, ENTRY)
    for other in ({"command": "callmux", "args": ["x"]}, {"command": "c"}, {"url": "callmux"}, "callmux"):
        assert not fits(CLAUDE, other, ENTRY)
    url = Entry(url="u", transport="streamable-http", token_env="T")
    assert not fits(CLAUDE, {"type": "http", "url": "u"}, url)
    assert fits(CLAUDE, {"type": "http", "url": "u", "headers": {"Authorization": "Bearer ${T}"}}, url)


def test_an_emptied_section_goes_with_our_entry_but_not_with_moved_servers() -> None:
    text = with_entry(CLAUDE, '{"keep": 1}', "callmux", ENTRY)
    assert json.loads(without_entry(CLAUDE, text, "callmux")) == {"keep": 1}
    assert json.loads(without_servers(text, ("mcpServers",), ("callmux",))) == {"keep": 1, "mcpServers": {}}


@pytest.mark.parametrize("text", ["{", "[]", '{"mcpServers": []}', '{"mcpServers": "x"}', "nope"])
def test_a_file_that_cannot_be_understood_is_left_alone(text: str) -> None:
    with pytest.raises(ClientFileError):
        with_entry(CLAUDE, text, "callmux", ENTRY)
    with pytest.raises(ClientFileError):
        without_entry(CLAUDE, text, "callmux")


def test_a_snippet_is_a_whole_document() -> None:
    assert snippet(VSCODE, "mux", ENTRY) == {
        "servers": {"mux": {"type": "stdio", "command": "callmux", "args": []}}
    }


KEYS = st.text('ab/*"', max_size=3)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text('ab/*"\\\n,}{', max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text('ab/*"', max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
GAPS = st.sampled_from(["", " ", "\n", "\r\n", "\t", ' // }, "x\n', '/* { " */', " /*\n*/ "])


@st.composite
def jsonc(draw: st.DrawFn) -> str:
    """A file as people write them: comments, trailing commas and breaks anywhere."""
    sometimes: st.SearchStrategy[Any] = st.booleans()

    def write(value: object) -> str:
        gap = draw(GAPS)
        if isinstance(value, dict):
            items = [
                f"{draw(GAPS)}{json.dumps(k)}{draw(GAPS)}:{write(v)}{draw(GAPS)}" for k, v in value.items()
            ]
            comma = "," if items and draw(sometimes) else ""
            return f"{gap}{{{','.join(items)}{comma}{draw(GAPS)}}}{gap}"
        if isinstance(value, list):
            items = [write(item) for item in value]
            return f"{gap}[{','.join(items)}{draw(GAPS)}]{gap}"
        return f"{gap}{json.dumps(value)}{draw(GAPS)}"

    document = draw(st.dictionaries(st.text('ab/*"', max_size=3), JSON, max_size=3))
    if draw(sometimes):
        document["mcpServers"] = draw(
            st.dictionaries(st.sampled_from(["callmux", "x", "y"]), JSON, max_size=3)
        )
    return write(document)


@given(jsonc())
def test_whatever_the_file_looks_like_only_our_entry_changes(text: str) -> None:
    """Or it is refused; never is anything else of it lost."""
    before = parse_json(text)
    after = parse_json(with_entry(CLAUDE, text, "callmux", ENTRY))
    assert after.pop("mcpServers").pop("callmux")["command"] == "callmux"
    assert after == {key: value for key, value in before.items() if key != "mcpServers"}
    gone = parse_json(without_entry(CLAUDE, text, "callmux"))
    servers = before.get("mcpServers", {})
    rest = {key: value for key, value in servers.items() if key != "callmux"}
    assert gone.get("mcpServers", {}) == (rest if "callmux" in servers else servers)


def test_a_text_that_cannot_be_read_is_not_edited() -> None:
    with pytest.raises(ClientFileError, match="invalid JSON at line 1"):
        without_servers("{", ("mcpServers",), ("a",))


def test_an_edit_that_says_anything_else_than_it_should_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_files, "delete_value", lambda text, path: '{"theirs": 2}')
    with pytest.raises(ClientFileError, match=r'without changing more than "mcpServers\.a": edit it by hand'):
        without_servers('{"theirs": 1, "mcpServers": {"a": {}}}', ("mcpServers",), ("a",))
