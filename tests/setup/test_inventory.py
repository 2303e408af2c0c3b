"""What clients have, and what setup would do with it."""

from __future__ import annotations

import json
from pathlib import Path

from callmux.clients.detect import Machine
from callmux.setup.inventory import inventory, inventory_lines
from callmux.setup.scene import Scene, look


def scene(tmp_path: Path) -> Scene:
    project = tmp_path / "p"
    project.mkdir()
    servers = {
        "git": {"command": "g", "args": ["--token", "hunter2"], "env": {"B": "1", "A_TOKEN": "hunter2"}},
        "odd": {"command": "o", "confineTo": "/srv"},
        "callmux": {"command": "callmux"},
        "bad": {},
    }
    mine = {"mcpServers": {"local": {"command": "l"}}}
    (tmp_path / ".claude.json").write_text(json.dumps({"mcpServers": servers, "projects": {"/q": mine}}))
    (project / ".mcp.json").write_text(
        json.dumps({"mcpServers": {"evil\x1b[2J": {"command": "sh", "args": ["-c", "x\r\ny"]}}})
    )
    (tmp_path / ".cursor").mkdir()
    off = {"command": "c", "disabled": True}
    (tmp_path / ".cursor" / "mcp.json").write_text(json.dumps({"mcpServers": {"off": off}}))
    machine = Machine(home=tmp_path, env={}, platform="linux", cwd=project, system=tmp_path / "system")
    return look(machine, None, with_project=True)


def test_each_server_has_a_state_and_no_secret_is_shown(tmp_path: Path) -> None:
    here = scene(tmp_path)
    servers = {server.name: server for server in inventory(here, ["claude", "cursor"])}
    states = {name.partition("\x1b")[0]: server.state for name, server in servers.items()}
    assert states == {
        "git": "moves",
        "odd": "stays",
        "callmux": "callmux",
        "local": "moves",
        "off": "off",
        "evil": "needs a yes",
    }
    assert servers["git"].env_keys == ("A_TOKEN", "B")
    assert "hunter2" not in servers["git"].how
    assert servers["odd"].reason == 'its key "confineTo" is not known to callmux'
    assert servers["local"].project == "/q"


def test_people_see_it_file_by_file_and_the_result_last(tmp_path: Path) -> None:
    here = scene(tmp_path)
    lines = inventory_lines(inventory(here, ["claude", "cursor"]), here.problems, 80)
    text = "\n".join(lines)
    assert "hunter2" not in text
    assert not any(letter in text for letter in "\x1b\r")
    assert ", for /q)" in " ".join(text.split())
    assert "Not read:" in text
    assert lines[-1] == "5 servers in 2 clients. Setup can move 3: callmux setup"
    assert inventory_lines([], [], 80) == ["No client has an MCP server."]
