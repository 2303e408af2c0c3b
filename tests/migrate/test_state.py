"""What callmux for Node left."""

from __future__ import annotations

from pathlib import Path

from callmux.clients.detect import Machine
from callmux.migrate.state import MigrationState, look


def state(home: Path, config: str = ".config/callmux/config.json") -> MigrationState:
    machine = Machine(home=home, env={}, platform="linux", cwd=home)
    return look(machine, home / config, home / "etc")


def put(path: Path, text: str = "{}", mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    found = state(tmp_path)
    assert (found.config, found.overlay, found.token, found.units, found.clients) == (
        None,
        None,
        None,
        {},
        (),
    )


def test_every_file_is_found(tmp_path: Path) -> None:
    own = tmp_path / ".config" / "callmux"
    put(own / "config.json")
    put(own / "config.json.management.json", mode=0o644)
    put(own / "callmux-metrics.json")
    (own / "callmux-events.sqlite").write_bytes(b"SQLite\xff")
    put(own / "cli-token", "t\n")
    put(own / "cli-token.origin", "http://h:1\n")
    put(tmp_path / ".config" / "systemd" / "user" / "callmux.service", "ExecStart=callmux")
    put(tmp_path / "etc" / "other.service", "ExecStart=x")
    put(tmp_path / "etc" / "mux.service", "callmux")
    put(tmp_path / "Library" / "LaunchAgents" / "dev.callmux.callmux.plist", "callmux")
    put(tmp_path / ".claude.json")
    found = state(tmp_path)
    assert found.overlay is not None
    assert found.overlay.mode == 0o644
    assert found.events is not None
    assert found.events.text is None
    assert None not in (found.config, found.metrics, found.token, found.origin)
    assert [path.name for path in found.units] == [
        "callmux.service",
        "dev.callmux.callmux.plist",
        "mux.service",
    ]
    assert [kind for kind, _ in found.clients] == ["claude"]
    assert found.problems == ()


def test_the_overlay_may_be_elsewhere(tmp_path: Path) -> None:
    put(tmp_path / "c.json", '{"management": {"statePath": "state/o.json"}}')
    put(tmp_path / "state" / "o.json")
    overlay = state(tmp_path, "c.json").overlay
    assert overlay is not None
    assert overlay.path == tmp_path / "state" / "o.json"
    put(tmp_path / "c.json", "{")
    assert state(tmp_path, "c.json").overlay is None


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / ".claude.json").write_bytes(b"\xff")
    assert "UTF-8" in state(tmp_path).problems[0]
