"""The real Claude Code and Codex read what `callmux client attach` writes.

Both are npm packages (`@anthropic-ai/claude-code`, `@openai/codex`); nothing here needs an account. Looked
for on PATH and in `CALLMUX_TEST_CLIENTS`, a directory with `claude` and `codex`; skipped without them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .harness import HERE, python_server, stdio, write_config

SECONDS = 60.0
Run = Callable[..., str]


def program(name: str) -> str:
    """The real client.

    Raises:
        Skipped: It is not here.
    """
    places = [os.environ.get("CALLMUX_TEST_CLIENTS"), os.environ.get("PATH")]
    found = shutil.which(name, path=os.pathsep.join(place for place in places if place))
    if found is None:
        pytest.skip(f"the real {name} is missing: install it, or name its directory in CALLMUX_TEST_CLIENTS")
    return found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home directory with a configuration of one server."""
    home = tmp_path / "al"
    directory = home / ".config" / "callmux"
    directory.mkdir(parents=True)
    command = python_server("ledger_server.py", tmp_path / "ledger")
    write_config(directory / "config.json", {"ledger": stdio(command)})
    return home


@pytest.fixture
def run(home: Path) -> Run:
    """Runs a command in that home directory and gives what it prints."""

    def run(*command: str, **env: str) -> str:
        kept = {key: os.environ[key] for key in ("PATH", "PYTHONPATH") if key in os.environ}
        done = subprocess.run(
            command,
            cwd=home,
            env={**kept, "HOME": str(home), "TERM": "dumb", **env},
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    return run


CALLMUX = (sys.executable, "-m", "callmux")


def test_claude_code_shows_callmux_and_reaches_it(home: Path, run: Run) -> None:
    """`claude mcp list` starts every server and greets it."""
    claude = program("claude")
    run(claude, "mcp", "add", "--scope", "user", "theirs", "--", "no-such-program")
    before = json.loads((home / ".claude.json").read_text())
    run(*CALLMUX, "client", "attach", "claude", "--yes")
    listed = run(claude, "mcp", "list")
    assert re.search(r"^callmux: .*Connected$", listed, re.MULTILINE), listed
    assert "theirs" in listed
    assert json.loads(run(*CALLMUX, "client", "status", "claude", "--json"))["configured"] is True
    run(*CALLMUX, "client", "detach", "claude", "--yes")
    assert "callmux" not in run(claude, "mcp", "list")
    after = json.loads((home / ".claude.json").read_text())
    assert after["mcpServers"] == before["mcpServers"]


def test_codex_shows_callmux_and_keeps_our_marks(home: Path, run: Run) -> None:
    """What Codex itself writes beside our entry, and into it, does not take it from us."""
    codex = program("codex")
    run(codex, "mcp", "add", "first", "--", "echo", "1")
    run(*CALLMUX, "client", "attach", "codex", "--yes")
    run(codex, "mcp", "add", "later", "--env", "A=b", "--", "echo", "2")
    servers = {server["name"]: server for server in json.loads(run(codex, "mcp", "list", "--json"))}
    assert set(servers) == {"callmux", "first", "later"}
    assert servers["callmux"]["enabled"] is True
    assert json.loads(run(*CALLMUX, "client", "status", "codex", "--json"))["configured"] is True
    url = ("--url", "http://127.0.0.1:4860/mcp")
    run(*CALLMUX, "client", "attach", "codex", *url, "--yes")
    transport = json.loads(run(codex, "mcp", "get", "callmux", "--json"))["transport"]
    assert transport["url"] == "http://127.0.0.1:4860/mcp"
    run(*CALLMUX, "client", "detach", "codex", "--yes")
    listed = {server["name"] for server in json.loads(run(codex, "mcp", "list", "--json"))}
    assert listed == {"first", "later"}


def test_claude_code_takes_an_address_with_its_type(home: Path, run: Run) -> None:
    claude = program("claude")
    url = ("--url", "http://127.0.0.1:9/mcp")
    run(*CALLMUX, "client", "attach", "claude", *url, "--token-env", "MUX", "--yes")
    listed = run(claude, "mcp", "list", MUX="x")
    assert "callmux: http://127.0.0.1:9/mcp (HTTP)" in listed


def test_setup_moves_what_the_clients_themselves_wrote(home: Path, run: Run, tmp_path: Path) -> None:
    claude, codex = program("claude"), program("codex")
    server = (sys.executable, "-I", str(HERE / "ledger_server.py"))
    run(claude, "mcp", "add", "--scope", "user", "one", "--", *server, str(tmp_path / "1"))
    run(claude, "mcp", "add", "--scope", "local", "two", "--", *server, str(tmp_path / "2"))
    run(codex, "mcp", "add", "three", "--", *server, str(tmp_path / "3"))
    done = json.loads(run(*CALLMUX, "setup", "--yes", "--json"))
    assert done["servers"] == ["one", "two", "three"]
    listed = run(claude, "mcp", "list")
    assert [line.partition(":")[0] for line in listed.splitlines() if "Connected" in line] == ["callmux"]
    assert {server["name"] for server in json.loads(run(codex, "mcp", "list", "--json"))} == {"callmux"}
    run(*CALLMUX, "setup", "--undo")
    listed = run(claude, "mcp", "list")
    assert {line.partition(":")[0] for line in listed.splitlines() if "Connected" in line} == {"one", "two"}
    assert {server["name"] for server in json.loads(run(codex, "mcp", "list", "--json"))} == {"three"}
