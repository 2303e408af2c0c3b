"""Nothing that nobody approved is ever started: a server leaves a mark as soon as it runs.

Every way of setup, over every client's own file and every file of a project; what says yes is said here, and
nothing else starts anything. The marks are real processes.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callmux.cli import discover, doctor, setup
from callmux.errors import CallmuxError

USERS = {
    "claude": ".claude.json",
    "codex": ".codex/config.toml",
    "claude-desktop": ".config/Claude/claude_desktop_config.json",
    "cursor": ".cursor/mcp.json",
    "vscode": ".config/Code/User/mcp.json",
    "windsurf": ".codeium/windsurf/mcp_config.json",
    "gemini": ".gemini/settings.json",
}
PROJECTS = {
    "claude": ".mcp.json",
    "codex": ".codex/config.toml",
    "cursor": ".cursor/mcp.json",
    "vscode": ".vscode/mcp.json",
    "gemini": ".gemini/settings.json",
}
QUIET = [
    ["--dry-run"],
    ["--dry-run", "--json"],
    ["--dry-run", "--yes"],
    ["--dry-run", "--move", "none"],
    ["--dry-run", "--move", "helper"],
    ["--dry-run", "--clients", "claude"],
    ["--dry-run", "--clients", "none"],
    ["--dry-run", "--no-probe"],
    ["--dry-run", "--no-project"],
    ["--dry-run", "--fresh"],
    ["--dry-run", "--listener", "http://127.0.0.1:4860/mcp"],
    ["--list"],
    ["--yes", "--no-probe"],
]
"""Flags with which nothing is started, whoever has the server."""
LOUD = [
    ["--yes"],
    ["--yes", "--json"],
    ["--yes", "--clients", "all"],
    ["--yes", "--clients", "none"],
    ["--yes", "--fresh"],
    ["--yes", "--move", "helper"],
    ["--yes", "--move", "all"],
    ["--yes", "--no-project"],
    ["--dry-run", "--probe"],
    ["--dry-run", "--probe", "--yes"],
    ["--yes", "--probe-timeout", "5"],
]
"""Flags that say yes to the user's own servers, and never to those of a project."""


