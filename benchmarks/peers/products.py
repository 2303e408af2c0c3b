"""What a product is: how it is started on each way, and what it cannot do. Nothing in between, and callmux.

The other products are in `others` and `contextforge`. Used by `ways` and `growth`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, NamedTuple

from paths import GUARDED, TOKEN
from ports import free_port, listens

from peers.client import START_SECONDS, Failed, Wrap
from peers.pipes import stop
from peers.watching import SERVER

STDIO, LISTENER, BRIDGE = "stdio", "listener", "bridge and listener"
CALL, CALL_ALONE = "call from a shell", "call from a shell, no listener"
GUARDED_LISTENER, GUARDED_BRIDGE = "listener, guarded", "bridge and listener, guarded"
GUARDED_CALL = "call from a shell, guarded"
NO_COMMAND = dict.fromkeys((CALL, CALL_ALONE, GUARDED_CALL), "it has no such command")
NO_GUARDS = "it has no rules, limits, audit log and metrics of its own"
UNGUARDED = dict.fromkeys((GUARDED_LISTENER, GUARDED_BRIDGE), NO_GUARDS)
OURS, NPM, DIRECT = "callmux", "callmux (npm)", "direct"


@dataclass(frozen=True)
class Setup:
    """What one start of a product is to serve.

    Attributes:
        folder: A new home for it.
        noise: Where its standard error goes.
        servers: How many bench servers are behind.
        tools: How many tools each has.
        guarded: With authentication, rules, limits, audit log and metrics.
    """

    folder: Path
    noise: BinaryIO
    servers: int = 1
    tools: int = 10
    guarded: bool = False

    def entries(self) -> dict[str, dict[str, Any]]:
        args = [str(SERVER), "--tools", str(self.tools)]
        names = ["bench", *[f"bench{n}" for n in range(1, self.servers)]]
        return {name: {"command": sys.executable, "args": args} for name in names}

    def words(self) -> list[str]:
        """The only server, as a command."""
        entry = self.entries()["bench"]
        return [entry["command"], *entry["args"]]

    def written(self, document: Mapping[str, Any]) -> str:
        """The path of a configuration with this in it."""
        path = self.folder / "config.json"
        path.write_text(json.dumps(document), "utf-8")
        return str(path)


class Listening(NamedTuple):
    """A listener that runs.

    Attributes:
        url: Where.
        headers: What a client shows.
        roots: Its processes.
        began: When it was started.
        home: A directory that it does not need.
    """

    url: str
    headers: dict[str, str]
    roots: tuple[int, ...]
    began: float
    home: Path


@dataclass
class Product:
    """One product, put into the cache.

    Attributes:
        cache: Where peers are.
        env: Variables of its own.
    """

    cache: Path
    env: dict[str, str] = field(default_factory=dict)
    name: ClassVar[str]
    package: ClassVar[str]
    version: ClassVar[str]
    cannot: ClassVar[dict[str, str]] = {}
    """Why it is not run: by way or curve."""
    several: ClassVar[str] = ""
    """Why it cannot put several servers behind one session; empty if it can."""

    def fetch(self) -> None:
        """Puts it into the cache.

        Raises:
            Missing: It cannot be had.
        """

    slow: ClassVar[str] = ""
    """Why a short run leaves its curves out; empty if it does not."""

    @property
    def wrap(self) -> Wrap | None:
        """How it wants calls, if its lists have no tools of servers."""
        return None

    def stdio(self, setup: Setup) -> list[str]:
        raise NotImplementedError

    def listener(self, setup: Setup, port: int) -> list[str]:
        raise NotImplementedError

    def bridge(self, at: Listening) -> list[str]:
        raise NotImplementedError

    def command(self, at: Listening) -> list[str]:
        """One call of a listener, as a whole process."""
        raise NotImplementedError

    def command_alone(self, setup: Setup) -> list[str]:
        """One call of a server that is started for it."""
        raise NotImplementedError

    def headers(self, setup: Setup) -> dict[str, str]:
        return {"Authorization": f"Bearer {TOKEN}"} if setup.guarded else {}

    def environment(self, setup: Setup) -> dict[str, str]:
        """A user with an empty home."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        home = str(setup.folder)
        return {**kept, "HOME": home, "NO_COLOR": "1", **self.env}

    @contextlib.contextmanager
    def listening(self, setup: Setup) -> Iterator[Listening]:
        """Runs its listener.

        Raises:
            Failed: It does not listen.
        """
        port = free_port()
        with started(self, self.listener(setup, port), setup, port) as (process, began):
            url = f"http://127.0.0.1:{port}/mcp"
            yield Listening(url, self.headers(setup), (process.pid,), began, setup.folder)


