"""callmux server"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from callmux.cli import server
from callmux.errors import ConfigError, UsageError

FULL = {
    "command": "npx",
    "args": ["-y", "p", "--token", "hunter2"],
    "cwd": "/tmp",
    "cwdMode": "session",
    "env": {"K": "hunter2"},
    "envRefs": {"A": "env:X"},
    "tools": ["t", "u"],
    "cachePolicy": {"allowTools": ["x", "y"], "denyTools": ["z"]},
    "callTimeoutMs": 5,
    "requestBodyMaxBytes": 0,
    "disabled": True,
}
REMOTE = {
    "url": "http://h/?token=hunter2",
    "transport": "sse",
    "headers": {"Authorization": "hunter2"},
    "forwardHeaders": ["X-A"],
    "tools": [],
}


@pytest.fixture
def shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def show(document: dict[str, Any], *args: str) -> str:
        path = tmp_path / "c.json"
        path.write_text(json.dumps(document))
        assert server.run(["list", *args], str(path)) == 0
        return capsys.readouterr().out

    return show


def test_json_shows_what_is_set_and_no_secret(shown: Any) -> None:
    """C10: the original prints arguments and URLs as they are."""
    out = shown({"servers": {"a": FULL, "b": REMOTE, "c": {"command": "x"}}}, "--json")
    assert "hunter2" not in out
    a, b, c = json.loads(out)["servers"]
    assert list(a) == [
        *("name", "command", "args", "cwd", "cwdMode", "tools", "envKeys", "cachePolicy", "callTimeoutMs"),
        *("requestBodyMaxBytes", "disabled"),
    ]
    assert a["args"] == ["-y", "p", "--token", "[redacted]"]
    assert (a["envKeys"], a["requestBodyMaxBytes"], a["disabled"]) == (["A", "K"], 0, True)
    assert b == {
        "name": "b",
        "url": "http://h/?token=[redacted]",
        "transport": "sse",
        "tools": [],
        "forwardHeaders": ["x-a"],
    }
    assert c == {"name": "c", "command": "x"}


def test_text_has_a_block_for_each_server(shown: Any) -> None:
    assert shown({"servers": {"a": FULL, "b": REMOTE}}) == (
        "a\n"
        "  command: npx -y p --token [redacted]\n"
        "  cwd: /tmp\n"
        "  cwd mode: session\n"
        "  env keys: A, K\n"
        "  tools: t, u\n"
        "  cache allow: x, y\n"
        "  cache deny: z\n"
        "  call timeout ms: 5\n"
        "  request body max bytes: unlimited\n"
        "  disabled: true\n"
        "\n"
        "b\n"
        "  url: http://h/?token=[redacted]\n"
        "  transport: sse\n"
        "  forward headers: x-a\n"
        "  tools: (none)\n"
    )


def test_no_servers(shown: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is not there yet has none."""
    assert shown({"servers": {}}) == "No downstream servers configured.\n"
    assert server.run(["list", "--json"], str(tmp_path / "none.json")) == 0
    assert json.loads(capsys.readouterr().out) == {"servers": []}


def test_nothing_is_looked_up(shown: Any) -> None:
    """The variable is set where the listener runs, not here."""
    auth = {"mode": "bearer", "tokens": [{"id": "a", "tokenRef": "env:NOT_THERE_AT_ALL"}]}
    out = shown({"mcpServers": {"a": {"command": "${NOT_THERE_AT_ALL}"}}, "auth": auth})
    assert "command: ${NOT_THERE_AT_ALL}" in out


def test_a_broken_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text("{")
    with pytest.raises(ConfigError):
        server.run(["list"], str(tmp_path / "c.json"))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "(?i)which of"),
        (["frob"], 'Unknown server command "frob"'),
        (["lst"], 'did you mean "list"'),
        (["list", "--bogus"], 'Unknown server list option "--bogus"'),
    ],
)
def test_usage(args: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        server.run(args, None)


def test_the_state_in_each_process_stands_below_the_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.json"
    path.write_text('{"servers": {"a": {"command": "x", "args": ["my file", ""]}, "b": {"command": "y"}}}')
    up = {"pid": 7, "name": "a", "state": "connected", "toolCount": 1}
    down = {"pid": 8, "name": "a", "state": "failed", "toolCount": 0, "error": "it crashed"}
    monkeypatch.setattr(server, "running_servers", lambda path, env: {"a": [up, down]})
    assert server.run(["list"], str(path)) == 0
    assert capsys.readouterr().out == (
        "a\n  command: x 'my file' ''\n  in process 7: connected, 1 tool\n"
        "  in process 8: failed, 0 tools: it crashed\n\nb\n  command: y\n"
    )
    assert server.run(["list", "--json"], str(path)) == 0
    first, second = json.loads(capsys.readouterr().out)["servers"]
    assert [record["pid"] for record in first["running"]] == [7, 8]
    assert "running" not in second


def test_denied_tools_the_environment_file_and_the_time_to_connect_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = {"denyTools": ["a", "b"], "envFile": "/e/.env", "connectTimeoutMs": 90000}
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"servers": {"s": {"command": "x", **more}}}))
    server.run(["list", "--json"], str(path))
    (shown,) = json.loads(capsys.readouterr().out)["servers"]
    assert more.items() <= shown.items()
    server.run(["list"], str(path))
    out = capsys.readouterr().out
    assert "  denied tools: a, b\n" in out
    assert "  env file: /e/.env\n" in out
    assert "  connect timeout ms: 90000" in out
