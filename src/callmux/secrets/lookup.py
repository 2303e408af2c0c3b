"""Looks up references that take their time, in a thread, so that everything else goes on meanwhile.

Called by `callmux.upstream.links.opening`, and for sign-ins by `callmux.oauth.settings`; the looking up is in
`callmux.secrets.resolving`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from callmux.aside import aside
from callmux.config.references import Template
from callmux.config.servers import HttpServer
from callmux.errors import SecretError
from callmux.secrets.resolving import filled_in, values_of

SECONDS = 60.0
"""How long all the references of a server may take; each command has its own bound."""


async def resolved(
    templates: Mapping[str, Template], base_dir: Path, env: Mapping[str, str]
) -> dict[str, tuple[str, list[str]]]:
    """What templates come to, by their paths: the value, and the secrets in it.

    Raises:
        SecretError: One gives no value; names its path.
    """
    given_up = threading.Event()
    try:
        return await aside(lambda: values_of(templates, base_dir, env, given_up.is_set), SECONDS)
    except TimeoutError:
        raise SecretError(f"{', '.join(templates)} took longer than {SECONDS:g} s to look up") from None
    finally:
        # A command that still runs has nobody left to answer to.
        given_up.set()


async def looked_up(config: HttpServer, base_dir: Path, env: Mapping[str, str]) -> HttpServer:
    """The entry with the references in its headers and URL looked up.

    Raises:
        SecretError: One gives no value.
    """
    if not config.templates:
        return config
    return filled_in(config, await resolved(config.templates, base_dir, env))
