"""Our end of the helper process: starts it when it is first needed, gives it jobs, ends it.

Called by `callmux.rings.shield.shelf`; the other end is `callmux.rings.shield.worker`. Large results go over
in pieces, so that other calls get their turns in between. One that dies is started anew, with the next job or
in the middle of one; what is kept is not in it (`.spool`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from callmux.rings.shield.spool import Spool
from callmux.rings.shield.worker import WorkerAnswer, WorkerJob
from callmux.tasks import unbroken

log = logging.getLogger(__name__)

PIECE = 256 * 1024
"""Bytes that are written between two turns of the loop."""
LAST_WORDS_SECONDS = 2.0
JOB_SECONDS = 60.0
"""How long a job may take: the others wait for it."""

_ANSWER = msgspec.json.Decoder(WorkerAnswer)
_encode = msgspec.json.Encoder().encode


class HelperLost(Exception):
    """The helper process cannot be started, or ended twice over one job."""


class Helper:
    """The helper process, one job after the other.

    Args:
        command: The command to start it; the descriptor of the spool is added.

    Attributes:
        spool: What keeps the results.
    """

    def __init__(self, command: list[str] | None = None) -> None:
        self._command = command or [sys.executable, "-m", "callmux.rings.shield.worker"]
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._closed = False
        self.spool = Spool()

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return None if self._process is None else self._process.pid

    async def do(self, job: WorkerJob, body: bytes = b"") -> tuple[WorkerAnswer, bytes]:
        """Has a job done. Run it in a task of its own: where it is cancelled half-way, the process is ended.

        Raises:
            HelperLost: It was not done.
        """
        async with self._turn:
            for last in (False, True):
                try:
                    async with asyncio.timeout(JOB_SECONDS):
                        return await self._attempt(job, body)
                except asyncio.CancelledError:
                    # The next job would read the rest of this answer, which may be another client's.
                    await self._lost("a job was given up")
                    raise
                except TimeoutError as late:
                    await self._lost(f"a job took longer than {JOB_SECONDS:g} s")
                    raise HelperLost("it took too long") from late
                except (OSError, EOFError, asyncio.LimitOverrunError, msgspec.MsgspecError) as error:
                    await self._lost(repr(error))
                    # It may have died long ago, or of something else: the job itself is tried once more.
                    if last or self._closed:
                        raise HelperLost(str(error)) from error
            raise AssertionError("never reached")

    async def _attempt(self, job: WorkerJob, body: bytes) -> tuple[WorkerAnswer, bytes]:
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

    async def _lost(self, why: str) -> None:
        if not self._closed:
            log.warning("the helper process for large results is lost and started anew: %s", why)
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        await self._end()

    async def close(self) -> None:
        """Ends the process."""
        self._closed = True
        try:
            await self._end()
        finally:
            self.spool.close()

    async def _running(self) -> asyncio.subprocess.Process:
        if self._closed:
            raise BrokenPipeError("closed")
        if self._process is None:
            spool = self.spool.descriptor
            options: dict[str, Any] = {}
            if os.name == "posix":
                options = {"start_new_session": True, "pass_fds": (spool,)}
            starting = asyncio.create_subprocess_exec(
                *self._command,
                str(spool),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                **options,
            )
            self._process = await unbroken(starting, _given_up)
        return self._process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        # It has ended only when its output is read: by the job under way, or here.
        over: Callable[[], Coroutine[Any, Any, object]] = (
            process.wait if self._closed else process.communicate
        )
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORDS_SECONDS):
                    await over()
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await over()


async def _given_up(process: asyncio.subprocess.Process) -> None:
    """Ends a process that has only just started."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    if process.stdin is not None:
        process.stdin.close()
    await process.communicate()
