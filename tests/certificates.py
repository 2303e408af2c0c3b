"""Certificates for tests, made when they are needed: an authority, and what it issues for `localhost`."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey


_SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
"""What the key of an authority is for, as Python 3.13 wants to be told."""


class Authority:
    """Whoever issues certificates.

    Attributes:
        file: Its own certificate, for clients.
    """

    def __init__(self, folder: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test Authority")])
        self._folder = folder
        now = datetime.now(UTC)
        own = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_SIGNS, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.own = own.public_bytes(Encoding.PEM)
        self.file = folder / "authority.pem"
        self.file.write_bytes(self.own)

    def issue(
        self,
        name: str = "server",
        *,
        begins: timedelta = timedelta(days=-1),
        ends: timedelta = timedelta(days=30),
        password: bytes | None = None,
    ) -> tuple[Path, Path]:
        """The files of a new certificate for `localhost` and its key.

        Args:
            name: Of the files, and the certificate's common name.
            begins, ends: From and until when it is valid, seen from now.
            password: Of the key.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        # Python 3.13 wants to be told whose key signed.
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(issuer, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        cert_file, key_file = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        _write(cert_file, certificate.public_bytes(Encoding.PEM))
        sealed = NoEncryption() if password is None else BestAvailableEncryption(password)
        _write(key_file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed))
        return cert_file, key_file


def _write(path: Path, data: bytes) -> None:
    """As whoever renews certificates does: at once, by renaming, for the owner only."""
    beside = path.with_suffix(".new")
    beside.touch(0o600)
    beside.write_bytes(data)
    beside.replace(path)