def entry(kind: str, mark: Path, **more: Any) -> str:
    """A file with one server, as its client writes it."""
    raw = {"command": "sh", "args": ["-c", f"echo x >> {mark}; exit 1"], **more}
    if kind == "codex":
        lines = [f"{key} = {json.dumps(value)}" for key, value in raw.items()]
        return "\n".join(["[mcp_servers.helper]", *lines]) + "\n"
    return json.dumps({"servers" if kind == "vscode" else "mcpServers": {"helper": raw}})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home directory, and a project in it where everything runs."""
    home = tmp_path / "al"
    (home / "repo").mkdir(parents=True)
    for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "XDG_CONFIG_HOME", "CALLMUX_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home / "repo")
    monkeypatch.setattr("sys.platform", "linux")
    return home


def put(base: Path, name: str, text: str) -> Path:
    path = base / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def attempt(*args: str) -> None:
    """Runs setup; a refusal is as good as an end."""
    with contextlib.suppress(CallmuxError):
        setup.run(list(args), None)


@pytest.mark.parametrize("flags", QUIET, ids=" ".join)
def test_nothing_of_the_users_own_files_runs_where_nothing_says_so(flags: list[str], home: Path) -> None:
    for kind, name in USERS.items():
        put(home, name, entry(kind, home / f"ran-{kind}"))
    attempt(*flags)
    assert marks(home) == []


@pytest.mark.parametrize("flags", [*QUIET, *LOUD], ids=" ".join)
def test_nothing_of_a_projects_files_runs_without_a_yes_for_that_file(flags: list[str], home: Path) -> None:
    for kind, name in PROJECTS.items():
        put(home / "repo", name, entry(kind, home / f"ran-{kind}"))
    attempt(*flags)
    assert marks(home) == []


@pytest.mark.parametrize("kind", PROJECTS)
def test_a_yes_for_one_file_is_none_for_another(kind: str, home: Path) -> None:
    for other, name in PROJECTS.items():
        put(home / "repo", name, entry(other, home / f"ran-{other}").replace("helper", f"helper-{other}"))
    clients = ",".join(PROJECTS)
    attempt("--yes", "--clients", clients, "--project-file", PROJECTS[kind])
    assert marks(home) == [f"ran-{kind}"]


@pytest.mark.parametrize("kind", USERS)
def test_a_yes_starts_the_users_own(kind: str, home: Path) -> None:
    """Without this, the tests above would pass on a setup that asks no server."""
    put(home, USERS[kind], entry(kind, home / f"ran-{kind}"))
    attempt("--yes")
    assert marks(home) == [f"ran-{kind}"]


STAYING: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("codex", {"enabled": False}, {}),
    ("cursor", {"disabled": True}, {}),
    ("windsurf", {"disabled": True}, {}),
    ("vscode", {"sandboxEnabled": True}, {}),
    ("codex", {"default_tools_approval_mode": "prompt"}, {}),
    ("cursor", {"surprise": 1}, {}),
    ("gemini", {}, {".gemini/mcp-server-enablement.json": {"helper": {"enabled": False}}}),
    ("claude", {}, {".claude/settings.json": {"deniedMcpServers": [{"serverName": "helper"}]}}),
    ("claude", {}, {".claude/settings.json": {"allowedMcpServers": []}}),
    ("claude", {}, {".claude/settings.json": {"permissions": {"ask": ["mcp__helper"]}}}),
    ("claude", {}, {".claude/settings.json": {"disabledMcpServers": ["helper"]}}),
]


@pytest.mark.parametrize(("kind", "more", "settings"), STAYING)
@pytest.mark.parametrize("flags", LOUD, ids=" ".join)
def test_what_is_off_forbidden_or_restricted_is_not_started_either(
    kind: str, more: dict[str, Any], settings: dict[str, Any], flags: list[str], home: Path
) -> None:
    put(home, USERS[kind], entry(kind, home / "ran", **more))
    for name, document in settings.items():
        put(home, name, json.dumps(document))
    attempt(*flags)
    assert marks(home) == []


def test_a_rejected_server_of_a_project_stays_rejected_even_after_a_yes_for_its_file(home: Path) -> None:
    put(home / "repo", ".mcp.json", entry("claude", home / "ran"))
    put(home / "repo", ".claude/settings.local.json", json.dumps({"disabledMcpjsonServers": ["helper"]}))
    put(home, ".claude.json", json.dumps({"mcpServers": {}}))
    attempt("--yes", "--project-file", ".mcp.json")
    assert marks(home) == []
    config = json.loads((home / ".config" / "callmux" / "config.json").read_text())
    assert config["servers"] == {}


def test_doctor_looks_at_clients_and_starts_none_of_their_servers(home: Path) -> None:
    for kind, name in USERS.items():
        put(home, name, entry(kind, home / f"ran-{kind}"))
    for kind, name in PROJECTS.items():
        put(home / "repo", name, entry(kind, home / f"ran-project-{kind}"))
    config = put(home, ".config/callmux/config.json", '{"servers": {}}')
    doctor.run(["--json"], str(config))
    client = importlib.import_module("callmux.cli.client")
    client.run(["status", "--all"], str(config))
    client.run(["upgrade"], str(config))
    assert marks(home) == []


def test_discover_shows_them_all_and_starts_none(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for kind, name in USERS.items():
        put(home, name, entry(kind, home / f"ran-{kind}"))
    for kind, name in PROJECTS.items():
        put(home / "repo", name, entry(kind, home / f"ran-project-{kind}"))
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    discover.run([], None)
    discover.run(["--json"], None)
    shown = capfd.readouterr().out
    shown = json.loads(shown[shown.index("{\n") :])
    assert {(item["client"], item["state"]) for item in shown["servers"]} == {
        *((kind, "moves") for kind in USERS),
        *((kind, "needs a yes") for kind in PROJECTS),
    }
    assert marks(home) == []
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


def marks(home: Path) -> list[str]:
    return sorted(path.name for path in home.glob("ran*"))


@pytest.fixture(autouse=True)
def quiet(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """What setup prints is not the point here."""
    yield
    capfd.readouterr()


def test_the_place_is_the_one_that_is_looked_into(home: Path) -> None:
    assert Path.home() == home
    assert os.getcwd() == str(home / "repo")
