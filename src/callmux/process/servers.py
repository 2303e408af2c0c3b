"""The servers of one process, with all that they need of it: the environment, a guardian, what is kept.

Called by `callmux.process.host`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from callmux import __version__
from callmux.clock import Clock
from callmux.observe.bus import Bus
from callmux.places import known_state_dir
from callmux.process.sign_ins import LateSignIns
from callmux.upstream.guardian import Guardian
from callmux.upstream.inventory.listings import Listings
from callmux.upstream.links.opening import Surroundings
from callmux.upstream.pool import Pool


class Supply:
    """What servers are made of.

    Attributes:
        pool: The servers.
        sign_ins: Those that the process relies on.
        private: Variables that no server inherits.
    """

    def __init__(self, pool: Pool, sign_ins: LateSignIns, private: set[str]) -> None:
        self.pool = pool
        self.sign_ins = sign_ins
        self.private = private

    def __repr__(self) -> str:
        return f"Supply({self.pool!r})"

    async def close(self) -> None:
        """Ends all servers, and what goes on for them."""
        await self.pool.close()
        await self.sign_ins.close()


def supply(
    env: dict[str, str], base_dir: Path, show: Callable[[str, str], None], clock: Clock, bus: Bus
) -> Supply:
    """The servers of a process; there are none yet.

    Args:
        env: The environment.
        base_dir: Where relative `file:` references start.
        show: Takes a server's name and a line it wrote to stderr.
        clock: Time.
        bus: Hears how servers are doing.
    """
    state = known_state_dir(env)
    kept = None if state is None else Listings(state / "listings")
    sign_ins = LateSignIns(env, base_dir, bus, lambda name: pool.retry(name))
    guardian, give = Guardian(), sign_ins.credentials
    around = Surroundings(env=env, base_dir=base_dir, guardian=guardian, show=show, credentials=give)
    pool = Pool(around, {"name": "callmux", "version": __version__}, clock, kept, bus)
    return Supply(pool, sign_ins, around.private)
