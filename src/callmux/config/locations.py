"""Whether the directories and addresses that servers name can be right.

Called by `callmux config check`. Looks at the file system, asks no server.
"""

from __future__ import annotations

import os.path
from collections.abc import Iterator
from urllib.parse import urlsplit

from callmux.config.model import Config
from callmux.config.servers import HttpServer


def wrong_places(config: Config, key: str) -> Iterator[str]:
    """One sentence for each directory that is not there and each address that is none.

    Args:
        config: With its variables filled in. Disabled servers, and those that have another problem, are
            passed over.
        key: Where the servers stand: `servers` or `mcpServers`.
    """
    for name, server in config.servers.items():
        if server.disabled or server.problem is not None:
            continue
        if isinstance(server, HttpServer):
            if (reason := _not_an_endpoint(server.url)) is not None:
                yield f"{key}.{name}.url {reason}"
        elif server.cwd is not None and os.path.isabs(server.cwd) and not os.path.isdir(server.cwd):
            # A relative one counts from where callmux will be started, which nobody knows here.
            what = "is not a directory" if os.path.exists(server.cwd) else "is not there"
            yield f'{key}.{name}.cwd: the directory "{server.cwd}" {what}'


def _not_an_endpoint(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return f"is not a valid URL: {error}"
    if parts.scheme.lower() not in ("http", "https"):
        return "must begin with http:// or https://"
    return None if host else "must name a host, as in https://example.com/mcp"
