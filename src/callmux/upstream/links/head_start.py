"""Head starts: processes of servers that start while the rest of callmux is still read in.

Made by `callmux.cli.serve` once a client has greeted: then all servers are to start, and most take as long as
our own imports do. `callmux.upstream.pool` takes each for the first connection of its server; whatever is
true of other links (environment, directory, guardian, bounds) is true of these, since
`callmux.upstream.links.opening` makes them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from callmux.config.model import Config
from callmux.config.security import token_variables
from callmux.config.servers import StdioServer
from callmux.places import known_state_dir
from callmux.tasks import to_the_end, together
from callmux.upstream.belongings import running
from callmux.upstream.failures import CallFailure
from callmux.upstream.guardian import Guardian
from callmux.upstream.links.identity import fingerprint
from callmux.upstream.links.opening import Surroundings, open_link, secrets_of
from callmux.upstream.links.veiled import VeiledLink
from callmux.upstream.process_bound import ONE, ProcessBound


class HeadStart:
    """One server's process, before the server is there.

    Args:
        name: The server's name.
        config: Its entry.
        around: What links need.

    Attributes:
        bound: Counts the processes of this server.

    Raises:
        CallFailure: The configuration gives no link.
    """

    def __init__(self, name: str, config: StdioServer, around: Surroundings) -> None:
        self.bound = ProcessBound(ONE, within=around.bound)
        self._lines: list[tuple[str, str]] = []
        self._show: Callable[[str, str], None] = lambda name, line: self._lines.append((name, line))
        around = msgspec.structs.replace(
            around, show=lambda name, line: self._show(name, line), bound=self.bound
        )
        link = open_link(name, config, around)
        # Secrets that take their time are looked up when the link is opened.
        self._link = link if isinstance(link, VeiledLink) else None

    def __repr__(self) -> str:
        return f"HeadStart({self._link!r})"

    async def begin(self) -> None:
        """Starts the process; what keeps it from starting is said by the attempt that comes later."""
        if self._link is not None:
            try:
                await self._link.start()
            except CallFailure:
                self._link = None

    def take(self, show: Callable[[str, str], None]) -> VeiledLink | None:
        """The link, once; whatever its server has written to stderr by now is shown.

        Args:
            show: Takes the server's name and a line.
        """
        link, self._link = self._link, None
        if link is not None:
            self._show = show
            for name, line in self._lines:
                show(name, line)
        return link

    async def close(self) -> None:
        """Ends the process, unless somebody has taken it."""
        if self._link is not None:
            await self._link.close()


class HeadStarts:
    """Those of all servers.

    Args:
        env: The environment.
        base_dir: Where relative `file:` references start.

    Attributes:
        around: What links need of the process.
    """

    def __init__(self, env: Mapping[str, str], base_dir: Path) -> None:
        guardian = Guardian(running(known_state_dir(env)))
        self.around = Surroundings(
            env=env, base_dir=base_dir, guardian=guardian, show=lambda name, line: None
        )
        self._all: dict[tuple[str, tuple[Any, ...]], HeadStart] = {}

    def __repr__(self) -> str:
        return f"HeadStarts({self._all})"

    async def begin(self, config: Config) -> None:
        """Starts the servers that are to start with the first client, as many as may start at a time."""
        self.around.private.update(token_variables(config.auth, config.management.auth))
        for name, server in _first(config).items():
            try:
                start = HeadStart(name, server, self.around)
            except CallFailure:
                # Its own attempt says why.
                continue
            self._all[name, fingerprint(server) + secrets_of(server, self.around)] = start
        await asyncio.gather(*(start.begin() for start in self._all.values()))

    def of(self, key: tuple[str, tuple[Any, ...]]) -> HeadStart | None:
        """That of a server, by its name and what it is run with."""
        return self._all.get(key)

    async def end_unused(self) -> None:
        """Ends what no server has taken, such as that of a client that has left."""
        starts, self._all = self._all, {}
        await together(*(start.close() for start in starts.values()))

    async def close(self) -> None:
        """Ends all that is left of servers."""
        await to_the_end(self.end_unused, self.around.guardian.end)


def _first(config: Config) -> dict[str, StdioServer]:
    """The servers with a process that start at once when the first client comes."""
    enabled = [name for name, server in config.servers.items() if not server.disabled]
    at_once = [name for name in enabled if not config.is_lazy(name)][: config.max_concurrent_starts]
    processes = {n: s for n in at_once if isinstance(s := config.servers[n], StdioServer)}
    most = len(processes) if config.max_processes is None else config.max_processes
    return dict(list(processes.items())[:most])
