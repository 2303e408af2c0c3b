"""A server is shown as it is written, and never with a secret."""

from __future__ import annotations

from typing import Any

from callmux.cli.shown_server import entry, server_lines, shown_target
from callmux.config.check import check_server

LOCAL = {"command": "npx", "args": ["p", "--token", "hunter2"], "env": {"K": "hunter2"}, "tools": ["t"]}
REMOTE = {"url": "http://h/?token=hunter2", "headers": {"Authorization": "hunter2"}}


def server(written: dict[str, Any]) -> Any:
    found, _, _ = check_server(written, "servers.s")
    return found


def test_json_has_the_names_of_variables_and_not_their_values() -> None:
    shown = entry("s", server(LOCAL))
    assert (shown["name"], shown["command"], shown["envKeys"]) == ("s", "npx", ["K"])
    assert "hunter2" not in str([shown, entry("r", server(REMOTE))])


def test_lines_have_what_is_set() -> None:
    lines = server_lines(server(LOCAL))
    assert "  env keys: K" in lines
    assert not [line for line in lines if "cwd" in line or "hunter2" in line]


def test_a_target_is_one_line() -> None:
    assert shown_target("s", LOCAL).startswith("npx p")
    assert shown_target("r", REMOTE).startswith("http://h/")
    assert "hunter2" not in shown_target("s", LOCAL) + shown_target("r", REMOTE)
    assert shown_target("x", {}) == "(an entry that does not load)"
