"""Keeps what a command has seen a server list, so that the first session with it need not wait for it.

Called by `callmux.process.signed_probe`, which looks at servers for doctor, setup and the server commands,
and by `callmux.cli.setup_steps` once the entries are written that were looked at before.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from callmux.config.servers import HttpServer, StdioServer
from callmux.places import known_state_dir
from callmux.upstream.guardian import Guardian
from callmux.upstream.inventory.listings import Listings
from callmux.upstream.links.identity import fingerprint, is_portable
from callmux.upstream.links.opening import Surroundings, secrets_of
from callmux.upstream.probe import Seen


async def keep(server: StdioServer | HttpServer, seen: Seen, env: Mapping[str, str], base_dir: Path) -> None:
    """Keeps what a server has listed where the next process looks for it.

    Args:
        server: Its entry, as it is loaded.
        seen: What it has listed.
        env: The variables there are.
        base_dir: Where relative `file:` references start.
    """
    if (state := known_state_dir(env)) is None:
        return
    around = Surroundings(env=env, base_dir=base_dir, guardian=Guardian(), show=lambda name, line: None)
    facts = fingerprint(server) + secrets_of(server, around)
    listing = Listings(state / "listings").anywhere(facts, portable=is_portable(server))
    await listing.keep(seen.tools, seen.offer)
