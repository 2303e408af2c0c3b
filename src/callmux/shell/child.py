"""One short MCP session with a callmux that is started for it and ends with it: no listener is needed.

Called by `callmux.cli.conversing`. The child is callmux in run mode, so that tools, names and results are
those of an agent's session.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from callmux.shell import message
from callmux.shell.failure import ShellFailed

FAREWELL_SECONDS = 5.0
"""How long the child may take to end its servers before it is ended itself."""
PART = 64 * 1024
SHOWN_LINES = 10
"""Lines of its log that are shown where the child ends before it answers."""


class ChildConversation:
    """A session, for use in a `with` block: begun when the first question is asked, ended in any case.

    Args:
        args: What follows `callmux` on the child's command line.
        directory: The working directory of the child.
        seconds: How long all of it may take; None for no bound.
        verbose: Whether the child's log goes to stderr as it comes.
        answer: Gives the answer to a request of the server's; None where nobody sits at a terminal.
    """

    def __init__(
        self,
        args: Sequence[str],
        directory: str,
        seconds: float | None = None,
        verbose: bool = False,
        answer: Callable[[dict[str, Any]], bytes] | None = None,
    ) -> None:
        self._answer = answer
        self._end = None if seconds is None else time.monotonic() + seconds
        self._seconds = seconds
        self._log = None if verbose else tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "callmux", *args],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                cwd=directory,
            )
        except OSError as error:
            if self._log is not None:
                self._log.close()
            raise ShellFailed(f'cannot start callmux in "{directory}": {error.strerror or error}') from None
        self._rest = b""
        self._last_id = 0
        self._begun = False

    def __enter__(self) -> ChildConversation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, method: str, params: str) -> dict[str, Any]:
        """The result of a request; `params` is JSON text.

        Raises:
            ShellFailed: There was none.
        """
        if not self._begun:
            self._begun = True
            self._request("initialize", message.initialize(asks=self._answer is not None))
            self._write(message.INITIALIZED, "notifications/initialized")
        return self._request(method, params)

    def close(self) -> None:
        """Ends the session and the child with its servers; never raises."""
        child = self._child
        try:
            if child.stdin is not None:
                child.stdin.close()
        except OSError:
            # It has ended, which is what was wanted.
            pass
        try:
            child.wait(FAREWELL_SECONDS)
        except subprocess.TimeoutExpired:
            child.terminate()
            try:
                child.wait(FAREWELL_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        if child.stdout is not None:
            child.stdout.close()
        if self._log is not None:
            self._log.close()

    def _request(self, method: str, params: str) -> dict[str, Any]:
        self._last_id += 1
        self._write(message.request(self._last_id, method, params), method)
        while True:
            line = self._line(method)
            try:
                found = message.parse(line)
            except ValueError:
                raise ShellFailed(f"the answer to {method} is not valid JSON") from None
            if message.answers(found, self._last_id):
                return message.result_of(found, method)
            if message.is_question(found):
                began = time.monotonic()
                # Nothing was declared that a server could ask for, but a ping is always allowed.
                self._write((self._answer or message.refusal_of)(found), method)
                if self._end is not None:
                    self._end += time.monotonic() - began

    def _write(self, line: bytes, method: str) -> None:
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(line + b"\n")
            self._child.stdin.flush()
        except OSError:
            raise self._ended(method) from None

    def _line(self, method: str) -> bytes:
        assert self._child.stdout is not None
        parts = [self._rest]
        while b"\n" not in parts[-1]:
            left = None if self._end is None else max(0.0, self._end - time.monotonic())
            if not select.select([self._child.stdout], [], [], left)[0]:
                bound = f"{(self._seconds or 0) * 1000:.0f} ms (--call-timeout)"
                raise ShellFailed(f"no answer to {method} within {bound}: its outcome is unknown")
            part = os.read(self._child.stdout.fileno(), PART)
            if not part:
                raise self._ended(method)
            parts.append(part)
        line, _, self._rest = b"".join(parts).partition(b"\n")
        return line

    def _ended(self, method: str) -> ShellFailed:
        """The error for a child that is gone, with the end of what it said."""
        self._reap()
        said = ""
        if self._log is not None:
            self._log.seek(0)
            lines = self._log.read().decode("utf-8", "replace").strip().splitlines()[-SHOWN_LINES:]
            said = "".join(f"\n  {line}" for line in lines)
        unknown = ": whether the tool ran is unknown" if method == "tools/call" else ""
        return ShellFailed(f"callmux ended before it answered {method}{unknown}{said}")

    def _reap(self) -> None:
        """Waits for a child whose output has ended, so that its log is whole."""
        try:
            self._child.wait(FAREWELL_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
