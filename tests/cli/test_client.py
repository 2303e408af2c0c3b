"""callmux client"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from callmux.cli import client
from callmux.cli.grammar.client import KINDS
from callmux.clients import detect
from callmux.clients.entry import ClientFileError
from callmux.clients.program import NotInstalled, Program
from callmux.errors import UsageError

URL = "http://127.0.0.1:4860/mcp"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory with a callmux on PATH."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for variable in ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "XDG_CONFIG_HOME", "CALLMUX_CONFIG"):
        monkeypatch.delenv(variable, raising=False)
    program = Program("/v/bin/python", "/v/bin/callmux", {"callmux": "/v/bin/callmux"}.get, lambda path: path)
    monkeypatch.setattr(client, "this_program", lambda: program)
    return tmp_path


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Any:
    def say(*args: str, config: str | None = None) -> Any:
        assert client.run(list(args), config) == 0
        out = capsys.readouterr().out
        return json.loads(out) if "--json" in args else out

    return say


def test_the_table_names_the_clients_there_are() -> None:
    assert KINDS == detect.KINDS


def test_attach_shows_a_difference_and_writes_only_when_told(home: Path, said: Any) -> None:
    path = home / ".claude.json"
    path.write_text('{"oauth": {"accessToken": "hunter2"}}')
    out = said("attach", "claude")
    assert "Preview only" in out
    assert '"command": "callmux"' in out
    assert "hunter2" not in out
    assert path.read_text() == '{"oauth": {"accessToken": "hunter2"}}'
    out = said("attach", "claude", "--yes")
    assert f'Attached "callmux" in {path}' in out
    assert json.loads(path.read_text())["mcpServers"] == {"callmux": {"command": "callmux", "args": []}}
    assert "No changes needed" in said("attach", "claude", "--yes")


def test_what_was_there_is_kept(home: Path, said: Any) -> None:
    """Weak spot C8 of callmux (npm)."""
    path = home / ".claude.json"
    path.write_text('{"a":1}')
    result = said("attach", "claude", "--yes", "--json")
    assert result["wrote"] is True
    assert (Path(result["backupPath"]) / "0").read_text() == '{"a":1}'
    again = said("attach", "claude", "--yes", "--json")
    assert (again["changed"], again["wrote"], "backupPath" in again) == (False, False, False)


def test_a_relative_configuration_is_entered_as_an_absolute_one(home: Path, said: Any) -> None:
    """Weak spot C8 of callmux (npm)."""
    shown = json.loads(said("print", "claude", config="team.json"))
    assert shown["mcpServers"]["callmux"]["args"] == ["--config", str(home / "team.json")]
    default = str(home / ".config" / "callmux" / "config.json")
    assert json.loads(said("print", "claude", config=default))["mcpServers"]["callmux"]["args"] == []


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "generic"])
def test_every_client_is_attached_found_and_detached(kind: str, said: Any) -> None:
    assert said("attach", kind, "--url", URL, "--bridge", "--yes", "--json")["changed"] is True
    status = said("status", kind, "--url", URL, "--bridge", "--json")
    assert status["configured"] is True
    text = Path(status["path"]).read_text()
    assert '"bridge"' in text
    assert ('"/v/bin/callmux"' in text) is (kind not in ("claude", "codex", "gemini"))
    assert said("detach", kind, "--yes", "--json")["changed"] is True
    assert said("status", kind, "--json")["status"] == "absent"


@pytest.mark.parametrize("flags", [("--url", URL, "--bridge"), ("--url", URL)], ids=["bridge", "address"])
@pytest.mark.parametrize("kind", ["claude", "codex", "cursor"])
def test_status_knows_what_attach_wrote_without_being_told_how(
    kind: str, flags: tuple[str, ...], said: Any
) -> None:
    said("attach", kind, *flags, "--yes")
    status = said("status", kind, "--json")
    assert status["configured"] is True, status
    assert said("status", kind, "--url", "http://127.0.0.1:9/mcp", "--json")["configured"] is False


def test_another_program_is_not_taken_for_this_one(home: Path, said: Any) -> None:
    entry = {"command": "/elsewhere/callmux", "args": ["bridge", "--url", URL]}
    (home / ".claude.json").write_text(json.dumps({"mcpServers": {"callmux": entry}}))
    assert said("status", "claude", "--json")["status"] == "different_entry"


@pytest.mark.parametrize("args", [["print", "claude"], ["attach", "claude"], ["upgrade"]])
def test_what_is_gone_afterwards_is_not_entered(
    args: list[str], monkeypatch: pytest.MonkeyPatch, said: Any
) -> None:
    """As uvx and pipx run it."""
    gone = Program(
        "/c/archive-v0/x/bin/python", "/c/archive-v0/x/bin/callmux", lambda name: None, str, fleeting=True
    )
    monkeypatch.setattr(client, "this_program", lambda: gone)
    with pytest.raises(NotInstalled, match="uv tool install callmux"):
        client.run(args, None)
    assert said("status", "claude", "--json")["status"] == "absent"


def test_a_client_of_the_desktop_gets_the_path_that_servers_need(
    home: Path, monkeypatch: pytest.MonkeyPatch, said: Any
) -> None:
    """What the user set there is stronger, and a terminal's client needs none."""
    program = Program("/v/bin/python", "/v/bin/callmux", lambda name: None, str, path="/n/bin:/usr/bin")
    monkeypatch.setattr(client, "this_program", lambda: program)
    said("attach", "cursor", "--yes")
    path = home / ".cursor" / "mcp.json"
    entry = json.loads(path.read_text())["mcpServers"]["callmux"]
    assert entry == {"command": "/v/bin/callmux", "args": [], "env": {"PATH": "/n/bin:/usr/bin"}}
    assert said("status", "cursor", "--json")["configured"] is True
    path.write_text(json.dumps({"mcpServers": {"callmux": {**entry, "env": {"PATH": "/mine", "A": "b"}}}}))
    said("attach", "cursor", "--url", URL, "--bridge", "--yes")
    changed = json.loads(path.read_text())["mcpServers"]["callmux"]
    assert changed["env"] == {"PATH": "/mine", "A": "b"}
    said("attach", "claude", "--yes")
    assert "env" not in json.loads((home / ".claude.json").read_text())["mcpServers"]["callmux"]


