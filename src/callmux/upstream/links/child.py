"""A server as a child process that speaks JSON-RPC lines on its stdin and stdout.

Made by `callmux.upstream.links.opening`, used through `callmux.upstream.links.link`. The child leads a
process group of its own, so that ending it ends what it started; what leaves the group is found by a mark in
its environment. `callmux.upstream.guardian` knows both in case we are killed. Its stderr is passed on line by
line with the server's name, and its last lines are kept to explain a failed start.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, cast

import msgspec

from callmux.batch_writer import BatchWriter
from callmux.config.veil import NOTHING, Veil
from callmux.tasks import unbroken
from callmux.upstream.belongings import MARK
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.guardian import Belonging, Enrolment, Guardian
from callmux.upstream.links.child_output import ChildOutput
from callmux.upstream.links.engines import may_run_containers
from callmux.upstream.links.link import Listener
from callmux.upstream.links.program import find_program, missing_program
from callmux.upstream.process_bound import ProcessBound

if TYPE_CHECKING:
    from callmux.upstream.leftovers import Container
    from callmux.upstream.links.container import ContainerRun

EOF_SECONDS = 0.5
"""How long a child may take to end by itself once its stdin is closed (MCP: basic/lifecycle, "Shutdown")."""
TERM_SECONDS = 0.5


class Launch(msgspec.Struct, frozen=True):
    """What to start.

    Attributes:
        command: A program, looked up on the PATH of `env`.
        args: Its arguments.
        env: Its whole environment.
        cwd: Its directory; None means ours.
        veil: Hides its secrets if it prints them; its stderr is looked at line by line.
        leaves: Whether processes of it that are in sessions of their own may outlive it.
    """

    command: str
    args: Sequence[str]
    env: Mapping[str, str]
    cwd: str | None = None
    veil: Veil = NOTHING
    leaves: bool = False


class ChildLink(BatchWriter):
    """One child process.

    Args:
        name: The server's name, for its stderr lines.
        launch: What to start.
        guardian: Where its process group is noted.
        show: Takes each line the child writes to stderr, without its end.
        bound: Counts it among all processes of servers.
    """

    transport = "stdio"

    def __init__(
        self,
        name: str,
        launch: Launch,
        guardian: Guardian,
        show: Callable[[str], None],
        bound: ProcessBound | None = None,
    ) -> None:
        super().__init__(self._write)
        self._name = name
        self._launch = launch
        self._guardian = guardian
        self._show = show
        self._protocol: ChildOutput | None = None
        self._transport: asyncio.SubprocessTransport | None = None
        self._stdin: asyncio.WriteTransport | None = None
        self._group: int | None = None
        self._belonging: Belonging | None = None
        self._bound = bound or ProcessBound()

    def __repr__(self) -> str:
        return f"ChildLink({self._name!r}, pid={self.pid})"

    @property
    def pid(self) -> int | None:
        return self._transport.get_pid() if self._transport else None

    async def open(self, listener: Listener) -> None:
        """Starts the process, unless it runs already.

        Raises:
            CallFailure: The program or its directory is not there, or may not be run.
        """
        if self._protocol is None:
            await self.start()
        assert self._protocol is not None
        self._protocol.hear(listener)

    async def start(self) -> None:
        """Starts the process; what it says is kept until somebody listens.

        Raises:
            CallFailure: The program or its directory is not there, or may not be run.
        """
        launch = self._launch
        if launch.cwd is not None and not os.path.isdir(launch.cwd):  # noqa: ASYNC240 - one stat
            raise _unstartable(f'its directory "{launch.cwd}" is not there')
        path = find_program(launch.command, launch.env, launch.cwd)
        if path is None:
            raise _unstartable(f"its {missing_program(launch.command, launch.env, launch.cwd)}")
        if any("\0" in text for text in (*launch.args, *launch.env, *launch.env.values())):
            # uvloop would cut it off there without a word.
            raise _unstartable("one of its arguments or variables holds a NUL character")
        loop = asyncio.get_running_loop()
        await self._bound.take()
        started, enrolment, belonging = False, None, None
        try:
            mark = self._guardian.mark()
            run = _container_run(launch, self._name, mark)
            belonging = self._guardian.expect(mark, _container(run, launch))
            enrolment = self._guardian.enrolment()
            starting = loop.subprocess_exec(
                lambda: ChildOutput(self._show, launch.veil),
                path,
                *(launch.args if run is None else run.args),
                env=_marked(launch, None if run is not None else mark),
                cwd=launch.cwd,
                start_new_session=True,
                preexec_fn=partial(_before_program, enrolment) if sys.platform != "win32" else None,
            )
            transport, protocol = await unbroken(starting, _taken_back)
            started = True
        except (OSError, ValueError) as error:
            if belonging is not None:
                self._guardian.stopped(belonging)
            raise _unstartable(f'"{launch.command}" cannot be started: {error}') from error
        finally:
            if not started:
                self._bound.give()
                if enrolment is not None and enrolment.group:
                    _signal(enrolment.group, signal.SIGKILL)
                    self._guardian.release(enrolment.group)
                if belonging is not None:
                    self._guardian.clear_soon(belonging)
        self._transport, self._protocol, self._belonging = transport, protocol, belonging
        self._stdin = cast(asyncio.WriteTransport, transport.get_pipe_transport(0))
        self._group = transport.get_pid()
        if self._group is not None:
            self._guardian.watch(self._group)

    def _write(self, lines: Sequence[bytes]) -> None:
        if self._stdin is not None and not self._stdin.is_closing():
            self._stdin.writelines(lines)

    def agreed(self, protocol_version: str) -> None:
        """Does nothing: a pipe is the same in every revision."""

    def abandon(self, id: int) -> None:
        """Does nothing: a pipe holds nothing for a single request."""

    def last_words(self) -> list[str]:
        """The last lines the child wrote to stderr."""
        return list(self._protocol.stderr) if self._protocol else []

    async def close(self) -> None:
        """Closes stdin, then asks the whole group to end, then makes it: at most a second and a half. What
        has left the group, and a container, may take some seconds more."""
        protocol, transport, group, belonging = self._protocol, self._transport, self._group, self._belonging
        if protocol is None or transport is None or belonging is None:
            return
        protocol.hush()
        self._protocol = None
        try:
            if self._stdin is not None:
                self.flush()
                self._stdin.close()
            if await protocol.ended(EOF_SECONDS):
                if transport.get_returncode() == 0:
                    # Its engine has told it the end of its container.
                    self._guardian.stopped(belonging)
            else:
                await self._guardian.stop(belonging)
                _signal(group, signal.SIGTERM)
                _signal(group, signal.SIGCONT)
                await protocol.ended(TERM_SECONDS)
        finally:
            # The leader may be gone while what it started lives on: the group is ended in any case.
            _signal(group, signal.SIGKILL)
            if group is not None:
                self._guardian.release(group)
            self._group = None
            self._bound.give()
            clearing = self._guardian.clear_soon(belonging, partial(protocol.ended, EOF_SECONDS))
            try:
                await asyncio.shield(clearing)
            finally:
                transport.close()


async def _taken_back(started: tuple[asyncio.SubprocessTransport, ChildOutput]) -> None:
    """Ends a process that nobody wants any more, just after its start."""
    transport, protocol = started
    transport.close()
    await protocol.ended(EOF_SECONDS)


def _marked(launch: Launch, mark: str | None) -> dict[str, str]:
    """The environment of a process: with a mark, or, where others are to outlive it, without any."""
    env = {key: value for key, value in launch.env.items() if key != MARK}
    return env if mark is None or launch.leaves else {**env, MARK: mark}


def _container_run(launch: Launch, server: str, mark: str) -> ContainerRun | None:
    """How to run the container of a command; None where it runs none."""
    if not may_run_containers(launch.command):
        return None
    from callmux.upstream.links.container import container_run

    return container_run(launch.command, launch.args, server, mark)


def _container(run: ContainerRun | None, launch: Launch) -> Container | None:
    """How to stop the container that a command runs."""
    if run is None:
        return None
    from callmux.upstream.leftovers import Container
    from callmux.upstream.links.container import ENGINE_VARIABLES

    env = {key: launch.env[key] for key in ENGINE_VARIABLES if key in launch.env}
    # It may be stopped by a process in another directory than ours.
    cwd = None if launch.cwd is None else os.path.abspath(launch.cwd)
    return Container(run.name, list(run.find), list(run.stop), list(run.remove), env, cwd)


def _before_program(enrolment: Enrolment) -> None:
    """Run in the new process, before its program."""
    enrolment()
    _keep_only_stdio()


def _keep_only_stdio() -> None:
    """Run in the new process: its program gets stdin, stdout and stderr, and no other descriptor of ours.

    uvloop leaves the other names of these three open, in what the program starts, too: a server that closes
    its output would seem to hold it still.
    """
    for descriptor in os.listdir("/dev/fd"):
        if int(descriptor) > 2:
            # The one that lists them is gone by now.
            with contextlib.suppress(OSError):
                os.set_inheritable(int(descriptor), False)


def _unstartable(reason: str) -> CallFailure:
    from callmux.protocol.failure_points import Carrier, Point, known

    begun, again, _ = known(Carrier.STDIO, Point.NO_CONNECTION)
    return CallFailure(Category.TRANSPORT, reason, started=begun, untaken=again, lasting=True)


def _signal(group: int | None, number: signal.Signals) -> None:
    if group is not None:
        try:
            os.killpg(group, number)
        except (ProcessLookupError, PermissionError):
            return
