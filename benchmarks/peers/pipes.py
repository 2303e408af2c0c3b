"""A raw client of a process on its pipes. Blocking; everything due is sent in one write."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import orjson

from peers.client import ANSWER_SECONDS, GREETING, READY, Client, Failed, Flood, Params, Wrap, checked

STOP_SECONDS = 5.0


class Pipes(Client):
    """A process and its only client.

    Args:
        command: What to start.
        env: The variables of the process.
        place: Its directory.
        noise: Where its standard error goes.
        wrap: See `Client`.

    Attributes:
        process: What was started.
        began: When it was.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        place: Path,
        noise: BinaryIO,
        wrap: Wrap | None = None,
    ) -> None:
        super().__init__(wrap)
        self._rest: list[bytes] = []
        self.began = time.perf_counter()
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, env=dict(env), cwd=place, stdin=pipe, stdout=pipe, stderr=noise, bufsize=0
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._to, self._from = self.process.stdin.fileno(), self.process.stdout.fileno()
        self._poll = select.poll()
        self._poll.register(self._from, select.POLLIN)

    def greet(self) -> None:
        self.request("initialize", GREETING)
        self._write(orjson.dumps(READY) + b"\n")

    def request(self, method: str, params: Params) -> Params:
        self._sent += 1
        message = {"jsonrpc": "2.0", "id": self._sent, "method": method, "params": params}
        self._write(orjson.dumps(message) + b"\n")
        end = time.perf_counter() + ANSWER_SECONDS
        while time.perf_counter() < end:
            for line in self._answers():
                answer = orjson.loads(line)
                if answer.get("id") != self._sent:
                    continue
                if "result" not in answer:
                    raise Failed(f"{method}: {answer.get('error')}"[:300])
                result: Params = answer["result"]
                return result
        raise Failed(f"{method}: no answer within {ANSWER_SECONDS:.0f} s")

    def lone(self, count: int, seconds: float, size: int = 0) -> list[float]:
        took: list[float] = []
        end = time.perf_counter() + seconds
        for n in range(count):
            line = self.bytes(n, size) + b"\n"
            began = time.perf_counter()
            self._write(line)
            answers = self._answers()
            now = time.perf_counter()
            took.append(now - began)
            for answer in answers:
                checked(answer, size)
            if now > end:
                break
        return took

    def flood(self, count: int, seconds: float, width: int) -> Flood:
        sent = min(width, count)
        got = 0
        began = time.perf_counter()
        end = began + seconds
        self._write(b"".join(self.bytes(n) + b"\n" for n in range(sent)))
        while got < sent:
            answers = self._answers()
            for answer in answers:
                checked(answer)
            got += len(answers)
            if time.perf_counter() < end and (due := min(len(answers), count - sent)):
                self._write(b"".join(self.bytes(sent + n) + b"\n" for n in range(due)))
                sent += due
        return Flood(got, time.perf_counter() - began)

    def _write(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._to, data) :]
        except BrokenPipeError:
            raise Failed(self._ended()) from None

    def _answers(self) -> list[bytes]:
        """At least one line that answers a request; what a server tells or asks on its own is left out."""
        while True:
            found = [line for line in self._lines() if line and not _asks(line)]
            if found:
                return found

    def _lines(self) -> list[bytes]:
        if not self._poll.poll(ANSWER_SECONDS * 1000):
            raise Failed(f"no answer within {ANSWER_SECONDS:.0f} s")
        data = os.read(self._from, 1 << 20)
        if not data:
            raise Failed(self._ended())
        *lines, last = data.split(b"\n")
        if lines and self._rest:
            lines[0] = b"".join([*self._rest, lines[0]])
            self._rest.clear()
        if last:
            self._rest.append(last)
        return lines

    def _ended(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECONDS)
        return f"it ended with code {self.process.returncode}"

    def close(self) -> None:
        stop(self.process)


def _asks(line: bytes) -> bool:
    """A request or a notification of the other side, by the start of the line."""
    return b'"method":' in line[:200]


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a process, gently at first."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    for end in (None, process.terminate, process.kill):
        if end is not None:
            end()
        with contextlib.suppress(subprocess.TimeoutExpired):
            # Whoever waits for the end of its input needs little; a listener has no input.
            process.wait(STOP_SECONDS if end or process.stdin else 0)
            return
