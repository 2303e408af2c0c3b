"""The certificate that a listener shows, and its private key: read, checked, and read again when they change.

Made by `callmux.cli.https`, for `callmux.transport.http.serve`; `callmux.doctor.checks` asks whether a pair
can be used. Connections that are open keep what they began with.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from callmux.config.sources import Signature, signature
from callmux.errors import CallmuxError

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
"""How often the files are looked at. A change counts once they have been still for as long."""
SOON = timedelta(days=14)
"""How long before its end a certificate is warned about."""
MAX_BYTES = 1024 * 1024


class CertificateUnusable(CallmuxError):
    """A certificate or a key that cannot be used."""

    code = "certificate_unusable"


class Pair(NamedTuple):
    """The files of a certificate and its key.

    Attributes:
        cert: The certificate, and after it those between it and a root, in PEM.
        key: Its private key in PEM, without a password.
    """

    cert: Path
    key: Path

    @property
    def signatures(self) -> tuple[Signature, Signature]:
        """What changes when one of the files does."""
        return signature(self.cert), signature(self.key)


class Certificates:
    """What a listener shows to clients.

    Args:
        pair: The files.
        now: The time.

    Attributes:
        context: What new connections are opened with.

    Raises:
        CertificateUnusable: They cannot be used.
    """

    def __init__(self, pair: Pair, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._pair = pair
        self._seen = pair.signatures
        self.context = checked(pair, now())

    async def keep_fresh(self) -> None:
        """Reads the files again whenever they have changed, until it is cancelled."""
        last = tried = self._seen
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            now = self._pair.signatures
            if now == last and now not in (tried, self._seen):
                tried = now
                self.renew(self._pair)
            last = now

    def renew(self, pair: Pair) -> None:
        """Shows these from the next connection on. Where they cannot be used, this is logged and those before
        go on."""
        seen = pair.signatures
        if (pair, seen) == (self._pair, self._seen):
            return
        try:
            checked(pair, self._now())
            # What could go wrong has gone right once: the context that connections use is never half changed.
            self.context.load_cert_chain(pair.cert, pair.key, password=_no_password)
        except CertificateUnusable as error:
            log.error("the certificate is not renewed, the one before goes on: %s", error.message)
            return
        self._pair, self._seen = pair, seen
        log.info("new connections get the certificate in %s", pair.cert)


def checked(pair: Pair, now: datetime) -> ssl.SSLContext:
    """A context that shows this certificate; warns where it ends soon or others can read the key.

    Raises:
        CertificateUnusable: It cannot be used; says which file and why.
    """
    # Loaded where TLS is asked for: its import takes as long as that of all of callmux.
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificates

    cert, key = _read(pair.cert, "certificate"), _read(pair.key, "key")
    try:
        chain = load_pem_x509_certificates(cert)
    except ValueError as error:
        raise _unusable(pair.cert, f"holds no certificate in PEM ({_first_line(error)})") from None
    try:
        private = load_pem_private_key(key, None)
    except TypeError:
        raise _unusable(pair.key, "has a password: give one without, readable by this user alone") from None
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _unusable(pair.key, f"holds no private key in PEM ({_first_line(error)})") from None

    def public(part: object) -> bytes:
        found: bytes = part.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
        return found

    fitting = [n for n, each in enumerate(chain) if public(each) == public(private)]
    if not fitting:
        raise _unusable(pair.key, f"does not fit the certificate in {pair.cert}")
    if fitting[0] != 0:
        raise _unusable(pair.cert, "must begin with the certificate of this server; others stand after it")
    _check_dates(chain[0], pair.cert, now)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(pair.cert, pair.key, password=_no_password)
    except (ssl.SSLError, OSError) as error:
        raise _unusable(pair.cert, f"cannot be used: {error}") from None
    mode = os.stat(pair.key).st_mode
    if os.name == "posix" and mode & 0o044:
        log.warning("%s can be read by other users: chmod 600 it", pair.key)
    return context


def _read(path: Path, what: str) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _unusable(path, f"is too large for a {what}")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _unusable(path, f"cannot be read as the {what}: {reason}") from None


def _check_dates(certificate: Certificate, path: Path, now: datetime) -> None:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now >= ends:
        raise _unusable(path, f"expired on {ends:%Y-%m-%d %H:%M} UTC: put a new one in its place")
    if now < begins:
        raise _unusable(path, f"is valid from {begins:%Y-%m-%d %H:%M} UTC only: is the clock right?")
    if ends - now < SOON:
        log.warning("the certificate in %s expires on %s UTC", path, f"{ends:%Y-%m-%d %H:%M}")


def _unusable(path: Path, reason: str) -> CertificateUnusable:
    return CertificateUnusable(f"{path} {reason}")


def _no_password() -> bytes:
    """Keeps OpenSSL from asking at the terminal."""
    return b""


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
