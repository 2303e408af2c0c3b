"""Random `kill -9` of everything there is around servers, and a look at all processes after each (on Linux).

Used by `tests.left.__main__` and `tests.left.test_left`. A lane is one user with one callmux at a time, in
front of five servers: one that callmux starts itself, one behind a shell, one that goes on when its stdin
ends, and two in containers, of which the user has named one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from tests.left import engine, family
from tests.live.harness import MARK, Client, alive, callmux, stdio, text_of, write_config

KINDS = {
    "callmux": 4,
    "guardian": 3,
    "callmux and guardian": 3,
    "guardian, then callmux": 2,
    "wrapper": 3,
    "server": 4,
    "grandchild": 2,
    "session": 2,
    "daemon": 2,
    "engine's client": 3,
    "container": 2,
}
"""What is killed, and how often beside the others."""
EARLY = 0.25
"""How many callmux are killed as they start."""
LAST = frozenset({"callmux", "callmux and guardian", "guardian, then callmux"})
"""After these callmux is gone."""
SOON = {"initialDelayMs": 20, "maxDelayMs": 200, "jitterRatio": 0}
SECONDS = 60.0
"""How long anything may take to end, or to be back: a busy machine is slow."""
LOOK_SECONDS = 0.1
SESSION_KILLS = 10
"""So many kills a callmux lives through at most."""


class Account:
    """What came of all kills.

    Attributes:
        kills: How often each kind was struck.
        survivors: Every process and container that was left, in words.
        slowest: The longest that anything took to be gone, by kind.
        ends: How many callmux ended as they should, without being killed.
    """

    def __init__(self) -> None:
        self.kills: Counter[str] = Counter()
        self.survivors: list[str] = []
        self.slowest: dict[str, float] = {}
        self.ends = 0

    def took(self, kind: str, seconds: float) -> None:
        self.slowest[kind] = max(seconds, self.slowest.get(kind, 0))

    def __str__(self) -> str:
        kinds = (f"{kind} {n} ({self.slowest.get(kind, 0):.1f} s)" for kind, n in sorted(self.kills.items()))
        total, left = self.kills.total(), len(self.survivors)
        return f"{total} kills, {self.ends} ends: {left} survivors; {', '.join(kinds)}"


class Lane:
    """One user.

    Args:
        folder: The home directory.
        seed: Of what happens by chance.
        account: Where what came of it is noted.
    """

    def __init__(self, folder: Path, seed: int, account: Account) -> None:
        folder.mkdir()
        self._folder = folder
        self._chance = random.Random(seed)
        self._account = account
        self._engine = folder / "engine"
        self._engine.mkdir()
        docker = folder / "docker"
        docker.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {engine.__file__} {self._engine} "$@"\n')
        docker.chmod(0o755)
        plain = [sys.executable, "-I", "-S", family.__file__]
        quoted = " ".join(f"'{word}'" for word in plain)
        inside = ["image", *plain, "--alone", "--deaf"]
        servers = {
            "plain": stdio(plain),
            "wrapped": stdio(["/bin/sh", "-c", f"{quoted}; exit $?"]),
            "deaf": stdio([*plain, "--deaf"]),
            "boxed": stdio([str(docker), "run", "-i", "--rm", *inside]),
            "named": stdio([str(docker), "run", "-i", "--rm", "--name", f"mine-{seed}", *inside]),
        }
        path = folder / "callmux.json"
        self._config = write_config(path, servers, reconnectPolicy=SOON, keepListings=False)

    async def run(self, kills: int) -> None:
        """Strikes so often, or a few times more."""
        done = 0
        while done < kills:
            done += await self._session(None)

    async def _session(self, before: str | None) -> int:
        """One callmux, from its start to its end; gives how many kills there were.

        Args:
            before: The mark of one that was killed together with its guardian: this one ends what is left.
        """
        mark, count = uuid.uuid4().hex, 0
        async with callmux(self._folder, "--config", self._config, mark=mark) as client:
            hello = asyncio.ensure_future(client.initialize())
            if before is not None:
                # What was running when both were killed: nobody but the next one knows of it.
                await self._gone("callmux and guardian", before)
            elif self._chance.random() < EARLY:
                await asyncio.sleep(self._chance.random() * 0.8)
                hello.cancel()
                return await self._end(client, "callmux as it starts")
            await hello
            for _ in range(self._chance.randint(1, SESSION_KILLS)):
                kind = self._choose()
                if kind in LAST:
                    return count + await self._end(client, kind)
                await getattr(self, f"_kill_{kind.replace(chr(39), '').replace(' ', '_')}")(client, kind)
                self._account.kills[kind] += 1
                count += 1
            await client.leave(SECONDS)
            self._account.ends += 1
            await self._gone("the end", mark)
        return count

    def _choose(self) -> str:
        return self._chance.choices(list(KINDS), list(KINDS.values()))[0]

    # ---- kills that callmux does not survive -------------------------------------------------------------

    async def _end(self, client: Client, kind: str) -> int:
        guardian = self._guardian(client)
        count = 1
        self._account.kills[kind] += 1
        if kind == "guardian, then callmux" and guardian is not None:
            guardian.kill()
            await asyncio.sleep(self._chance.random() * 0.1)
        elif kind == "callmux and guardian" and guardian is not None:
            # Nobody can take its place.
            client.process.send_signal(signal.SIGSTOP)
            guardian.kill()
        client.process.kill()
        if kind == "callmux and guardian":
            return count + await self._session(client.mark)
        if kind == "guardian, then callmux" and not await self._is_gone(client.mark, 2.0):
            # Its place was not taken in time.
            return count + await self._session(client.mark)
        await self._gone(kind, client.mark)
        if guardian is not None:
            await self._until(kind, lambda: [] if not alive(guardian) else [guardian])
        return count

    # ---- kills that it does ------------------------------------------------------------------------------

    async def _kill_guardian(self, client: Client, kind: str) -> None:
        if (guardian := self._guardian(client)) is None:
            raise AssertionError("there is no guardian")
        guardian.kill()
        await self._back(kind, lambda: self._guardian(client) not in (None, guardian))

    async def _kill_server(self, client: Client, kind: str) -> None:
        name = self._chance.choice(["plain", "wrapped", "deaf"])
        await self._replaced(client, kind, name, "pid")

    async def _kill_wrapper(self, client: Client, kind: str) -> None:
        await self._replaced(client, kind, "wrapped", "parent")

    async def _kill_container(self, client: Client, kind: str) -> None:
        await self._replaced(client, kind, self._chance.choice(["boxed", "named"]), "pid")

    async def _kill_engines_client(self, client: Client, kind: str) -> None:
        name = self._chance.choice(["boxed", "named"])
        facts = await self._facts(client, name)
        word = "mine-" if name == "named" else "callmux-boxed-"
        for process in client.ps.children():
            with contextlib.suppress(psutil.Error):
                if any(part.startswith(word) for part in process.cmdline()):
                    process.kill()
        await self._ended(kind, facts)
        await self._facts(client, name, not_pid=facts["pid"])

    async def _kill_grandchild(self, client: Client, kind: str) -> None:
        await self._relative(client, kind)

    async def _kill_session(self, client: Client, kind: str) -> None:
        await self._relative(client, kind)

    async def _kill_daemon(self, client: Client, kind: str) -> None:
        await self._relative(client, kind)

    async def _relative(self, client: Client, kind: str) -> None:
        """One of a server's relatives; the server goes on."""
        facts = await self._facts(client, self._chance.choice(["plain", "wrapped", "deaf"]))
        found = [
            process
            for process in _with(family.FAMILY, facts["family"])
            if _variable(process, family.ROLE) == kind
        ]
        if found:
            self._chance.choice(found).kill()

    async def _replaced(self, client: Client, kind: str, name: str, whom: str) -> None:
        facts = await self._facts(client, name)
        with contextlib.suppress(ProcessLookupError):
            os.kill(facts[whom], signal.SIGKILL)
        if self._chance.random() < 0.5:
            await self._ended(kind, facts)
        await self._facts(client, name, not_pid=facts["pid"])
        await self._ended(kind, facts)

    # ---- looks -------------------------------------------------------------------------------------------

    async def _facts(self, client: Client, name: str, not_pid: int | None = None) -> dict[str, Any]:
        """What a server says of itself, once it is up."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            result = await client.call(f"{name}__pids", {}, SECONDS)
            if not result.get("isError"):
                facts: dict[str, Any] = json.loads(text_of(result))
                if facts["pid"] != not_pid:
                    return facts
            await asyncio.sleep(LOOK_SECONDS)
        raise AssertionError(f'"{name}" is not back: {result}; {client.said[-2000:]}')

    async def _ended(self, kind: str, facts: dict[str, Any]) -> None:
        """Nothing is left of one server."""

        def left() -> list[psutil.Process]:
            found = _with(family.FAMILY, facts["family"])
            with contextlib.suppress(psutil.Error):
                if alive(process := psutil.Process(facts["pid"])):
                    found.append(process)
            return found

        await self._until(kind, left)

    async def _gone(self, kind: str, mark: str) -> None:
        """Nothing is left of one callmux, nor a container."""
        await self._until(kind, lambda: _with(MARK, mark))
        if kind != "callmux and guardian":
            until = time.monotonic() + SECONDS
            while (names := [path.stem for path in self._engine.glob("*.json")]) and time.monotonic() < until:
                await asyncio.sleep(LOOK_SECONDS)
            self._account.survivors += [f"after {kind}: container {name}" for name in names]

    async def _is_gone(self, mark: str, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while (found := _with(MARK, mark)) and time.monotonic() < until:
            await asyncio.sleep(LOOK_SECONDS)
        return not found

    async def _until(self, kind: str, left: Callable[[], list[psutil.Process]]) -> None:
        began = time.monotonic()
        while (found := left()) and time.monotonic() - began < SECONDS:
            await asyncio.sleep(LOOK_SECONDS)
        self._account.took(kind, time.monotonic() - began)
        for process in found:
            with contextlib.suppress(psutil.Error):
                self._account.survivors.append(f"after {kind}: {' '.join(process.cmdline())}")
                process.kill()

    async def _back(self, kind: str, true: Callable[[], bool]) -> None:
        began = time.monotonic()
        while not true():
            assert time.monotonic() - began < SECONDS, f"nothing has come back after {kind}"
            await asyncio.sleep(0.02)
        self._account.took(kind, time.monotonic() - began)

    def _guardian(self, client: Client) -> psutil.Process | None:
        """The guardian of a callmux: its child without a mark."""
        with contextlib.suppress(psutil.Error):
            for child in client.ps.children():
                with contextlib.suppress(psutil.Error):
                    if (
                        any("leftovers.py" in word for word in child.cmdline())
                        and _variable(child, MARK) is None
                    ):
                        return child
        return None


def _variable(process: psutil.Process, name: str) -> str | None:
    with contextlib.suppress(psutil.Error):
        value: str | None = process.environ().get(name)
        return value
    return None


def _with(name: str, value: str) -> list[psutil.Process]:
    """Every living process that has this variable; read by itself, because it is read often."""
    found, wanted = [], f"\0{name}={value}\0".encode()
    for pid in psutil.pids():
        with contextlib.suppress(psutil.Error, OSError):
            if wanted in b"\0" + Path(f"/proc/{pid}/environ").read_bytes() and alive(
                process := psutil.Process(pid)
            ):
                found.append(process)
    return found


async def strike(folder: Path, kills: int, seed: int, lanes: int, told: Callable[[str], None]) -> Account:
    """Strikes at least so often, in some lanes at a time."""
    account = Account()

    async def tell() -> None:
        while True:
            await asyncio.sleep(30)
            told(str(account))

    teller = asyncio.ensure_future(tell())
    try:
        each = -(-kills // lanes)
        users = [Lane(folder / f"user-{n}", seed * 1000 + n, account) for n in range(lanes)]
        await asyncio.gather(*(user.run(each) for user in users))
    finally:
        teller.cancel()
    return account
