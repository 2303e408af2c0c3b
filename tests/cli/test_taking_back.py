"""Taking the last setup or migration back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from callmux.cli import taking_back
from callmux.cli.grammar.setup import COMMANDS
from callmux.cli.parsing import read
from callmux.cli.taking_back import take_back
from callmux.clients.changes import Change, ChangeFailed, apply, backups


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that a setup has changed, and one that it has made."""
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "a"
    path.write_bytes(b"1")
    changes = [
        Change(path=path, before=b"1", after=b"2"),
        Change(path=tmp_path / "b", before=None, after=b"2"),
    ]
    apply(changes, backups(tmp_path), "setup", "1")
    return path


def back(*flags: str, label: str = "setup") -> int:
    return take_back(read(COMMANDS[0], list(flags)), label)


def test_it_is_said_what_became_of_each_file(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert back("--dry-run") == 0
    assert path.read_bytes() == b"2"
    assert back() == 0
    assert path.read_bytes() == b"1"
    out = capsys.readouterr().out
    assert f"Restored: {path}" in out
    assert f"Removed: {path.with_name('b')}" in out


def test_a_file_that_stays_is_an_exit_code(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_bytes(b"theirs")
    assert back("--json") == 1
    assert json.loads(capsys.readouterr().out)["left"] == [
        {"path": str(path), "problem": "it was changed since"}
    ]


def test_a_listener_that_only_setups_entries_started_ends_with_them(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url, other = "http://127.0.0.1:4860/mcp", "http://127.0.0.1:4861/mcp"
    args = ["bridge", "--url", url, "--autostart", "--config", "/c"]
    entry = {"mcpServers": {"callmux": {"command": "callmux", "args": args}}}
    file = path.with_name(".claude.json")
    text = json.dumps(entry).encode()
    apply([Change(path=file, before=None, after=text)], backups(path.parent), "setup", "2")
    kept = {"mcpServers": {"callmux": {"command": "callmux", "args": [*args[:2], other, "--autostart"]}}}
    (path.parent / ".cursor").mkdir()
    (path.parent / ".cursor" / "mcp.json").write_text(json.dumps(kept))
    asked: list[tuple[str, str | None]] = []

    def end(url: str, config: str | None) -> bool:
        asked.append((url, config))
        return True

    monkeypatch.setattr(taking_back, "_end", end)
    assert back() == 0
    assert asked == [(url, "/c")]
    assert f"the listener at {url}" in capsys.readouterr().out


def test_of_another_kind_there_is_none(path: Path) -> None:
    with pytest.raises(ChangeFailed, match="no migrate to undo"):
        back(label="migrate")
