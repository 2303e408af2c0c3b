"""A process that outlives us by a moment and ends our children when we die, however we die.

One `/bin/sh` in a session of its own reads from a pipe which process groups are ours, and which marks. When
the pipe closes, because we ended or were killed, it has `callmux.upstream.leftovers` end all that is still on
its list: parent-death signals would leave the grandchildren of `npx` behind. Where that cannot be run any
more, it ends the groups itself. Called by `callmux.upstream.links.child`, owned by the runtime's process
state; what is to outlive it, too, is noted in `callmux.upstream.belongings`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import mmap
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from callmux.tasks import TaskSet, at_once
from callmux.upstream.belongings import Belongings

if TYPE_CHECKING:
    from callmux.upstream.leftovers import Container, Marked

log = logging.getLogger(__name__)

_SCRIPT = r"""
trap '' INT TERM HUP QUIT PIPE
list=' '
while read -r what word; do
  case "$what" in
    +) case "$list" in *" $word "*) ;; *) list="$list$word " ;; esac ;;
    -) case "$list" in *" $word "*) list="${list%% "$word" *} ${list#* "$word" }" ;; esac ;;
  esac
done
[ "$list" = ' ' ] && exit 0
groups=
for word in $list; do case "$word" in *[!0-9]*) ;; *) groups="$groups $word" ;; esac; done
"$1" -I -S "$2" "$3" "$4" $groups && exit 0
for group in $groups; do kill -TERM "-$group" 2>/dev/null; kill -CONT "-$group" 2>/dev/null; done
sleep 1
for group in $groups; do kill -KILL "-$group" 2>/dev/null; done
"""
"""Written for any POSIX shell, in some of which `sleep` takes whole seconds only."""
_LEFTOVERS = str(Path(__file__).with_name("leftovers.py"))
"""Imported here once a child has ended, and run by the helper."""
RENEWAL_SECONDS = 1.0
"""A helper that has lived for less than that is not replaced at once."""
CLOSING_SECONDS = 5.0
"""How long it may take to end what is still on its list."""
STOP_SECONDS = 30.0
"""How long it may take to stop a container: longer than its three commands may."""


class Belonging:
    """What one child is known by, until nothing of it is left.

    Attributes:
        mark: What it carries in its environment.
        container: The container that it runs, if it runs one.
    """

    def __init__(self, mark: str, container: Container | None) -> None:
        self.mark = mark
        self.container = container

    def __repr__(self) -> str:
        return f"Belonging({self.mark})"


class Enrolment:
    """What a new child runs before its program, to put itself on the list before it can do anything else.

    Attributes:
        group: The child's process group; 0 while it has not run.
    """

    def __init__(self, pipe: int | None) -> None:
        self._pipe = pipe
        # Shared with the child: where its program cannot be run, nobody else tells its process id.
        self._note = mmap.mmap(-1, 8)

    @property
    def group(self) -> int:
        return int.from_bytes(self._note[:8], "little")

    def __call__(self) -> None:
        if self._pipe is not None:
            self._note[:8] = os.getpid().to_bytes(8, "little")
            # A helper that was just killed is no reason for the child to die.
            signal.signal(signal.SIGPIPE, signal.SIG_IGN)
            with contextlib.suppress(OSError):
                os.write(self._pipe, b"+ %d\n" % os.getpid())
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)


class Guardian:
    """Keeps the list of our children's process groups and marks where it survives us.

    The helper process starts with the first child, and not at all where there is no `/bin/sh`. One that is
    killed is replaced, with its list.

    Args:
        folder: Where a record of what runs is kept; None keeps none.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._began = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._list: set[str] = set()
        self._belongings = Belongings(folder)
        self._tasks = TaskSet("guardian")
        self._looking: asyncio.Task[list[Marked]] | None = None
        self._next: asyncio.Task[list[Marked]] | None = None

    def __repr__(self) -> str:
        return f"Guardian(pid={self._process.pid if self._process else None})"

    @property
    def pid(self) -> int | None:
        """The helper's process id; None before the first child."""
        return self._process.pid if self._process else None

    @property
    def instance(self) -> str:
        """The random name of this callmux."""
        return self._belongings.instance

    def mark(self) -> str:
        """A mark that no other process has."""
        return self._belongings.mark()

    def enrolment(self) -> Enrolment:
        """For the next child, once."""
        if self._process is not None and self._process.poll() is not None:
            self._drop()
        if self._process is None:
            self._start()
        pipe = self._process.stdin if self._process is not None else None
        return Enrolment(pipe.fileno() if pipe is not None else None)

    def expect(self, mark: str, container: Container | None = None) -> Belonging:
        """A child with this mark is about to be started; `clear_soon` must follow."""
        self._add(mark)
        if container is not None:
            self._belongings.note(container)
        return Belonging(mark, container)

    def watch(self, group: int) -> None:
        """Adds a process group, where it did not do so itself."""
        self._add(str(group))

    def _add(self, word: str) -> None:
        self._list.add(word)
        if not self._tell(f"+ {word}\n"):
            self._start()

    def _start(self) -> None:
        if sys.platform == "win32" or not os.path.exists("/bin/sh"):
            return
        self._belongings.begin()
        record = self._belongings.record
        words = [sys.executable or "python3", _LEFTOVERS, self._belongings.instance, record or ""]
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _SCRIPT, "sh", *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            env={"PATH": "/usr/bin:/bin"},
        )
        # Whatever an earlier helper watched is on the list of this one.
        if not self._tell("".join(f"+ {word}\n" for word in sorted(self._list))):
            # It was killed at once: the next child gets another one.
            return
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            # Without a loop, its end is noticed with the next child.
            return
        self._began = self._loop.time()
        assert self._process.stdout is not None
        self._loop.add_reader(self._process.stdout.fileno(), self._ended)

    def _ended(self) -> None:
        """The helper is gone: it says nothing as long as it lives."""
        loop = asyncio.get_running_loop()
        young = loop.time() - self._began < RENEWAL_SECONDS
        self._drop()
        if self._list:
            log.warning("the guardian of our servers' processes was ended; another one takes its place")
            loop.call_later(RENEWAL_SECONDS if young else 0, self._renew)

    def _renew(self) -> None:
        if self._process is None and self._list:
            self._start()

    def release(self, group: int) -> None:
        """Removes a process group that has ended."""
        self._remove(str(group))

    def _remove(self, word: str) -> None:
        self._list.discard(word)
        self._tell(f"- {word}\n")

    async def stop(self, belonging: Belonging) -> None:
        """Stops the container of a child, which ends the child; it is gone on with where the caller is
        cancelled."""
        if belonging.container is not None:
            await asyncio.shield(self._tasks.spawn(self._stop(belonging, belonging.container)))

    async def _stop(self, belonging: Belonging, container: Container) -> None:
        if not await _stopped(container):
            self.stopped(belonging)

    def stopped(self, belonging: Belonging) -> None:
        """The container of a child has ended."""
        if belonging.container is not None:
            self._belongings.strike(belonging.container)
            belonging.container = None

    def clear_soon(
        self, belonging: Belonging, ended: Callable[[], Awaitable[object]] | None = None
    ) -> asyncio.Task[None]:
        """Ends what a child has left that has ended itself: processes with its mark, and its container.

        Args:
            ended: Waits for the end of the child, not for long; absent where it has ended.
        """
        return self._tasks.spawn(self._clear(belonging, ended))

    async def _clear(self, belonging: Belonging, ended: Callable[[], Awaitable[object]] | None) -> None:
        if ended is not None:
            await ended()
        from callmux.upstream import leftovers

        mark, instance = belonging.mark, self._belongings.instance

        def look() -> list[Marked]:
            return [each for each in leftovers.find(instance) if each.mark == mark]

        left: list[Marked] = []
        if any(each.mark == mark for each in await self._found()):
            left = await asyncio.to_thread(leftovers.end, look)
        if left:
            pids = ", ".join(str(each.pid) for each in left)
            log.warning("could not end processes that a server has left: %s", pids)
        if (container := belonging.container) is not None:
            problem = await _stopped(container)
            if problem and problem != leftovers.ABSENT:
                log.warning("could not stop the container %s: %s", container.name, problem)
                return
            self.stopped(belonging)
        if not left:
            self._remove(mark)

    async def _found(self) -> list[Marked]:
        """All processes with marks of ours, by a look that begins from now on: who comes meanwhile shares
        the next one."""
        if self._next is None:
            self._next = self._tasks.spawn(self._look(self._looking))
        return await asyncio.shield(self._next)

    async def _look(self, before: asyncio.Task[list[Marked]] | None) -> list[Marked]:
        if before is not None:
            await asyncio.wait({before})
        self._looking, self._next = self._next, None
        from callmux.upstream import leftovers

        return await asyncio.to_thread(leftovers.find, self._belongings.instance)

    def _tell(self, lines: str) -> bool:
        """Writes to the helper; gives whether it could: there may be none, or somebody has killed it."""
        if self._process is None or self._process.stdin is None:
            return False
        try:
            os.write(self._process.stdin.fileno(), lines.encode())
        except OSError:
            self._drop()
            return False
        return True

    def _drop(self) -> None:
        """Forgets a helper that somebody killed."""
        if (process := self._process) is not None:
            self._let_go(process)
            process.wait()
        self._process = None

    def _let_go(self, process: subprocess.Popen[bytes]) -> None:
        """Closes our ends of its pipes."""
        assert process.stdin is not None
        assert process.stdout is not None
        self._look_away(process)
        process.stdin.close()
        process.stdout.close()

    def _look_away(self, process: subprocess.Popen[bytes]) -> None:
        if self._loop is not None and process.stdout is not None:
            self._loop.remove_reader(process.stdout.fileno())
            self._loop = None

    async def end(self) -> None:
        """`close`, once nothing is left of children that have ended, without holding up the loop; at once
        where the caller is cancelled."""
        try:
            await self._tasks.finished(CLOSING_SECONDS)
        finally:
            if self._process is None:
                self.close()
            else:
                self._look_away(self._process)
                # A thread that has not begun yet would never begin, were it cancelled.
                await asyncio.shield(at_once(asyncio.to_thread(self.close)))

    def close(self) -> None:
        """Ends the helper, which ends whatever is still on its list."""
        if (process := self._process) is not None:
            self._process = None
            self._let_go(process)
            try:
                process.wait(CLOSING_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(CLOSING_SECONDS)
        self._belongings.close(left=bool(self._list))
        self._list.clear()


async def _stopped(container: Container) -> str:
    """Stops a container as `callmux.upstream.leftovers.stop` does; engines that hang take no thread from
    others, such as those who look up an address."""
    from callmux.aside import aside
    from callmux.upstream import leftovers

    try:
        return await aside(partial(leftovers.stop, container), STOP_SECONDS)
    except TimeoutError:
        return f"its engine does not answer in {STOP_SECONDS:g} s"
