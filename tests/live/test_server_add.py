"""`callmux server add` at a terminal: the server is started, and somebody chooses its tools."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from .harness import python_server

ENTER, SPACE, DOWN, CTRL_C = b"\r", b" ", b"\x1b[B", b"\x03"


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, tmp_path: Path, *words: str) -> None:
        self._fd, inner = pty.openpty()
        env = {key: value for key, value in os.environ.items() if not key.startswith("CALLMUX_")}
        env |= {"HOME": str(tmp_path), "TERM": "xterm", "COLUMNS": "100", "LINES": "40"}
        command = [sys.executable, "-m", "callmux", "--config", str(tmp_path / "c.json"), *words]
        self.process = subprocess.Popen(
            command, stdin=inner, stdout=inner, stderr=inner, env=env, start_new_session=True
        )
        os.close(inner)
        self.shown = b""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(20)
        os.close(self._fd)

    def until(self, text: bytes) -> None:
        end = time.monotonic() + 30
        while text not in self.shown:
            assert time.monotonic() < end, f"no {text!r} in {self.shown.decode('utf-8', 'replace')}"
            if select.select([self._fd], [], [], 0.2)[0]:
                self.shown += os.read(self._fd, 65536)

    def press(self, *keys: bytes) -> None:
        os.write(self._fd, b"".join(keys))

    def code(self) -> int:
        return self.process.wait(30)


def servers(tmp_path: Path) -> Any:
    path = tmp_path / "c.json"
    return json.loads(path.read_text())["servers"] if path.exists() else None


def add(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path, "server", "add", "l", "--", *python_server("ledger_server.py", tmp_path / "l"))


def test_all_tools_are_no_whitelist(tmp_path: Path) -> None:
    with add(tmp_path) as terminal:
        terminal.until(b"Which tools do agents get?")
        terminal.press(ENTER)
        terminal.until(b"depend on the directory")
        terminal.press(ENTER)
        assert terminal.code() == 0
    assert "tools" not in servers(tmp_path)["l"]
    assert servers(tmp_path)["l"]["cwdMode"] == "global"


def test_some_tools_are_a_whitelist(tmp_path: Path) -> None:
    with add(tmp_path) as terminal:
        terminal.until(b"Which tools do agents get?")
        terminal.press(SPACE, ENTER)
        terminal.until(b"depend on the directory")
        terminal.press(DOWN, ENTER)
        assert terminal.code() == 0
    assert servers(tmp_path)["l"]["cwdMode"] == "session"
    entry = servers(tmp_path)["l"]
    assert entry["tools"] == sorted(entry["tools"])
    assert entry["tools"]


def test_ctrl_c_in_the_choice_saves_nothing(tmp_path: Path) -> None:
    """C7: the original saves the server all the same."""
    with add(tmp_path) as terminal:
        terminal.until(b"Which tools do agents get?")
        terminal.press(CTRL_C)
        assert terminal.code() == 130
    assert servers(tmp_path) is None


def test_a_server_that_does_not_start_is_not_added_without_a_yes(tmp_path: Path) -> None:
    """C3: the original never notices."""
    for key, code, saved in ((b"n", 1, None), (b"y", 0, {"command": "/no/such/program"})):
        with Terminal(tmp_path, "server", "add", "bad", "--", "/no/such/program") as terminal:
            terminal.until(b"Add it anyway?")
            terminal.press(key, ENTER)
            assert terminal.code() == code
        assert (servers(tmp_path) or {}).get("bad") == saved
