"""One look at one server, with the sign-in that is kept for it.

Called by `callmux.cli.doctor`, `callmux.cli.server_try`, `callmux.cli.setup_steps` and
`callmux.cli.tool_choice`, which try servers. A server that wants a person to sign in is told from one that
does not work.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from callmux.config.servers import HttpServer, StdioServer
from callmux.process.kept import keep
from callmux.process.sign_ins import LateSignIns
from callmux.upstream.probe import ProbeResult
from callmux.upstream.probe import probe as plain_probe


async def probe(
    name: str,
    server: StdioServer | HttpServer,
    *,
    timeout_seconds: float,
    base_dir: Path,
    heard: Callable[[str], None] = lambda line: None,
    kept: bool = True,
) -> ProbeResult:
    """Connects to `server`, lists its tools and ends it again; see `callmux.upstream.probe`. What it lists is
    kept for the first session with it.

    Args:
        kept: Whether it may be.
    """
    sign_ins = LateSignIns(os.environ, base_dir)
    try:
        result = await plain_probe(
            name,
            server,
            timeout_seconds=timeout_seconds,
            base_dir=base_dir,
            heard=heard,
            credentials=sign_ins.credentials,
        )
        if kept and result.seen is not None:
            await keep(server, result.seen, os.environ, base_dir)
        return result
    finally:
        await sign_ins.close()