@contextlib.contextmanager
def started(
    product: Product, words: list[str], setup: Setup, port: int
) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """A process that listens on this port.

    Raises:
        Failed: It does not.
    """
    quiet = subprocess.DEVNULL
    began = time.perf_counter()
    process = subprocess.Popen(
        words,
        env=product.environment(setup),
        cwd=setup.folder,
        stdin=quiet,
        stdout=setup.noise,
        stderr=setup.noise,
    )
    try:
        while not listens(port):
            if process.poll() is not None:
                raise Failed(f"it ended with code {process.returncode} and did not listen")
            if time.perf_counter() - began > START_SECONDS:
                raise Failed(f"it does not listen after {START_SECONDS:.0f} s")
            time.sleep(0.002)
        yield process, began
    finally:
        stop(process)


class Direct(Product):
    """Nothing in between."""

    name, package, version = DIRECT, "the bench server itself", ""
    cannot: ClassVar = {
        **UNGUARDED,
        **NO_COMMAND,
        BRIDGE: "there is nothing to bridge",
        GUARDED_BRIDGE: "there is nothing to bridge",
    }
    several = "one server has no other behind it"

    def stdio(self, setup: Setup) -> list[str]:
        return setup.words()

    def listener(self, setup: Setup, port: int) -> list[str]:
        return [sys.executable, str(SERVER.parent / "peers" / "bare_http.py"), str(port)]


class Callmux(Product):
    """callmux, this project."""

    name, package, version = OURS, "callmux (this project)", ""
    program: tuple[str, ...] = (sys.executable, "-m", "callmux")

    def _config(self, setup: Setup) -> str:
        # Large results are to come through whole, so that the same bytes are compared; and by default there
        # are at most 1,000 sessions, and 20 calls at a time.
        bounds = {"listenerMaxSessions": 5000, "maxConcurrency": 1000}
        whole: dict[str, Any] = {"responseShield": {"enabled": False}, **bounds}
        guards: dict[str, Any] = {"metrics": {"enabled": False}}
        if setup.guarded:
            token = {"id": "bench", "token": TOKEN}
            guards = {
                **GUARDED,
                "auth": {"mode": "bearer", "tokens": [token]},
                "metrics": {"enabled": True},
                "auditLog": {"enabled": True, "path": str(setup.folder / "audit.jsonl")},
            }
        return setup.written({"servers": setup.entries(), **whole, **guards})

    def stdio(self, setup: Setup) -> list[str]:
        return [*self.program, "--config", self._config(setup)]

    def listener(self, setup: Setup, port: int) -> list[str]:
        return [*self.stdio(setup), "--listen", str(port)]

    def bridge(self, at: Listening) -> list[str]:
        return [*self.program, "bridge", "--url", at.url, *_shown(at)]

    def command(self, at: Listening) -> list[str]:
        return [*self.program, "call", "get_item", '{"id":5}', "--url", at.url, *_shown(at)]

    def command_alone(self, setup: Setup) -> list[str]:
        return [*self.program, "call", "get_item", '{"id":5}', "--stdio", shlex.join(setup.words())]


def _shown(at: Listening) -> list[str]:
    return [word for name, value in at.headers.items() for word in ("--header", f"{name}:{value}")]
