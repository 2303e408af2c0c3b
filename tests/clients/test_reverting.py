"""Taking single keys back in a file that others have changed since."""

from __future__ import annotations

import json
import tomllib

import pytest

from callmux.clients.reverting import entered_since, revert


def test_moved_servers_come_back_and_what_the_client_wrote_since_stays() -> None:
    before = '{"n": 1, "mcpServers": {"git": {"command": "g"}}}'
    now = '{\n  "n": 7,\n  "mcpServers": {\n    "callmux": {"command": "callmux"}\n  }\n}\n'
    text = revert("/f", before, now, [("mcpServers", "git"), ("mcpServers", "callmux")])
    assert text is not None
    assert json.loads(text) == {"n": 7, "mcpServers": {"git": {"command": "g"}}}


def test_a_section_that_was_not_there_goes_when_it_is_empty() -> None:
    text = revert("/f", "", '{"n": 7, "mcpServers": {"callmux": {}}}', [("mcpServers", "callmux")])
    assert text is not None
    assert json.loads(text) == {"n": 7}


def test_toml_is_taken_back_table_by_table() -> None:
    before = '[mcp_servers.git]\ncommand = "g"\n'
    now = '# new\nmodel = "x"\n\n[mcp_servers.callmux]\ncommand = "callmux"\n'
    text = revert("/f", before, now, [("mcp_servers", "git"), ("mcp_servers", "callmux")])
    assert text is not None
    assert tomllib.loads(text) == {"model": "x", "mcp_servers": {"git": {"command": "g"}}}
    assert text.startswith("# new\n")


def test_yaml_keeps_its_comments() -> None:
    now = "# mine\nservers:\n  a: {command: x} # first\n  git:\n    command: g\ncacheTtlSeconds: 9\n"
    text = revert("/c.yaml", "servers:\n  a: {command: x}\n", now, [("servers", "git")])
    assert text == "# mine\nservers:\n  a: {command: x} # first\ncacheTtlSeconds: 9\n"
    assert revert("/c.yaml", "", "a: [", [("a",)]) is None


def test_what_cannot_be_understood_stays() -> None:
    assert revert("/f", "{}", "{", [("a",)]) is None


def test_toml_keeps_what_was_written_around_our_table_since() -> None:
    before = '[mcp_servers.git]\r\ncommand = "g" # mine\r\n'
    now = (
        '# BEGIN CALLMUX MANAGED callmux\r\n[mcp_servers.callmux]\r\ncommand = "callmux"\r\n'
        "# END CALLMUX MANAGED callmux\r\n# a word\r\n"
    )
    text = revert("/config.toml", before, now, [("mcp_servers", "git"), ("mcp_servers", "callmux")])
    assert text == '# a word\r\n\r\n[mcp_servers.git]\r\ncommand = "g" # mine\r\n'


def test_toml_with_one_inline_table_is_taken_back_all_the_same() -> None:
    before = 'mcp_servers = {git = {command = "g"}}\n'
    now = 'mcp_servers = {callmux = {command = "callmux"}}\n'
    text = revert("/config.toml", before, now, [("mcp_servers", "git"), ("mcp_servers", "callmux")])
    assert text is not None
    assert tomllib.loads(text) == {"mcp_servers": {"git": {"command": "g"}}}


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("/c.json", '{"s": {"a": 1}}'),
        ("/c.yaml", "s:\n  a: 1\n"),
        ("/c.toml", "[s]\na = 1\n"),
        ("/c.toml", "\ufeff[s]\na = 1\n"),
    ],
)
def test_what_is_there_again_is_found_in_every_format(file: str, text: str) -> None:
    assert entered_since(file, text, [("s", "a"), ("s", "b"), ("t", "a")]) == [("s", "a")]
    assert entered_since(file, "[[", [("s", "a")]) == []


def test_a_section_of_toml_that_only_we_needed_goes_with_our_table() -> None:
    now = 'model = "x"\n\n[mcp_servers.callmux]\ncommand = "callmux"\n'
    text = revert("/config.toml", "", now, [("mcp_servers", "callmux")])
    assert text is not None
    assert tomllib.loads(text) == {"model": "x"}


def test_tables_of_another_section_of_toml_come_back_and_go_by_its_structure() -> None:
    before = '[profiles.a]\nmodel = "m"\n'
    now = '\ufeffmodel = "x" # mine\n[tui]\ntheme = "dark"\nnew = 1\n'
    text = revert("/config.toml", before, now, [("profiles", "a"), ("tui", "new"), ("tui", "gone")])
    assert text is not None
    assert text.startswith('\ufeffmodel = "x" # mine\n')
    assert tomllib.loads(text[1:]) == {
        "model": "x",
        "tui": {"theme": "dark"},
        "profiles": {"a": {"model": "m"}},
    }


def test_a_key_of_toml_that_is_no_server_goes_alone() -> None:
    now = '[tui]\ntheme = "dark" # mine\nnew = 1\n'
    assert revert("/config.toml", "[tui]\n", now, [("tui", "new")]) == '[tui]\ntheme = "dark" # mine\n'
