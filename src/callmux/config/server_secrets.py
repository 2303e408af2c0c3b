"""Which values of a server's entry are secrets. Pure.

Called by `callmux.upstream.links.opening`, which opens links, and by `callmux.doctor` for what it says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import unquote

from callmux.config.redact import is_secret_key, secrets_of_command, secrets_of_url
from callmux.config.servers import HttpServer, StdioServer
from callmux.config.veil import HARMLESS_HEADERS, Veil, credentials_in, is_ordinary


def veil_of(
    server: StdioServer | HttpServer,
    values: Iterable[str] = (),
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, str] | None = None,
    inherited: Mapping[str, str] | None = None,
) -> Veil:
    """What is not to be shown of a server.

    Args:
        server: Its entry, variables filled in.
        values: What its `envRefs` give.
        headers: What a client forwards to it.
        more: Variables of its `envFile`.
        inherited: The environment around it: variables with a name such as `GITHUB_TOKEN` count.
    """
    certain: list[str] = list(values)
    likely: list[str] = list(server.filled)
    if isinstance(server, StdioServer):
        for secret, sure in secrets_of_command([server.command, *server.args]):
            (certain if sure else likely).extend(credentials_in(secret))
        for name, value in [*(more or {}).items(), *server.env.items()]:
            (certain if is_secret_key(name) and not is_ordinary(value) else likely).append(value)
            certain += secrets_of_url(value) if "://" in value else ()
        likely += (value for name, value in (inherited or {}).items() if is_secret_key(name))
    else:
        certain += secrets_of_url(server.url)
        for name, value in {**server.headers, **(headers or {})}.items():
            if name.lower() not in HARMLESS_HEADERS:
                certain += credentials_in(value)
    certain += [unquote(value) for value in certain if "%" in value]
    return Veil(certain, likely)
