"""The processes of a storm: one listener, its servers, a wire, and agents' sessions through bridges.

Called by `storm` and `faults`. Every process carries the same mark, so that whatever is left can be found.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import sys
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import psutil

from tests.live.harness import (
    Client,
    Json,
    alive,
    callmux,
    environment,
    marked,
    python_server,
    stdio,
    swept,
    text_of,
    until,
    write_config,
)
from tests.support import free_port

from .remote import Remote
from .wire import Wire

SERVERS = 3
FAR, LATE = "far", "late"
"""The remote server, and the one that speaks too late: their names."""
CURIOUS: Json = {"elicitation": {}, "sampling": {}, "roots": {}}
"""What every other client declares: those may be asked."""
CALL_TIMEOUT_MS = 3000
_SAID = re.compile(r"said-(\d+)-")
CONCURRENCY = 200
SOON = {"initialDelayMs": 20, "maxDelayMs": 200, "jitterRatio": 0}
DEADLINE_SECONDS = 30.0
"""How long any call of a client may take."""


class Place:
    """Everything that runs.

    Args:
        folder: For the ledger, the configuration and the logs.

    Attributes:
        sessions: The agents.
        remote: The server that is reached by HTTP.
        wire: What lies between bridges and listener.
        pids: The servers' processes, as far as `look` has seen them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        self.ledger = folder / "ledger"
        self.ledger.touch()
        self.config = folder / "callmux.json"
        self.port = free_port()
        self.wire = Wire(self.port)
        self.remote = Remote(self.ledger)
        self.late = folder / "late"
        self.late.touch()
        self.sessions: list[Client] = []
        self.pids: dict[str, int] = {}
        self._log = folder / "listener.log"
        self._own: list[asyncio.subprocess.Process] = []
        self._unread: tuple[int, int] | None = None

    # ---- the configuration -----------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The listener, through the wire."""
        return f"http://127.0.0.1:{self.wire.port}/mcp"

    @property
    def names(self) -> list[str]:
        """The servers that are processes, and may be killed."""
        return [f"s{n}" for n in range(SERVERS)]

    @property
    def all_names(self) -> list[str]:
        """The servers that agents work with."""
        return [*self.names, FAR]

    def server(self, name: str, **env: str) -> Json:
        down = str(self.folder / f"{name}.down")
        return stdio(python_server("ledger_server.py", self.ledger, "--down", down), env=env)

    def usual(self) -> Json:
        """The servers, each with its entry."""
        late = [sys.executable, "-I", str(Path(__file__).with_name("late_server.py")), str(self.late)]
        named = {name: self.server(name) for name in self.names}
        return {**named, FAR: {"url": self.remote.url}, LATE: stdio(late)}

    def settings(self) -> Json:
        """What the configuration says besides."""
        return {
            "callTimeoutMs": CALL_TIMEOUT_MS,
            "connectTimeoutMs": 10_000,
            "reconnectPolicy": SOON,
            # Calls to a server that hangs hold their slots: with fewer, they would hold up the other servers.
            "maxConcurrency": CONCURRENCY,
        }

    def write(self, servers: Json | None = None) -> None:
        """Writes the configuration, of the usual servers unless others are given."""
        write_config(self.config, self.usual() if servers is None else servers, **self.settings())

    # ---- the listener ----------------------------------------------------------------------------------

    async def start_listener(self, unread: bool = False) -> None:
        """Starts one, and waits until it listens.

        Args:
            unread: Its stderr is a full pipe that nobody reads.
        """
        self._let_go()
        with self._log.open("ab") as log:
            stderr = log.fileno()
            if unread:
                self._unread = full_pipe()
                stderr = self._unread[1]
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "callmux", "--config", str(self.config)),
                *("--listen", str(self.port)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=stderr,
                env=environment(self.folder, self.mark),
                cwd=self.folder,
            )
        self._own.append(process)
        await until("the listener listens", lambda: _listens(self.port) or process.returncode is not None)
        assert process.returncode is None, self._log.read_text()[-2000:]

    async def listener(self) -> psutil.Process:
        """The only one there is. A child of it looks like another until it is what it will be."""
        found: list[psutil.Process] = await until("there is one listener", self._alone, 10)
        return found[0]

    def _alone(self) -> list[psutil.Process]:
        found = self.listeners()
        return found if len(found) == 1 else []

    def listeners(self) -> list[psutil.Process]:
        """The listener's processes: two while one hands over to the next."""
        found = []
        for process in self.marked():
            with contextlib.suppress(psutil.Error):
                if "--listen" in process.cmdline() and alive(process):
                    found.append(process)
        return found

    async def restart_listener(self, number: int, after: float = 0.0, unread: bool = False) -> None:
        """Ends it with a signal, and starts the next one once it has ended."""
        old = self.listeners()
        for process in old:
            process.send_signal(number)
        await until("the listener ends", lambda: not any(map(alive, old)), 30)
        await asyncio.sleep(after)
        await self.start_listener(unread)

    def _let_go(self) -> None:
        for end in self._unread or ():
            os.close(end)
        self._unread = None

    # ---- the rest --------------------------------------------------------------------------------------

    async def look(self) -> None:
        """Asks each server for its process."""
        for name in self.names:
            token = {"token": uuid.uuid4().hex}
            answer = await self.sessions[0].call(f"{name}__read", token, DEADLINE_SECONDS)
            self.pids[name] = int(json.loads(text_of(answer))["pid"])

    def token(self, session: int) -> str:
        """A word that says whose it is, for what a server may speak of."""
        return f"said-{session}-{uuid.uuid4().hex}"

    def heard(self) -> Counter[tuple[int, int]]:
        """How often who heard of whose call: by the session that heard and the one that called."""
        found: Counter[tuple[int, int]] = Counter()
        for n, client in enumerate(self.sessions):
            for message in (*client.notes, *client.asked):
                found.update((n, int(whose)) for whose in _SAID.findall(json.dumps(message)))
        return found

    def said(self) -> list[str]:
        """What the listener said, by lines."""
        return self._log.read_text(errors="replace").splitlines()

    def failed_attempts(self) -> list[str]:
        """What the listener said of servers that it could not connect."""
        return [line for line in self.said() if "could not connect" in line]

    def own_failures(self) -> list[str]:
        """What the listener said of calls that failed in callmux itself: each line names the exception."""
        return [line for line in self.said() if "callmux itself" in line]

    def marked(self) -> list[psutil.Process]:
        """Every process that is ours."""
        return marked(self.mark)

    def rows(self, what: str, ledger: Path | None = None) -> Counter[str]:
        """How often `what` was written into the ledger for each token."""
        fields = [line.split() for line in (ledger or self.ledger).read_text().splitlines()]
        return Counter(row[1] for row in fields if row[0] == what)

    def held(self) -> dict[str, float]:
        """Processes there are, and memory and descriptors of the listener and of all bridges."""
        bridges, listeners = [client.ps for client in self.sessions], self.listeners()
        return {
            "processes": len(self.marked()),
            "MB of the listener": sum(process.memory_info().rss for process in listeners) / 2**20,
            "its descriptors": sum(process.num_fds() for process in listeners),
            "MB of the bridges": sum(process.memory_info().rss for process in bridges) / 2**20,
            "their descriptors": sum(process.num_fds() for process in bridges),
        }

    async def end(self) -> list[psutil.Process]:
        """Lets everybody go the ordinary way. Gives the processes that are left."""
        for client in self.sessions:
            assert await client.leave() == 0
        for process in self.listeners():
            process.send_signal(signal.SIGTERM)
        with contextlib.suppress(AssertionError):
            await until("all has ended", lambda: not self.marked(), 20)
        self._let_go()
        left = self.marked()
        for own in self._own:
            if own.returncode is None:
                await asyncio.wait_for(own.wait(), 10)
        return left


