"""Taking single keys back in a file that others have changed since."""

from __future__ import annotations

import json
import tomllib

from callmux.clients.reverting import revert


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
