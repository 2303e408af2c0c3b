"""An MCP server as a child process, asked one thing at a time. Used by recording, replay and catalogues."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

SECONDS = 60
"""How long any answer may take."""


class Process:
    """One server and its only client.

    Args:
        command: What to start.
        home: A folder in place of the user's own, so that no configuration of this machine is read.
        more: Further variables.
        cwd: Where it runs.
        client: What the client calls itself.
        capabilities: What the client declares that it can do.
    """

    def __init__(
        self,
        command: Sequence[str],
        home: Path,
        more: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        client: str = "agent",
        capabilities: Mapping[str, Any] | None = None,
    ) -> None:
        self._command = command
        self._greeting = {
            "protocolVersion": "2025-06-18",
            "capabilities": capabilities or {},
            "clientInfo": {"name": client, "version": "1"},
        }
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(home) | dict(more or {}),
            cwd=cwd,
        )
        self._asked = 0
        self.about: dict[str, Any] = {}
        self.instructions = ""

    def __enter__(self) -> Self:
        greeting = self.request("initialize", self._greeting)
        self.about, self.instructions = greeting["serverInfo"], greeting.get("instructions", "")
        self._write({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            # Not every product ends when its client leaves.
            self._process.wait(1)
        except subprocess.TimeoutExpired:
            end(self._process)
        self._process.stdout.close()

    def tools(self) -> list[dict[str, Any]]:
        """All tools it lists."""
        found: list[dict[str, Any]] = self.request("tools/list", {})["tools"]
        return found

    def call(self, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The result of a tool."""
        return self.request("tools/call", {"name": tool, "arguments": arguments})

    def calls(self, asked: Sequence[tuple[str, Mapping[str, Any]]]) -> list[dict[str, Any]]:
        """The results of tools that are asked for at once."""
        params = [{"name": tool, "arguments": arguments} for tool, arguments in asked]
        return self._answers("tools/call", params)

    def request(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The result of a request."""
        return self._answers(method, [params])[0]

    def _answers(self, method: str, asked: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The results of requests that are made at once, in their order."""
        ids = range(self._asked + 1, self._asked + 1 + len(asked))
        self._asked += len(asked)
        for id, params in zip(ids, asked, strict=True):
            self._write({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
        found: dict[int, dict[str, Any]] = {}
        watch = threading.Timer(SECONDS, self._process.kill)
        watch.start()
        try:
            while len(found) < len(ids):
                assert self._process.stdout is not None
                line = self._process.stdout.readline()
                if not line:
                    raise RuntimeError(f"{' '.join(self._command)} ended or gave no answer to {method}")
                message = json.loads(line)
                if message.get("id") in ids and "method" not in message:
                    found[message["id"]] = message
        finally:
            watch.cancel()
        for message in found.values():
            if "result" not in message:
                raise RuntimeError(f"{method} failed: {message.get('error')}")
        return [found[id]["result"] for id in ids]

    def _write(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()


def environment(home: Path) -> dict[str, str]:
    """The variables of this machine, with this folder in place of the user's own, and without callmux's."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CALLMUX_")}
    return kept | dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"), str(home))


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends a process, by force where it does not end by itself."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


def text_of(result: Mapping[str, Any]) -> str:
    """What a client shows its model of a result: the texts.

    Raises:
        RuntimeError: It is an error; no trace has one.
    """
    text = "\n".join(block["text"] for block in result["content"] if block["type"] == "text")
    if result.get("isError"):
        raise RuntimeError(f"a call failed: {text[:500]}")
    return text