@contextlib.asynccontextmanager
async def place(folder: Path, sessions: int) -> AsyncIterator[Place]:
    """A place where everything runs and every session has greeted."""
    here = Place(folder)
    with swept(here.mark):
        await here.remote.open()
        here.write()
        await here.start_listener()
        await here.wire.open()
        async with greeted(here, sessions):
            yield here


@contextlib.asynccontextmanager
async def greeted(here: Place, sessions: int) -> AsyncIterator[None]:
    """The sessions of a place, which have all greeted."""
    async with contextlib.AsyncExitStack() as stack:
        for n in range(sessions):
            home = here.folder / f"agent{n}"
            home.mkdir()
            client = await stack.enter_async_context(
                callmux(home, "bridge", "--url", here.url, mark=here.mark)
            )
            here.sessions.append(client)
        await asyncio.gather(
            *(
                client.initialize(capabilities=None if n % 2 else CURIOUS)
                for n, client in enumerate(here.sessions)
            )
        )
        for client in here.sessions[::2]:
            await client.request("logging/setLevel", {"level": "debug"})
        for client in here.sessions:
            await client.tools()
        try:
            yield
        finally:
            await here.wire.close()
            await here.remote.close()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def kill(pid: int, number: int) -> None:
    """A signal to a process that may have ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def full_pipe() -> tuple[int, int]:
    """A pipe that takes nothing more, and that nobody reads: its two ends."""
    source, sink = os.pipe()
    os.set_blocking(sink, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(sink, b"x" * 4096)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(sink, b"x")
    os.set_blocking(sink, True)
    return source, sink
