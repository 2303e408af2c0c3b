"""A process that outlives us by a moment and ends our children when we die, however we die.

One `/bin/sh` in a session of its own reads from a pipe which process groups are ours. When the pipe closes,
because we ended or were killed, it ends every group still on its list: parent-death signals would leave the
grandchildren of `npx` behind. Called by `callmux.upstream.links.child`, owned by the runtime's process state.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import subprocess
import sys

_SCRIPT = r"""
trap '' INT TERM HUP QUIT PIPE
groups=' '
while read -r what group; do
  case "$what" in
    +) case "$groups" in *" $group "*) ;; *) groups="$groups$group " ;; esac ;;
    -) case "$groups" in *" $group "*) groups="${groups%% "$group" *} ${groups#* "$group" }" ;; esac ;;
  esac
done
[ "$groups" = ' ' ] && exit 0
for group in $groups; do kill -TERM "-$group" 2>/dev/null; kill -CONT "-$group" 2>/dev/null; done
sleep 0.3
for group in $groups; do kill -KILL "-$group" 2>/dev/null; done
"""


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
            with contextlib.suppress(OSError):
                os.write(self._pipe, b"+ %d\n" % os.getpid())


class Guardian:
    """Keeps the list of our children's process groups where it survives us.

    The helper process starts with the first child, and not at all where there is no `/bin/sh`.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._groups: set[int] = set()

    def __repr__(self) -> str:
        return f"Guardian(pid={self._process.pid if self._process else None})"

    @property
    def pid(self) -> int | None:
        """The helper's process id; None before the first child."""
        return self._process.pid if self._process else None

    def enrolment(self) -> Enrolment:
        """For the next child, once."""
        if self._process is not None and self._process.poll() is not None:
            self._drop()
        if self._process is None:
            self._start()
        pipe = self._process.stdin if self._process is not None else None
        return Enrolment(pipe.fileno() if pipe is not None else None)

    def watch(self, group: int) -> None:
        """Adds a process group, where it did not do so itself."""
        self._groups.add(group)
        if not self._tell(b"+ %d\n" % group):
            self._start()

    def _start(self) -> None:
        if sys.platform != "win32" and os.path.exists("/bin/sh"):
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _SCRIPT],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
                env={"PATH": "/usr/bin:/bin"},
            )
            # Whatever an earlier helper watched is on the list of this one.
            self._tell(b"".join(b"+ %d\n" % each for each in sorted(self._groups)))

    def release(self, group: int) -> None:
        """Removes a process group that has ended."""
        self._groups.discard(group)
        self._tell(b"- %d\n" % group)

    def _tell(self, lines: bytes) -> bool:
        """Writes to the helper; gives whether it could: there may be none, or somebody has killed it."""
        if self._process is None or self._process.stdin is None:
            return False
        try:
            os.write(self._process.stdin.fileno(), lines)
        except OSError:
            self._drop()
            return False
        return True

    def _drop(self) -> None:
        """Forgets a helper that somebody killed."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait()
        self._process = None

    def close(self) -> None:
        """Ends the helper, which ends whatever is still on its list."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            try:
                self._process.wait(2)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(2)
            self._process = None
        self._groups.clear()
