"""The only place that starts a task. Every task has an owner that ends it.

A `TaskSet` belongs to one object (a session, a server, a runtime). Exceptions that reach a task's root are
a defect: they are logged with the owner's name and never lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from types import CoroutineType
from typing import Any, Protocol, TypeAlias, TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)

Step: TypeAlias = Callable[[], Awaitable[object]]


class TaskSet:
    """The tasks of one owner.

    Args:
        owner: A name for log lines, such as `server "github"`.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner
        # Kept: on Python 3.11 asking for the running loop is a system call, and every request starts a task.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Starts `work` and keeps it until it is done."""
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        task = loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s: a task failed: %r", self._owner, error, exc_info=error)

    async def cancel(self, seconds: float = 2.0) -> None:
        """Cancels all tasks but the caller's and waits for them, at most `seconds`."""
        mine = asyncio.current_task()
        try:
            if any(_is_new(task) for task in self._tasks):
                # What has not begun would never run, and whatever it is to end would stay.
                await asyncio.sleep(0)
        finally:
            waiting = [task for task in self._tasks if task is not mine]
            for task in waiting:
                task.cancel()
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=seconds)
            if late:
                log.warning("%s: %d tasks did not end in %.1f s", self._owner, len(late), seconds)

    async def finished(self, seconds: float) -> None:
        """Waits until all tasks are done, at most `seconds`; they go on then."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds)
            if late:
                log.warning("%s: %d tasks did not end in %.1f s", self._owner, len(late), seconds)


def _is_new(task: asyncio.Task[Any]) -> bool:
    """Whether nothing of a task has run yet."""
    work = task.get_coro()
    if not isinstance(work, CoroutineType) or work.cr_frame is None:
        return False
    return not (work.cr_running or work.cr_suspended)


async def to_the_end(step: Step, *further: Step) -> None:
    """Takes the steps by which something ends, each also where one before it has failed or was cancelled:
    what it ends would stay else."""
    try:
        await step()
    finally:
        if further:
            await to_the_end(*further)


async def together(*works: Coroutine[Any, Any, object]) -> None:
    """Does several things at the same time. Each of them begins, also where the caller is cancelled before:
    it is cancelled then as the caller is, and waited for."""
    doing = [at_once(work) for work in works]
    if not doing:
        return
    try:
        await asyncio.wait(doing)
    except asyncio.CancelledError:
        for task in doing:
            task.cancel()
        await asyncio.wait(doing)
        raise
    for task in doing:
        task.result()


class Withdrawal:
    """Why a task is cancelled, in the words of whoever asked for it: handed to `Task.cancel`.

    Attributes:
        reason: Its reason; None where it gave none.
    """

    __slots__ = ("reason",)

    def __init__(self, reason: str | None) -> None:
        self.reason = reason


def reason_of(error: asyncio.CancelledError, otherwise: str) -> str | None:
    """The reason that came with a cancellation.

    Args:
        otherwise: The reason where nobody asked for it, such as when an owner ends its tasks.
    """
    given = error.args[0] if error.args else None
    return given.reason if isinstance(given, Withdrawal) else otherwise


def at_once(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Starts `work` for a caller that awaits the task itself and cancels it when it is cancelled."""
    return asyncio.get_running_loop().create_task(work)


async def unbroken(work: Coroutine[Any, Any, T], undo: Callable[[T], Awaitable[object]]) -> T:
    """What `work` gives, which is never broken off: nobody would end what it was in the middle of, such as a
    process whose pipes are being opened. It must be short.

    Args:
        undo: Takes back what `work` gives where the caller is cancelled meanwhile.
    """
    task: asyncio.Task[T] = at_once(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            # Whoever is in a hurry cancels twice.
            with suppress(asyncio.CancelledError):
                await asyncio.wait({task})
        if not task.cancelled() and task.exception() is None:
            await undo(task.result())
        raise


class Awaited(Protocol):
    """Something that happens at some time: an `asyncio.Event`, a `callmux.lull.Lull`."""

    def wait(self) -> Coroutine[Any, Any, object]:
        """Waits until it has happened."""


async def first_of(*events: Awaited, seconds: float | None = None) -> None:
    """Waits until one of `events` has happened, or `seconds` have passed."""
    waits = [at_once(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
