"""A new user's path: `callmux setup` in a terminal, a call by the SDK's client, `setup --undo`.

The servers are real processes, and so are callmux and its terminal.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mcp import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.support import SECONDS

from .harness import HERE, run

ENTER = b"\r"
DOWN = b"\x1b[B"


class Terminal:
    """A program in a terminal of its own; what it shows is read as text."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process = process
        self._master = master
        self._shown = ""

    def wait_for(self, text: str) -> None:
        """Reads until `text` is shown; what came before it is forgotten."""
        end = time.monotonic() + SECONDS
        while text not in (shown := re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self._shown)):
            assert time.monotonic() < end, f"never shown: {text}\n{shown[-3000:]}"
            if select.select([self._master], [], [], 0.2)[0]:
                try:
                    data = os.read(self._master, 65536)
                except OSError:
                    data = b""
                assert data or text in shown, f"it ended before: {text}\n{shown[-3000:]}"
                self._shown += data.decode(errors="replace")
                if b"\x1b[6n" in data:
                    # Where is the cursor? A terminal that never says so holds the dialogue up.
                    os.write(self._master, b"\x1b[1;1R")
        self._shown = shown[shown.index(text) + len(text) :]

    def press(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def answer(self, question: str, keys: bytes) -> None:
        self.wait_for(question)
        self.press(keys)

    def ended(self) -> int:
        """The exit code."""
        end = time.monotonic() + SECONDS
        while self.process.poll() is None:
            assert time.monotonic() < end, "it does not end"
            if select.select([self._master], [], [], 0.05)[0]:
                try:
                    os.read(self._master, 65536)
                except OSError:
                    continue
        return self.process.returncode


def _own_terminal() -> None:
    """Ctrl-C reaches only processes whose terminal it is."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@contextmanager
def terminal(home: Path, *args: str) -> Iterator[Terminal]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 110, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "callmux", *args],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=home / "shop",
        env=environment(home),
        start_new_session=True,
        preexec_fn=_own_terminal,
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(master)


def environment(home: Path) -> dict[str, str]:
    kept = {key: os.environ[key] for key in ("PATH", "PYTHONPATH") if key in os.environ}
    return {**kept, "HOME": str(home), "TERM": "xterm"}


def server(ledger: Path) -> dict[str, object]:
    return {"command": sys.executable, "args": ["-I", str(HERE / "ledger_server.py"), str(ledger)]}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Al's home: Claude Code, Codex and a project have a server each."""
    home = tmp_path / "al"
    (home / "shop").mkdir(parents=True)
    (home / ".codex").mkdir()
    one = {**server(tmp_path / "one"), "env": {"A_TOKEN": "hunter2"}}
    document = {"numStartups": 3, "mcpServers": {"one": one, "gone": {"command": "no-such-program"}}}
    (home / ".claude.json").write_text(json.dumps(document, indent=2))
    (home / "shop" / ".mcp.json").write_text(
        json.dumps({"mcpServers": {"three": server(tmp_path / "three")}}, indent=4) + "\n"
    )
    two = server(tmp_path / "two")
    (home / ".codex" / "config.toml").write_text(
        f'# mine\nmodel = "m"\n\n[mcp_servers.two] # why\ncommand = "{two["command"]}"\n'
        f"args = {json.dumps(two['args'])}\n"
    )
    return home


def files(home: Path) -> dict[str, tuple[bytes, int]]:
    """Every file with its mode, but the backups and what running callmux leaves."""
    return {
        str(path.relative_to(home)): (path.read_bytes(), path.stat().st_mode)
        for path in home.rglob("*")
        if path.is_file() and not {"backups", ".cache", ".local"} & set(path.parts)
    }


def test_from_servers_in_three_files_to_a_working_call_and_back(home: Path, tmp_path: Path) -> None:
    before = files(home)
    with terminal(home, "setup") as screen:
        screen.answer("Which clients get callmux", ENTER)
        screen.wait_for("belongs to a project and has these servers")
        screen.answer("May setup start their commands", b"y")
        screen.answer("Which servers move", DOWN * 3 + b" " + ENTER)
        screen.answer("Credentials were found (one: A_TOKEN)", ENTER)
        screen.answer("Add well-known servers", ENTER)
        screen.answer("Add a server of your own", b"n")
        screen.answer("No answer from gone", ENTER)
        screen.answer("Choose single tools", b"n")
        screen.answer("Which of these answer the same", ENTER)
        screen.answer("What do agents see", DOWN + ENTER)
        screen.answer("are not kept, unless", ENTER)
        screen.answer("List only the callmux", b"n")
        screen.answer("How are the servers run", ENTER)
        screen.wait_for("a credential, for you only (0600)")
        assert files(home) == before
        screen.answer("Write this?", b"y")
        screen.wait_for("callmux setup --undo")
        assert screen.ended() == 0
    written = files(home)
    assert not [path for path, (data, _) in written.items() if b"hunter2" in data and "secrets" not in path]
    entry = json.loads((home / ".claude.json").read_text())["mcpServers"]["callmux"]
    run(calls(entry, home, tmp_path))
    with terminal(home, "setup", "--undo") as screen:
        assert screen.ended() == 0
    assert files(home) == before


async def calls(entry: dict[str, object], home: Path, tmp_path: Path) -> None:
    """The SDK's client, started as Claude Code would start it."""
    command = StdioServerParameters(
        command=str(entry["command"]),
        args=[str(word) for word in entry["args"]],  # type: ignore[attr-defined]
        env=environment(home),
        cwd=home / "shop",
    )
    with (tmp_path / "stderr").open("w") as errors:
        async with (
            asyncio.timeout(SECONDS),
            stdio_client(command, errlog=errors) as (read, write),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            names = {tool.name for tool in (await session.list_tools()).tools}
            assert {"one__write", "two__write", "three__write"} <= names
            await session.call_tool("two__write", {"token": "setup-was-here"})
    assert "setup-was-here" in (tmp_path / "two").read_text()


@pytest.mark.parametrize("question", ["Which servers move", "Asking the servers", "Write this?"])
def test_ctrl_c_changes_nothing(question: str, home: Path) -> None:
    before = files(home)
    answers = {
        "Which clients get callmux": ENTER,
        "May setup start their commands": b"n",
        "Which servers move": ENTER,
        "Credentials were found": ENTER,
        "Add well-known servers": ENTER,
        "Add a server of your own": b"n",
        "No answer from gone": ENTER,
        "Choose single tools": b"n",
        "Which of these answer the same": ENTER,
        "What do agents see": DOWN + ENTER,
        "are not kept, unless": ENTER,
        "List only the callmux": b"n",
        "How are the servers run": ENTER,
    }
    with terminal(home, "setup") as screen:
        for text, keys in answers.items():
            if text == question or (question == "Asking the servers" and text == "No answer from gone"):
                break
            screen.answer(text, keys)
        screen.wait_for(question)
        screen.press(b"\x03")
        screen.wait_for("Stopped: nothing was written.")
        assert screen.ended() == 130
    assert files(home) == before
    assert not (home / ".config").exists()
