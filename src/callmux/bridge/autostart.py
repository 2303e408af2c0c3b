"""Starts the listener that a bridge finds missing, once for all bridges, as an ssh agent is shared.

Made by `callmux.cli.bridge` where `--autostart` is given, and handed to `callmux.bridge.keeper`;
`callmux.cli.taking_back` ends a listener that was started so. Under a file lock, so that of many bridges one
starts it. It runs detached, logs to a file, and ends by itself after an idle time. One of an older version
is ended and replaced.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec

from callmux import __version__
from callmux.bridge.client import HttpClient
from callmux.bridge.endpoint import Endpoint
from callmux.bridge.failures import LinkFailure
from callmux.bridge.stream import Collected
from callmux.errors import UsageError
from callmux.upstream.leftovers import MARK

log = logging.getLogger(__name__)

START_SECONDS = 20.0
"""How long a new listener may take to open its port, and how long one waits for the lock."""
END_SECONDS = 10.0
"""How long an old one may take to end."""
HEALTH_SECONDS = 2.0
STEP_SECONDS = 0.02
AGAIN_SECONDS = 5.0
"""Between attempts, where the listener does not come up."""


class Health(msgspec.Struct, frozen=True):
    """What a listener says of itself at `/health`; another program's answer has neither."""

    version: str | None = None
    pid: int | None = None


class Autostart:
    """Sees to it that a listener runs.

    Args:
        endpoint: Where it is to listen.
        config: `--config`; None for the default.
        idle_exit: Seconds without a client after which it ends.
        env: The environment.
        home: The user's directory.
        command: What starts it; our own command by default.

    Raises:
        UsageError: It cannot be started there.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        config: str | None,
        idle_exit: int,
        env: Mapping[str, str],
        home: Path,
        command: tuple[str, ...] = (sys.executable, "-m", "callmux"),
    ) -> None:
        if not endpoint.is_loopback or endpoint.tls:
            raise UsageError("--autostart is for a URL on this machine, such as http://127.0.0.1:4860/mcp")
        self._endpoint = endpoint
        self._home = home
        # The listener belongs to no server of another callmux, though a bridge that starts it may.
        self._env = {key: value for key, value in env.items() if key not in ("CALLMUX_TOKEN", MARK)}
        self._command = [
            *command,
            *(() if config is None else ("--config", os.path.abspath(config))),
            *("--listen", str(endpoint.port)),
            *(() if endpoint.host in ("127.0.0.1", "localhost") else ("--host", endpoint.host)),
            *("--idle-exit", str(idle_exit)),
        ]
        state = env.get("XDG_STATE_HOME", "")
        base = Path(state) if os.path.isabs(state) else home / ".local" / "state"
        self._lock = base / "callmux" / f"listener-{endpoint.port}.lock"
        self.log_file = self._lock.with_suffix(".log")
        self._child: subprocess.Popen[bytes] | None = None
        self._not_before = 0.0
        self._checked = False

    def __repr__(self) -> str:
        return f"Autostart({self._endpoint.url!r})"

    async def ensure(self) -> None:
        """Starts or replaces the listener where that is needed. Failures are logged: the bridge tries on."""
        loop = asyncio.get_running_loop()
        health = await self._health()
        if health is not None and (self._checked or not _is_older(health)):
            self._checked = True
            return
        if loop.time() < self._not_before:
            return
        try:
            async with self._locked():
                health = await self._health()
                if health is not None and _is_older(health):
                    await self._end(health)
                    health = await self._health()
                if health is None:
                    await self._start()
            self._checked = True
        except (OSError, TimeoutError) as error:
            self._not_before = loop.time() + AGAIN_SECONDS
            log.warning("--autostart: %s", error or "another process holds the lock for too long")

    async def end_started(self) -> bool:
        """Ends a listener that a bridge has started; gives whether it is gone. One that was started in any
        other way, and whatever else is there, is left alone."""
        health = await self._health()
        if health is None or health.pid is None or b"--idle-exit" not in _arguments(health.pid):
            return False
        await self._end(health)
        return True

    async def _health(self) -> Health | None:
        """What the listener says of itself; None where nobody listens."""
        client = HttpClient(self._endpoint)
        collected = Collected()
        try:
            async with asyncio.timeout(HEALTH_SECONDS):
                connection = await client.connect()
                host = self._endpoint.authority.encode()
                connection.start(b"GET /health HTTP/1.1\r\nHost: %b\r\n\r\n" % host, collected)
                return msgspec.json.decode(await collected.body_whole(), type=Health)
        except LinkFailure as failure:
            return Health() if failure.started else None
        except (TimeoutError, msgspec.MsgspecError):
            # Something listens: whatever it is, it is not for us to start another.
            return Health()
        finally:
            client.close()

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[None]:
        self._lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            async with asyncio.timeout(START_SECONDS + END_SECONDS):
                while True:
                    try:
                        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        break
                    except BlockingIOError:
                        await asyncio.sleep(STEP_SECONDS)
            yield
        finally:
            os.close(descriptor)

    async def _end(self, health: Health) -> None:
        """Ends a listener of an older version; it drains first."""
        if health.pid is None or not _is_callmux(health.pid):
            return
        log.info("--autostart: ending the listener of version %s", health.version)
        with suppress(ProcessLookupError):
            os.kill(health.pid, signal.SIGTERM)
        async with asyncio.timeout(END_SECONDS):
            while await self._health() is not None:
                await asyncio.sleep(STEP_SECONDS)

    async def _start(self) -> None:
        """Starts the listener and waits until its port is open.

        Raises:
            OSError: It cannot be started, or ended at once.
        """
        log.info("--autostart: starting a listener on port %d, log in %s", self._endpoint.port, self.log_file)
        with open(self.log_file, "ab", opener=_private) as output:  # noqa: ASYNC230 (a local file, once)
            self._child = child = subprocess.Popen(  # noqa: ASYNC220 (returns at once, and outlives us)
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd=self._home,
                env=self._env,
            )
        try:
            async with asyncio.timeout(START_SECONDS):
                while await self._health() is None:
                    if (code := child.poll()) is not None:
                        raise OSError(f"the listener ended with code {code}; see {self.log_file}")
                    await asyncio.sleep(STEP_SECONDS)
        except TimeoutError:
            raise OSError(f"the listener does not open its port; see {self.log_file}") from None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _is_older(health: Health) -> bool:
    return health.version is not None and _numbers(health.version) < _numbers(__version__)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _arguments(pid: int) -> list[bytes]:
    """The words of a process of callmux; none where they cannot be seen or it is another program."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []
    return words if any(b"callmux" in word for word in words) else []


def _is_callmux(pid: int) -> bool:
    """Whether the process is what it claims; where that cannot be seen, its word counts."""
    try:
        return b"callmux" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return not Path("/proc/self").exists()
