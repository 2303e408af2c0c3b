"""The real Claude Code, Codex and Gemini CLI read what `callmux client attach` and `callmux setup` write.

All are npm packages, fetched by `scripts/interop` where `CALLMUX_REQUIRE_CLIENTS=1`; nothing here needs an
account. Looked for there, on PATH and in `CALLMUX_TEST_CLIENTS`, a directory with the programs; skipped
without them, but a failure where they are required.
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
    modules = Path(__file__).parents[2] / ".cache" / "clients" / "node_modules"
    native = sorted(modules.glob("@anthropic-ai/claude-code-*"))
    fetched = [str(modules / ".bin"), *map(str, native)]
    places = [os.environ.get("CALLMUX_TEST_CLIENTS"), *fetched, os.environ.get("PATH")]
    found = shutil.which(name, path=os.pathsep.join(place for place in places if place))
    if found is None:
        said = f"the real {name} is missing: run scripts/interop with CALLMUX_REQUIRE_CLIENTS=1"
        if os.environ.get("CALLMUX_REQUIRE_CLIENTS") == "1":
            pytest.fail(said)
        pytest.skip(said)
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
    done = json.loads(run(*CALLMUX, "setup", "--yes", "--move", "all", "--json"))
    assert done["servers"] == ["one", "two", "three"]
    listed = run(claude, "mcp", "list")
    assert [line.partition(":")[0] for line in listed.splitlines() if "Connected" in line] == ["callmux"]
    assert {server["name"] for server in json.loads(run(codex, "mcp", "list", "--json"))} == {"callmux"}
    run(*CALLMUX, "setup", "--undo")
    listed = run(claude, "mcp", "list")
    assert {line.partition(":")[0] for line in listed.splitlines() if "Connected" in line} == {"one", "two"}
    assert {server["name"] for server in json.loads(run(codex, "mcp", "list", "--json"))} == {"three"}


def listed_by(client: str, home: Path) -> str:
    """What a client itself says of its servers, in a copy of the home directory: some write their files."""
    copy = home.with_name(f"{home.name}-{client}")
    shutil.copytree(home, copy, symlinks=True)
    env = {key: os.environ[key] for key in ("PATH", "PYTHONPATH") if key in os.environ}
    env |= {"HOME": str(copy), "TERM": "dumb", "GEMINI_CLI_TRUST_WORKSPACE": "true"}
    done = subprocess.run(
        [program(client), "mcp", "list"],
        cwd=copy,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize(
    ("client", "file", "connected"),
    [
        ("claude", ".claude.json", r"^callmux: .*Connected$"),
        ("codex", ".codex/config.toml", r"^callmux .*enabled"),
        ("gemini", ".gemini/settings.json", r"callmux: .*Connected"),
    ],
)
def test_setup_is_seen_by_the_client_and_undone_byte_for_byte(
    client: str, file: str, connected: str, home: Path, run: Run, tmp_path: Path
) -> None:
    """Two of its servers move, one with a denied tool where the client has a key for that; one stays."""
    program(client)
    words = ["-I", str(HERE / "ledger_server.py")]
    if client == "codex":
        start = f"command = {json.dumps(sys.executable)}\nargs = "
        first, second = (json.dumps([*words, str(tmp_path / name)]) for name in "12")
        text = (
            f"# mine\n[mcp_servers.one] # first\n{start}{first}\ndisabled_tools = ['write']\n\n"
            f"[mcp_servers.two]\n{start}{second}\n"
            '[mcp_servers.stays]\ncommand = "true"\ndefault_tools_approval_mode = "prompt"\n'
        )
    else:
        one: dict[str, object] = {"command": sys.executable, "args": [*words, str(tmp_path / "1")]}
        two = {"command": sys.executable, "args": [*words, str(tmp_path / "2")]}
        stays = {"command": "true", "confineTo": "/srv"}
        if client == "gemini":
            one["excludeTools"] = ["write"]
        text = json.dumps({"keep": [1, 2], "mcpServers": {"one": one, "two": two, "stays": stays}}, indent=3)
    path = home / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    before = path.read_bytes()
    done = json.loads(run(*CALLMUX, "setup", "--yes", "--json"))
    assert done["servers"] == ["one", "two"]
    assert [item["name"] for item in done["stays"]] == ["stays"]
    config = json.loads((home / ".config" / "callmux" / "config.json").read_text())
    denied = None if client == "claude" else ["write"]
    assert config["servers"]["one"].get("denyTools") == denied
    said = listed_by(client, home)
    assert re.search(connected, said, re.MULTILINE), said
    assert not re.search(r"^\W*(one|two)\b", said, re.MULTILINE), said
    assert "stays" in said
    run(*CALLMUX, "setup", "--undo")
    assert path.read_bytes() == before
