"""What makes a server the one it is: what it is run with, as something that can be compared and kept. Pure.

Called by `callmux.upstream.pool` (is it still the same server?) and by `callmux.process.kept` (whose listing
is that?).
"""

from __future__ import annotations

from typing import Any, TypeAlias

from callmux.config.servers import HttpServer, StdioServer

ServerConfig: TypeAlias = StdioServer | HttpServer


def fingerprint(config: ServerConfig) -> tuple[Any, ...]:
    """What decides whether a connection can go on being used."""
    if isinstance(config, StdioServer):
        env, refs = sorted(config.env.items()), sorted(config.env_refs.items())
        # It decides whether its process has a mark. What is kept of servers from before has no such word.
        mark = () if config.detached == "end" else (config.detached,)
        more = (config.env_file, config.cwd, config.problem, *mark)
        return "stdio", config.command, config.args, tuple(env), tuple(refs), *more
    headers, signing = tuple(sorted(config.headers.items())), (config.oauth, config.sign_in, config.apart)
    return "http", config.url, config.transport, headers, config.problem, *signing


def is_portable(config: ServerConfig) -> bool:
    """Whether it is the same in whatever directory callmux runs."""
    return isinstance(config, HttpServer) or config.cwd is not None or config.cwd_mode == "global"
