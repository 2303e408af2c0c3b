"""What a listener tells the service manager that runs it (systemd's `sd_notify` protocol: `Type=notify`).

Called by `callmux.cli.listen`. Where nobody asked to be told, nothing is sent.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import MutableMapping

log = logging.getLogger("callmux")

VARIABLE = "NOTIFY_SOCKET"


class Supervisor:
    """The service manager.

    Args:
        env: The environment; the variable is taken out of it, so that no server speaks in our place.
    """

    def __init__(self, env: MutableMapping[str, str]) -> None:
        self._address = env.pop(VARIABLE, "")

    def ready(self) -> None:
        """We answer now, and are the service's main process, whichever started it."""
        self._tell(f"MAINPID={os.getpid()}\nREADY=1")

    def stopping(self) -> None:
        """We are about to end."""
        self._tell("STOPPING=1")

    def _tell(self, text: str) -> None:
        if not self._address:
            return
        # A leading @ stands for an address outside the file system.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
                channel.connect(address)
                channel.sendall(text.encode())
        except OSError as error:
            log.warning("%s is set, but nothing listens there: %s", VARIABLE, error)
