"""A tiny MCP client that plays the agent: one request at a time, each wait bounded, every line in the trace.

Called by `callmux.demo.task`; starts the callmux it talks to as a child process.
"""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Self

from callmux.demo.trace import Message
from callmux.errors import CallmuxError

START_SECONDS = 60.0
END_SECONDS = 5.0
LAST_WORDS_SECONDS = 2.0
"""How long is waited for what a callmux that has ended wrote to its standard error."""


class DemoFailed(CallmuxError):
    """The demonstration could not be completed; the message says where it stopped."""

    code = "demo_failed"


class Agent:
    """The client and its callmux.

    Args:
        command: How to start callmux.
        call_seconds: The longest an answer may take.

    Attributes:
        trace: What was sent and received so far.
    """

    def __init__(self, command: Sequence[str], call_seconds: float) -> None:
        self.trace: list[Message] = []
        self._began = time.perf_counter()
        self._call_seconds = call_seconds
        self._requests = 0
        self._answers: queue.Queue[bytes | None] = queue.Queue()
        self._complaints: deque[str] = deque(maxlen=20)
        try:
            # A session of its own: Ctrl-C reaches only us, and we end it in order.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise DemoFailed(f"{command[0]} could not be started: {error.strerror}") from None
        self._readers = [
            threading.Thread(target=self._read_answers, daemon=True),
            threading.Thread(target=self._read_complaints, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(in_order=kind is None)

    def _read_answers(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put(None)

    def _read_complaints(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._complaints.append(line.decode("utf-8", "replace").rstrip())

    def close(self, *, in_order: bool = True) -> None:
        """Ends callmux: by closing its input, then by asking, then by force.

        Args:
            in_order: Whether nothing is under way. Otherwise callmux is asked at once: at the end of its
                input it would wait for calls that nobody waits for any more.
        """
        try:
            for end in (self._end_input, self._process.terminate) if in_order else (self._process.terminate,):
                end()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(END_SECONDS)
                    break
        finally:
            # A second Ctrl-C ends up here, too.
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait(END_SECONDS)
            self._end_input()
            self._end_readers()

    def _end_readers(self) -> None:
        for reader, pipe in zip(self._readers, (self._process.stdout, self._process.stderr), strict=True):
            reader.join(END_SECONDS)
            # Closing a pipe waits for whoever reads from it, as long as some process has its other end.
            if pipe is not None and not reader.is_alive():
                pipe.close()

    def _end_input(self) -> None:
        assert self._process.stdin is not None
        # What is still buffered may be for a process that is gone.
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def start(self) -> list[dict[str, Any]]:
        """The handshake, and the tools on offer."""
        self._request(
            "initialize",
            {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "callmux-demo", "version": "1.0.0"},
            },
            seconds=START_SECONDS,
        )
        self._write({"jsonrpc": "2.0", "method": "notifications/initialized"})
        tools: list[dict[str, Any]] = self._request("tools/list", {}, seconds=START_SECONDS)["tools"]
        return tools

    def call(
        self, tool: str, arguments: dict[str, Any], part: str | None = None, way: str | None = None
    ) -> Any:
        """Calls a tool and returns its text, read as JSON.

        Raises:
            DemoFailed: It failed, took too long, or answered something else.
        """
        result = self._request("tools/call", {"name": tool, "arguments": arguments}, part=part, way=way)
        text = context_text(result)
        if result.get("isError"):
            raise DemoFailed(f"{tool} failed: {text}")
        try:
            return json.loads(text)
        except ValueError:
            raise DemoFailed(f"{tool} answered something that is not JSON: {text[:200]}") from None

    def _request(
        self,
        method: str,
        params: dict[str, Any],
        *,
        part: str | None = None,
        way: str | None = None,
        seconds: float | None = None,
    ) -> dict[str, Any]:
        self._requests += 1
        tool = params["name"] if method == "tools/call" else None
        about: dict[str, Any] = {"method": method, "tool": tool, "part": part, "way": way}
        asked = 0 if tool is None else len(tool) + len(_dump(params["arguments"]))
        line = {"jsonrpc": "2.0", "id": self._requests, "method": method, "params": params}
        began = self._now()
        size = self._write(line)
        self.trace.append(Message(kind="sent", ms=began, bytes=size, context_bytes=asked, **about))
        answer, size, ended = self._await(self._requests, tool or method, seconds or self._call_seconds)
        result = answer.get("result")
        if not isinstance(result, dict):
            raise DemoFailed(f"{tool or method} was refused: {json.dumps(answer.get('error'))}")
        given = own = 0
        if tool is not None:
            given = len(context_text(result).encode("utf-8", "replace"))
        elif method == "tools/list":
            sizes = [(definition["name"], len(_dump(definition))) for definition in result["tools"]]
            given = sum(size for _, size in sizes)
            own = sum(size for name, size in sizes if name.startswith("callmux_"))
        self.trace.append(
            Message(kind="received", ms=ended, bytes=size, context_bytes=given, own_bytes=own, **about)
        )
        return result

    def _await(self, key: int, what: str, seconds: float) -> tuple[dict[str, Any], int, float]:
        deadline = time.monotonic() + seconds
        while True:
            try:
                line = self._answers.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise self.failure(f"{what}: no answer within {seconds:g} s") from None
            now = self._now()
            if line is None:
                raise self._ended(f"{what}: callmux ended")
            try:
                message = json.loads(line)
            except ValueError:
                raise self.failure(f"{what}: callmux wrote a line that is not JSON") from None
            if message.get("id") == key and "method" not in message:
                return message, len(line), now
            if "id" in message and "method" in message:
                self._write({"jsonrpc": "2.0", "id": message["id"], "result": {}})

    def _write(self, message: dict[str, Any]) -> int:
        # One request at a time, each far below a pipe's 64 KiB: this cannot block for long.
        assert self._process.stdin is not None
        line = _dump(message) + b"\n"
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except OSError:
            raise self._ended("callmux ended") from None
        return len(line)

    def _now(self) -> float:
        return round((time.perf_counter() - self._began) * 1000, 3)

    def _ended(self, message: str) -> DemoFailed:
        """`failure`, once all is read that it has written: its last words say why."""
        self._readers[1].join(LAST_WORDS_SECONDS)
        return self.failure(message)

    def failure(self, message: str) -> DemoFailed:
        """An error with what callmux wrote to standard error."""
        said = "\n".join(f"  {line}" for line in self._complaints)
        return DemoFailed(f"{message}; it wrote:\n{said}" if said else message)


def _dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def context_text(result: dict[str, Any]) -> str:
    """The text of a tool result, as the model reads it; `structuredContent` repeats it and is not counted."""
    return "\n".join(item.get("text", "") for item in result.get("content", ()) if item.get("type") == "text")
