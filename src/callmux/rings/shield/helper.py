"""Our end of the helper process: starts it when it is first needed, gives it jobs, ends it.

Called by `callmux.rings.shield.shelf`; the other end is `callmux.rings.shield.worker`. Large results go over
in pieces, so that other calls get their turns in between.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from typing import Any

import msgspec

from callmux.rings.shield.worker import Answer, Job

log = logging.getLogger(__name__)

PIECE = 256 * 1024
"""Bytes that are written between two turns of the loop."""
LAST_WORDS_SECONDS = 2.0

_ANSWER = msgspec.json.Decoder(Answer)
_encode = msgspec.json.Encoder().encode


class HelperLost(Exception):
    """The helper process cannot be started, or ended in the middle of a job. What it kept is gone."""


class Helper:
    """The helper process, one job after the other.

    Args:
        command: The command to start it.
    """

    def __init__(self, command: list[str] | None = None) -> None:
        self._command = command or [sys.executable, "-m", "callmux.rings.shield.worker"]
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return None if self._process is None else self._process.pid

    async def do(self, job: Job, body: bytes = b"") -> tuple[Answer, bytes]:
        """Has a job done. Must not be cancelled half-way: run it in a task of its own.

        Raises:
            HelperLost: It was not done.
        """
        async with self._turn:
            try:
                process = await self._running()
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(_encode(job) + b"\n")
                view = memoryview(body)
                for start in range(0, len(body), PIECE):
                    process.stdin.write(view[start : start + PIECE])
                    await process.stdin.drain()
                    await asyncio.sleep(0)
                await process.stdin.drain()
                answer = _ANSWER.decode(await process.stdout.readuntil(b"\n"))
                return answer, await process.stdout.readexactly(answer.size)
            except (OSError, EOFError, msgspec.MsgspecError) as error:
                if not self._closed:
                    log.warning("the helper process for large results is lost: %r", error)
                await self._end()
                raise HelperLost(str(error)) from error

    async def close(self) -> None:
        """Ends the process."""
        self._closed = True
        await self._end()

    async def _running(self) -> asyncio.subprocess.Process:
        if self._closed:
            raise BrokenPipeError("closed")
        if self._process is None:
            options: dict[str, Any] = {"start_new_session": True} if os.name == "posix" else {}
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, **options
            )
        return self._process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
