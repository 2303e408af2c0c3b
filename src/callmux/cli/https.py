"""Whether a listener speaks https, and with which certificate: by its flags, else by its configuration.

Called by `callmux.cli.listen`, at its start and with each configuration that takes effect.
"""

from __future__ import annotations

import logging
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callmux.config.model import Config

if TYPE_CHECKING:
    import ssl

    from callmux.transport.http.certificates import Certificates, Pair

log = logging.getLogger("callmux")


class Https:
    """The certificate of one listener.

    Args:
        flags: `--tls-cert` and `--tls-key`.
        config: The first configuration.

    Raises:
        CertificateUnusable: There is to be one, and it cannot be used.
    """

    def __init__(self, flags: tuple[str, str] | None, config: Config) -> None:
        self._flags = flags
        pair = self._pair(config)
        self._certificates: Certificates | None = None
        if pair is not None:
            # It loads `ssl`, which a listener without a certificate does not need.
            from callmux.transport.http.certificates import Certificates

            self._certificates = Certificates(pair)

    @property
    def scheme(self) -> str:
        """What addresses of the listener begin with."""
        return "http" if self._certificates is None else "https"

    @property
    def context(self) -> ssl.SSLContext | None:
        """What connections are opened with."""
        return None if self._certificates is None else self._certificates.context

    def configured(self, config: Config) -> None:
        """A configuration takes effect: its files are read, and used if they can be."""
        pair = self._pair(config)
        if (pair is None) != (self._certificates is None):
            now = "without a certificate" if pair is None else "with one"
            log.warning("tls: the listener goes on as it began; restart callmux to listen %s", now)
        elif pair is not None and self._certificates is not None:
            self._certificates.renew(pair)

    def kept_fresh(self) -> Coroutine[Any, Any, None] | None:
        """Reads the files again whenever they change; None where there are none."""
        return None if self._certificates is None else self._certificates.keep_fresh()

    def _pair(self, config: Config) -> Pair | None:
        if self._flags is not None:
            cert, key = self._flags
        elif config.tls is not None:
            cert, key = config.tls.cert_file, config.tls.key_file
        else:
            return None
        from callmux.transport.http.certificates import Pair

        return Pair(Path(cert), Path(key))
