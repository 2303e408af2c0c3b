"""What is found in the files of MCP clients."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from callmux.clients.detect import Machine
from callmux.doctor.clients import examine_clients, listens
from callmux.doctor.report import ClientReport


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    home, cwd, programs = tmp_path / "home", tmp_path / "project", tmp_path / "bin"
    for place in (home / ".config" / "callmux", cwd, programs):
        place.mkdir(parents=True)
    (home / ".config" / "callmux" / "config.json").write_text("{}")
    for name in ("callmux", "npx"):
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    return Machine(home=home, env={"PATH": str(programs)}, platform="linux", cwd=cwd)


def examined(machine: Machine, *entries: Any, up: bool = True) -> list[ClientReport]:
    servers = {f"s{n}": entry for n, entry in enumerate(entries)}
    (machine.home / ".claude.json").write_text(json.dumps({"mcpServers": servers}))
    return examine_clients(machine, lambda host, port: up)


def test_entries_that_work_are_listed_and_others_are_nobodys_business(machine: Machine) -> None:
    foreign = {"command": "/no/such/program"}
    report, bridge = examined(
        machine,
        {
            "command": "callmux",
            "args": ["--config", str(machine.home / ".claude.json"), "--token", "hunter2"],
        },
        foreign,
        {"command": "callmux", "args": ["bridge", "--url", "http://localhost:4860/mcp"]},
    )
    assert (report.client, report.name, report.status) == ("claude", "s0", "ok")
    assert (report.issues, report.warnings, bridge.warnings) == ([], [], [])
    assert "hunter2" not in report.command


@pytest.mark.parametrize(
    ("entry", "issue"),
    [
        (
            {"command": "/gone/bin/callmux"},
            '"/gone/bin/callmux" does not exist: enter it again with "callmux',
        ),
        ({"command": "uvx", "args": ["callmux"]}, '"uvx" does not exist'),
        ({"command": "callmux", "args": ["--config", "/no/c.json"]}, '"/no/c.json" does not exist'),
        ({"command": "callmux", "args": ["--config=c.json"]}, "relative"),
    ],
)
def test_what_a_client_cannot_start_is_an_issue(machine: Machine, entry: Any, issue: str) -> None:
    (report,) = examined(machine, entry)
    assert report.status == "error"
    assert issue in report.issues[0]


def test_a_program_that_the_next_terminal_lacks_is_a_warning(machine: Machine, tmp_path: Path) -> None:
    active = Machine(
        home=machine.home,
        env={**machine.env, "VIRTUAL_ENV": str(tmp_path)},
        platform=machine.platform,
        cwd=machine.cwd,
    )
    (report,) = examined(active, {"command": "callmux"})
    assert report.status == "ok"
    assert "only while the virtual environment" in report.warnings[0]
    (whole,) = examined(active, {"command": str(tmp_path / "bin" / "callmux")})
    assert whole.warnings == []
    cached = tmp_path / "archive-v0" / "x" / "bin" / "callmux"
    cached.parent.mkdir(parents=True)
    cached.write_text("#!/bin/sh\n")
    cached.chmod(0o755)
    (report,) = examined(machine, {"command": str(cached)})
    assert "uv tool install callmux" in report.warnings[0]


def test_no_configuration_for_a_plain_entry(machine: Machine) -> None:
    (machine.home / ".config" / "callmux" / "config.json").unlink()
    (report,) = examined(machine, {"command": "callmux"})
    assert "it would find no configuration" in report.issues[0]
    (report,) = examined(machine, {"command": "callmux", "env": {"CALLMUX_CONFIG": "/c.json"}})
    assert report.issues == []


def test_the_path_of_an_entry_counts(machine: Machine, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / "bin" / "callmux").rename(other / "callmux")
    missing, found = examined(
        machine, {"command": "callmux"}, {"command": "callmux", "env": {"PATH": str(other)}}
    )
    assert (missing.status, found.status) == ("error", "ok")


def test_an_entry_for_node_is_a_warning(machine: Machine) -> None:
    (report,) = examined(machine, {"command": "npx", "args": ["-y", "callmux@latest"]})
    assert report.status == "ok"
    assert "callmux client upgrade claude --yes" in report.warnings[0]


def test_a_listener_that_is_down_is_a_warning(machine: Machine) -> None:
    """It may be started later; with --autostart it starts by itself."""
    entries = [
        {"type": "http", "url": "http://127.0.0.1:4860/mcp"},
        {"command": "callmux", "args": ["bridge", "--url", "http://localhost:5000/mcp"]},
        {"command": "callmux", "args": ["bridge", "--url", "http://localhost:5000/mcp", "--autostart"]},
        {"command": "callmux", "args": ["bridge", "--url", "https://far.example/mcp"]},
    ]
    url, bridge, autostart, far = examined(machine, *entries, up=False)
    assert "nothing listens at 127.0.0.1:4860" in url.warnings[0]
    assert "callmux --listen 5000" in bridge.warnings[0]
    assert (autostart.warnings, far.warnings) == ([], [])


def test_codex_and_project_files(machine: Machine) -> None:
    (machine.home / ".codex").mkdir()
    codex = machine.home / ".codex" / "config.toml"
    codex.write_text('[mcp_servers.callmux]\ncommand = "/gone/callmux"\n')
    project = machine.cwd / ".mcp.json"
    project.write_text('{"mcpServers": {"c": {"command": "callmux"}}}')
    found = examine_clients(machine)
    assert [(report.client, report.path, report.status) for report in found] == [
        ("codex", str(codex), "error"),
        ("claude", str(project), "ok"),
    ]


def test_a_file_that_cannot_be_read_is_an_issue(machine: Machine) -> None:
    (machine.home / ".claude.json").write_text("{broken")
    (report,) = examine_clients(machine)
    assert (report.status, report.name) == ("error", "")
    assert "cannot be understood" in report.issues[0]


def test_a_port_that_nobody_listens_on() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert listens("127.0.0.1", port)
    assert not listens("127.0.0.1", port)
