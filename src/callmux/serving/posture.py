"""Whether it is safe to listen with a configuration.

Called by `callmux.cli.listen`, `callmux.cli.daemon` and `callmux.library.listener`, before anything starts.
"""

from __future__ import annotations

import logging

from callmux.config.model import Config
from callmux.errors import CallmuxError
from callmux.loopback import is_loopback

log = logging.getLogger("callmux")


class InsecureListener(CallmuxError):
    """Everybody who reaches the address could call every tool."""

    code = "insecure_listener"


def check_posture(config: Config, host: str) -> None:
    """Refuses to listen where that would not be safe.

    Raises:
        InsecureListener: It would not.
    """
    if is_loopback(host) or config.auth is not None:
        return
    if not config.allow_insecure_remote_listener:
        raise InsecureListener(
            f'Refusing insecure remote listener on "{host}": everybody who reaches it could call every tool. '
            "Listen on 127.0.0.1, configure auth, or set allowInsecureRemoteListener if something else "
            "protects it"
        )
    log.warning('listening on "%s" without auth (allowInsecureRemoteListener)', host)
