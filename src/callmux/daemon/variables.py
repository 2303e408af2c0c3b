"""Which environment variables a configuration needs, so that a service can be given them. Pure.

Called by `callmux.cli.daemon` with a configuration whose references are still as they are written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from callmux.config.model import Config
from callmux.config.references import is_variable, template_of
from callmux.config.security import referred, token_variables
from callmux.config.servers import HttpServer, StdioServer

_VARIABLE = re.compile(r"(?<!\$)\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_ASSIGNED = re.compile(r"^\s*([A-Za-z_][A-Za-z0-9_]*)\s*=", re.MULTILINE)


def needed_variables(config: Config) -> list[str]:
    """The names that `env:` references and `${VAR}` without a default use, sorted; disabled servers' not."""
    found = {name for server in config.servers.values() if not server.disabled for name in _of_server(server)}
    return sorted(found | token_variables(config.auth, config.management.auth))


def _of_server(server: StdioServer | HttpServer) -> Iterator[str]:
    texts: list[str]
    if isinstance(server, StdioServer):
        yield from referred(list(server.env_refs.values()))
        texts = [server.command, *server.args, server.cwd or "", server.env_file or "", *server.env.values()]
        values = [*server.args, *server.env.values()]
    else:
        texts = [server.url, *server.headers.values()]
        values = list(server.headers.values())
    for text in texts:
        yield from _VARIABLE.findall(text)
    for value in values:
        yield from (part.rest for part in template_of(value) or () if is_variable(part))


def assigned_variables(text: str) -> set[str]:
    """The names that a file of `KEY=value` lines sets."""
    return set(_ASSIGNED.findall(text))
