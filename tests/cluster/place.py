"""The processes of a trial with nodes: a Redis, listeners that are one, and a load balancer before them.

Called by `trial`. Every process carries the same mark, so that whatever is left can be found.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil

from tests.live.harness import Json, environment, marked, python_server, stdio, swept, until, write_config
from tests.redis_server import RedisServer
from tests.support import free_port

from .front import KINDS, front, listens

SECRET = "a-secret-of-all-nodes-of-the-trial"
CONCURRENCY = 400
START_SECONDS = 120
"""How long a node may take to start beside hundreds of clients on the same machine."""


class NodeProcess:
    """One listener.

    Attributes:
        name: Of the node.
        port: For clients.
        process: It, while it runs.
    """

    def __init__(self, folder: Path, number: int, mark: str) -> None:
        self.name = f"node{number}"
        self.port = free_port()
        self.node_port = free_port()
        self._folder = folder / self.name
        self._folder.mkdir()
        self._mark = mark
        self.process: asyncio.subprocess.Process | None = None
        self.log = self._folder / "log"

    async def start(self, config: Path, *, ready: bool = False) -> None:
        """Starts it, and waits until it listens.

        Args:
            ready: Waits until its servers are up, too.
        """
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "callmux", "--config", str(config), "--listen", str(self.port)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={
                    **environment(self._folder, self._mark),
                    "TRIAL_SECRET": SECRET,
                    "TRIAL_NODE": f"127.0.0.1:{self.node_port}",
                    "TRIAL_NAME": self.name,
                },
                cwd=self._folder,
            )
        process = self.process
        try:
            await until(
                f"{self.name} listens",
                lambda: listens(self.port) or process.returncode is not None,
                START_SECONDS,
            )
        except AssertionError as late:
            raise AssertionError(f"{late}: {self.log.read_text()[-3000:]}") from None
        assert process.returncode is None, self.log.read_text()[-3000:]
        if ready:
            await self._until_ready()

    async def _until_ready(self) -> None:
        async with asyncio.timeout(START_SECONDS), aiohttp.ClientSession() as http:
            while True:
                async with http.get(f"http://127.0.0.1:{self.port}/ready") as answer:
                    if answer.status == 200:
                        return
                await asyncio.sleep(0.05)

    async def end(self, number: int) -> None:
        """Sends it a signal, and waits until it has ended."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        try:
            await asyncio.wait_for(self.process.wait(), 30)
        except TimeoutError:
            raise AssertionError(f"{self.name} does not end: {self.log.read_text()[-3000:]}") from None

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)


def node_state(redis: RedisServer) -> Json:
    """The `state` of a node that `NodeProcess` starts."""
    return {
        "url": redis.url,
        "key": "env:TRIAL_SECRET",
        "node": {"listen": "${env:TRIAL_NODE}", "name": "${env:TRIAL_NAME}"},
    }


class Cluster:
    """Everything that runs.

    Attributes:
        nodes: The listeners.
        redis: The Redis.
        url: The load balancer.
    """

    def __init__(self, folder: Path, count: int, redis: RedisServer, **more: object) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        self.ledger = folder / "ledger"
        self.ledger.touch()
        self.redis = redis
        self.config = folder / "callmux.json"
        self.nodes = [NodeProcess(folder, n, self.mark) for n in range(1, count + 1)]
        self.port = 0
        server: Json = stdio(python_server("ledger_server.py", self.ledger), cwdMode="global")
        write_config(
            self.config,
            {"s": server},
            state=node_state(redis),
            maxConcurrency=CONCURRENCY,
            listenerMaxSessions=5000,
            **more,
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def rows(self, what: str) -> Counter[str]:
        """How often `what` was written into the ledger for each token."""
        fields = [line.split() for line in self.ledger.read_text().splitlines()]
        return Counter(row[1] for row in fields if row[0] == what)

    def log(self) -> str:
        """What all nodes said."""
        return "\n".join(node.log.read_text(errors="replace") for node in self.nodes)

    async def end(self) -> list[psutil.Process]:
        """Ends all nodes the ordinary way; gives the processes that are left."""
        running = [n for n in self.nodes if n.process is not None and n.process.returncode is None]
        await asyncio.gather(*(node.end(signal.SIGTERM) for node in running))
        own = {os.getpid()}
        with contextlib.suppress(AssertionError):
            await until("all has ended", lambda: not self._callmuxes(own), 20)
        return self._callmuxes(own)

    def _callmuxes(self, but: set[int]) -> list[psutil.Process]:
        found = []
        for process in marked(self.mark):
            with contextlib.suppress(psutil.Error):
                line = " ".join(process.cmdline())
                of_front = any(f"callmux-{kind}" in line for kind in KINDS)
                if process.pid not in but and not of_front and ("callmux" in line or "ledger" in line):
                    found.append(process)
        return found


@contextlib.asynccontextmanager
async def cluster(
    folder: Path, count: int, kind: str | None = "nginx", **more: object
) -> AsyncIterator[Cluster]:
    """A cluster that runs.

    Args:
        kind: The load balancer; None for none.
    """
    redis = RedisServer()
    try:
        here = Cluster(folder, count, redis, **more)
        with swept(here.mark):
            await asyncio.gather(*(node.start(here.config, ready=True) for node in here.nodes))
            if kind is None:
                here.port = here.nodes[0].port
                yield here
                return
            async with front(kind, [node.port for node in here.nodes], here.mark) as port:
                here.port = port
                yield here
    finally:
        redis.close()
