"""callmux migrate"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from callmux.cli import migrate
from callmux.clients.changes import ChangeFailed
from callmux.errors import UsageError

NODE = {"command": "npx", "args": ["-y", "callmux", "bridge", "--url", "http://127.0.0.1:4860/mcp"]}
UNIT = """# callmux-managed-daemon
[Service]
Type=simple
ExecStart="/usr/bin/node" "/x/callmux.js" --config "/c.json" --listen 4870
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What callmux for Node leaves behind."""
    for variable in ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "XDG_CONFIG_HOME", "CALLMUX_CONFIG"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    own = tmp_path / ".config" / "callmux"
    own.mkdir(parents=True)
    (own / "config.json").write_text('{"servers": {"a": {"command": "a"}}}')
    (own / "config.json.management.json").write_text('{"version": 1}')
    (own / "config.json.management.json").chmod(0o644)
    (own / "cli-token").write_text("hunter2\n")
    (own / "cli-token").chmod(0o600)
    (tmp_path / ".claude.json").write_text(json.dumps({"mcpServers": {"callmux": NODE}}, indent=4))
    return tmp_path


def files(directory: Path) -> dict[str, tuple[bytes, int]]:
    """Every file with its mode, but the backups."""
    return {
        str(path.relative_to(directory)): (path.read_bytes(), path.stat().st_mode)
        for path in directory.rglob("*")
        if path.is_file() and "backups" not in path.parts
    }


def run(home: Path, *args: str) -> int:
    return migrate.run(list(args), None, home / "etc")


def test_it_says_everything_and_writes_nothing_before_yes(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(home)
    assert run(home) == 0
    out = capsys.readouterr().out
    assert "stays    configuration:" in out
    assert "changes  entry of Claude Code:" in out
    assert '-            "command": "npx",' in out
    assert "Nothing was written: --yes writes it." in out
    assert "hunter2" not in out
    assert run(home, "--yes", "--dry-run") == 0
    assert files(home) == before


def test_it_is_done_once_and_can_be_taken_back(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(home)
    assert run(home, "--yes", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["wrote"] is True
    entry = json.loads((home / ".claude.json").read_text())["mcpServers"]["callmux"]
    assert entry["args"][-3:] == ["bridge", "--url", "http://127.0.0.1:4860/mcp"]
    own = home / ".config" / "callmux"
    assert (own / "cli-token.origin").read_text() == "http://127.0.0.1:4860\n"
    assert (own / "config.json.management.json").stat().st_mode & 0o777 == 0o600
    after = files(home)
    assert run(home, "--yes") == 0
    assert "Nothing has to change." in capsys.readouterr().out
    assert files(home) == after
    assert run(home, "--undo") == 0
    assert files(home) == before
    with pytest.raises(ChangeFailed, match="no migrate to undo"):
        run(home, "--undo")


def test_a_service_is_written_anew_and_its_restart_left_to_people(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restart would end the sessions of agents."""
    from callmux.cli import daemon
    from callmux.daemon.plan import ServiceMachine

    place = ServiceMachine(platform="linux", has_systemctl=True, uid=1000, home=str(home), path="/bin")
    monkeypatch.setattr(daemon, "this_place", lambda: place)
    unit = home / ".config" / "systemd" / "user" / "callmux.service"
    unit.parent.mkdir(parents=True)
    unit.write_text(UNIT)
    assert run(home, "--yes") == 0
    text = unit.read_text()
    assert "Type=notify" in text
    assert "--listen 4870" in text
    assert "node" not in text
    out = capsys.readouterr().out
    assert "systemctl --user daemon-reload && systemctl --user restart callmux.service" in out
    assert "npm uninstall -g callmux" in out


def test_what_needs_somebody_is_an_exit_code(home: Path) -> None:
    (home / ".config" / "callmux" / "config.json").write_text("{")
    assert run(home) == 1


def test_the_servers_of_another_programs_file_are_taken_over_and_taken_back(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """None is started; the file stays; secrets go into files of their own; what stays out has a reason."""
    mark = {"type": "STDIO", "command": "sh", "args": ["-c", f"touch {home / 'ran'}"]}
    web = {"type": "STREAMABLE_HTTP", "url": "https://h/mcp", "bearerToken": "hunter3"}
    odd = {"command": "x", "confineTo": "/srv"}
    source = home / "export.json"
    source.write_text(json.dumps({"mcpServers": {"mark": mark, "web": web, "odd": odd}}))
    before = files(home)
    assert run(home, "--from", "export.json") == 1
    out = capsys.readouterr().out
    assert 'LOOK     server "odd"' in out
    assert "hunter3" not in out
    assert files(home) == before
    assert run(home, "--from", str(source), "--yes") == 1
    servers = json.loads((home / ".config" / "callmux" / "config.json").read_text())["servers"]
    assert list(servers) == ["a", "mark", "web"]
    secret = home / ".config" / "callmux" / "secrets" / "web-Authorization"
    assert servers["web"]["headers"] == {"Authorization": f"Bearer ${{file:{secret}}}"}
    assert secret.stat().st_mode & 0o777 == 0o600
    assert not (home / "ran").exists()
    assert source.read_bytes() == before["export.json"][0]
    assert run(home, "--undo") == 0
    assert files(home) == before


def test_it_says_so_where_there_is_no_such_file(home: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        run(home, "--from", "gone.json")


def test_it_loads_little() -> None:
    """Libraries that only some edits need come when they are needed."""
    code = "import sys, callmux.cli.main, callmux.cli.migrate; print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split())
    assert "callmux.cli.migrate" in loaded
    heavy = {"rich", "questionary", "prompt_toolkit", "tomlkit", "aiohttp", "uvicorn", "starlette", "jinja2"}
    assert not heavy & loaded