def test_a_generic_client_needs_a_file(home: Path, said: Any) -> None:
    with pytest.raises(UsageError, match="--file"):
        client.run(["attach", "generic"], None)
    said("attach", "generic", "--file", "x/mcp.json", "--yes")
    assert "mcpServers" in (home / "x" / "mcp.json").read_text()


def test_a_remote_listener_that_we_entered_is_ours(home: Path, said: Any) -> None:
    said("attach", "claude", "--url", "https://mux.example/mcp", "--yes")
    said("attach", "claude", "--url", "https://other.example", "--yes")
    entry = json.loads((home / ".claude.json").read_text())["mcpServers"]["callmux"]
    assert entry == {"type": "http", "url": "https://other.example/mcp"}
    (home / ".claude.json").write_text((home / ".claude.json").read_text().replace("other", "theirs"))
    with pytest.raises(ClientFileError, match="left alone"):
        client.run(["attach", "claude", "--yes"], None)


def test_a_token_is_kept_for_its_listener_and_never_shown(home: Path, said: Any) -> None:
    out = said("attach", "claude", "--url", URL, "--token", "hunter2", "--yes")
    kept = home / ".config" / "callmux" / "cli-token"
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == ("hunter2\n", 0o600)
    assert kept.with_name("cli-token.origin").read_text() == "http://127.0.0.1:4860\n"
    assert "hunter2" not in out + (home / ".claude.json").read_text()
    assert "does not send that token" in out
    (home / "t").write_text(" two \n")
    said("attach", "claude", "--url", URL, "--bridge", "--token-file", "t", "--yes")
    assert kept.read_text() == "two\n"
    said("attach", "codex", "--token", " ", "--yes")
    assert kept.read_text() == "two\n"


def test_a_token_without_yes_is_not_kept(home: Path, said: Any) -> None:
    assert said("attach", "claude", "--token", "x", "--json")["tokenStashed"] is False
    assert not (home / ".config").exists()
    with pytest.raises(UsageError, match="non-empty token"):
        client.run(["attach", "claude", "--token-file", "none", "--yes"], None)
    assert not (home / ".claude.json").exists()


def test_upgrade_finds_the_node_entries_of_all_clients(home: Path, said: Any) -> None:
    node = {"command": "npx", "args": ["-y", "callmux", "--config", "/c"]}
    (home / ".cursor").mkdir()
    (home / ".codex").mkdir()
    (home / ".cursor" / "mcp.json").write_text(
        json.dumps({"mcpServers": {"mux": node, "o": {"command": "o"}}})
    )
    (home / ".codex" / "config.toml").write_text(
        '[mcp_servers.callmux]\ncommand = "npx"\nargs = ["callmux"]\n'
    )
    (home / ".claude.json").write_text("{")
    out = said("upgrade")
    assert "Preview only" in out
    assert ".claude.json: left alone" in out
    result = said("upgrade", "--yes", "--json")
    assert result["wrote"] is True
    cursor = json.loads((home / ".cursor" / "mcp.json").read_text())["mcpServers"]
    assert cursor == {
        "mux": {"command": "/v/bin/callmux", "args": ["--config", "/c"]},
        "o": {"command": "o"},
    }
    assert 'command = "callmux"' in (home / ".codex" / "config.toml").read_text()
    assert "No entry runs callmux through npx" in said("upgrade", "--yes")


def test_status_of_all_clients(said: Any) -> None:
    assert [s["client"] for s in said("status", "--json")["statuses"]] == ["claude", "codex"]
    assert len(said("status", "--all", "--json")["statuses"]) == len(KINDS) - 1
    assert "claude: absent" in said("status")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "Which of print, attach"),
        (["print", "emacs"], "CLIENT must be one of"),
        (["print", "codex", "--name", "bad name"], "client server name"),
        (["print", "codex", "--bridge"], "requires --url"),
        (["print", "codex", "--url", "nota"], "must be a valid URL"),
        (["print", "claude", "--token-env", "X"], "without --bridge"),
        (["print", "claude", "--url", URL, "--token-env", "a b"], "name of an environment variable"),
        (["attach", "claude", "--bogus"], "Unknown client attach option"),
        (["detach", "claude", "--token", "x"], "only valid with client attach"),
        (["detach", "claude", "--name", "a b"], "client server name"),
        (["status", "--url", URL], "needs a client"),
        (["upgrade", "--file", "x"], "needs a client"),
    ],
)
def test_usage(args: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        client.run(args, None)


def test_a_bad_file_is_named(home: Path) -> None:
    (home / ".claude.json").write_text("{")
    with pytest.raises(ClientFileError, match=r"\.claude\.json: invalid JSON at line 1"):
        client.run(["attach", "claude", "--yes"], None)


def test_it_loads_little() -> None:
    """Nor does anything wait for libraries that only some edits need."""
    code = "import sys, callmux.cli.main, callmux.cli.client; print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split())
    assert "callmux.cli.client" in loaded
    heavy = {"rich", "questionary", "prompt_toolkit", "tomlkit", "aiohttp", "uvicorn", "starlette", "jinja2"}
    assert not heavy & loaded
