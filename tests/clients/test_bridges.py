"""Listeners that clients' entries start by themselves."""

from __future__ import annotations

import json
from pathlib import Path

from callmux.clients.bridges import autostarted
from callmux.clients.detect import Machine

URL = "http://127.0.0.1:4860/mcp"


def test_entries_with_autostart_are_found_in_every_clients_file(tmp_path: Path) -> None:
    machine = Machine(home=tmp_path, env={}, platform="linux", cwd=tmp_path)
    assert autostarted(machine) == {}
    servers = {
        "callmux": {"command": "callmux", "args": ["bridge", "--url", URL, "--autostart", "--config", "/c"]},
        "quiet": {"command": "callmux", "args": ["bridge", "--url", "http://127.0.0.1:1/mcp"]},
        "other": {"command": "mine", "args": ["--autostart", "--url", "http://127.0.0.1:2/mcp"]},
    }
    (tmp_path / ".claude.json").write_text(json.dumps({"mcpServers": servers}))
    (tmp_path / ".cursor").mkdir()
    (tmp_path / ".cursor" / "mcp.json").write_text("{")
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex" / "config.toml").write_text(
        '[mcp_servers.mux]\ncommand = "/v/callmux"\n'
        'args = ["bridge", "--url", "http://127.0.0.1:3/mcp", "--autostart"]\n'
    )
    assert autostarted(machine) == {URL: "/c", "http://127.0.0.1:3/mcp": None}
