"""The servers of one process, with all that they need of it: the environment, a guardian, what is kept.

Called by `callmux.process.host`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from callmux import __version__
from callmux.clock import Clock
from callmux.config.servers import StdioServer
from callmux.errors import StartupFailed
from callmux.observe.bus import Bus
from callmux.places import known_state_dir
from callmux.process.sign_ins import LateSignIns
from callmux.tasks import TaskSet, to_the_end
from callmux.upstream.belongings import abandoned, running, sweep
from callmux.upstream.inventory.listings import Listings
from callmux.upstream.links.head_start import HeadStarts
from callmux.upstream.pool import Pool
from callmux.upstream.server import Server

if TYPE_CHECKING:
    from callmux.stores.tokens import Safe, TokenStore

SWEEP_SECONDS = 600.0
"""How long anybody cares what comes of a sweep."""


def startup_failed(servers: list[Server]) -> StartupFailed:
    """What `strictStartup` makes of servers that are not connected."""
    reasons = "; ".join(f"{server.name}: {server.health.error}" for server in servers)
    return StartupFailed(f"downstream startup failed: {reasons}")


def has_directory(server: object) -> bool:
    """Whether a call's `cwd` can decide where the server runs."""
    return isinstance(server, StdioServer) and server.cwd_mode != "global"


class Supply:
    """What servers are made of.

    Args:
        records: Of what belongs to no callmux any more: it is ended beside all else.

    Attributes:
        pool: The servers.
        sign_ins: Those that the process relies on.
        private: Variables that no server inherits.
    """

    def __init__(
        self, pool: Pool, sign_ins: LateSignIns, private: set[str], records: Sequence[Path] = ()
    ) -> None:
        self.pool = pool
        self.sign_ins = sign_ins
        self.private = private
        self._tasks = TaskSet("what others have left")
        if records:
            self._tasks.spawn(_sweep(records))

    def __repr__(self) -> str:
        return f"Supply({self.pool!r})"

    async def close(self) -> None:
        """Ends all servers, and what goes on for them."""
        await to_the_end(self.pool.close, self.sign_ins.close, self._tasks.cancel)


async def _sweep(records: Sequence[Path]) -> None:
    """Ends what others have left; an engine that hangs does not keep this process from ending."""
    from callmux.aside import aside

    with suppress(TimeoutError):
        await aside(partial(sweep, records), SWEEP_SECONDS)


def supply(
    env: dict[str, str],
    base_dir: Path,
    show: Callable[[str, str], None],
    clock: Clock,
    bus: Bus,
    ahead: HeadStarts | None = None,
    tokens: Callable[[Path, Safe | None], TokenStore] | None = None,
) -> Supply:
    """The servers of a process; there are none yet.

    Args:
        env: The environment.
        base_dir: Where relative `file:` references start.
        show: Takes a server's name and a line it wrote to stderr.
        clock: Time.
        bus: Hears how servers are doing.
        ahead: Servers whose processes run already.
        tokens: Makes the store of signed-in tokens; one of this machine where absent.
    """
    state = known_state_dir(env)
    kept = None if state is None else Listings(state / "listings")
    sign_ins = LateSignIns(env, base_dir, bus, lambda name: pool.retry(name), tokens)
    folder = running(state)
    ahead = ahead or HeadStarts(env, base_dir)
    around = structs.replace(ahead.around, show=show, credentials=sign_ins.credentials)
    pool = Pool(around, {"name": "callmux", "version": __version__}, clock, kept, bus, ahead)
    return Supply(
        pool,
        sign_ins,
        around.private,
        abandoned(folder, around.guardian.instance) if folder is not None else (),
    )
