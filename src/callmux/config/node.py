"""How other listeners reach this one: the section `node` of `state`. Pure.

Read through `callmux.config.state`; used by `callmux.serving.clustering`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from callmux.config import kinds
from callmux.config.section import Problem, Section

ADDRESS = 'must be "http://HOST:PORT" or "https://HOST:PORT", without a user, a path or anything else'
NEEDS_TLS = "is https: give the certificate that this node shows to the others in tls"
NEEDS_HTTPS = "must be https: this node shows a certificate (tls)"
LONGEST_NAME = 100


class NodeTls(Section, frozen=True, kw_only=True):
    """That nodes speak https with each other.

    Attributes:
        cert_file: The certificate that this node shows to the others, with those between it and a root after
            it, in PEM, relative to the configuration file. A new one is used as soon as it is there.
        key_file: Its private key in PEM, without a password.
        ca_file: The certificates that the others are checked by; those of the system where absent.
    """

    cert_file: kinds.NonBlank
    key_file: kinds.NonBlank
    ca_file: kinds.NonBlank | None = None


class NodeSection(Section, frozen=True, kw_only=True):
    """This listener as one of several that are one for their clients.

    Attributes:
        listen: Where other nodes are listened for, `HOST:PORT`: a port that no client can reach; 0 takes any
            that is free.
        address: How other nodes reach it, `http://HOST:PORT`, with `tls` `https://HOST:PORT`; made of
            `listen` where absent.
        name: What status and metrics call the node; the name of the machine and the port where absent.
        tls: That nodes speak https with each other.
    """

    listen: kinds.NonBlank
    address: kinds.NonBlank | None = None
    name: kinds.NonBlank | None = None
    tls: NodeTls | None = None

    @staticmethod
    def conflicts(raw: Mapping[str, Any]) -> Iterable[Problem]:
        listen, address, name = raw.get("listen"), raw.get("address"), raw.get("name")
        if isinstance(listen, str) and "${" not in listen:
            try:
                read_place(listen)
            except ValueError as error:
                yield "listen", str(error)
        if isinstance(address, str) and "${" not in address:
            try:
                check_scheme(read_address(address), isinstance(raw.get("tls"), dict))
            except ValueError as error:
                yield "address", str(error)
        if isinstance(name, str) and "${" not in name:
            try:
                read_name(name)
            except ValueError as error:
                yield "name", str(error)


def read_place(text: str) -> tuple[str, int]:
    """The host and the port of `HOST:PORT`.

    Raises:
        ValueError: It is not that.
    """
    host, _, port = text.strip().rpartition(":")
    if not host.strip("[]") or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError('must be "HOST:PORT", such as "127.0.0.1:4870"')
    return _spelled(host.strip("[]")), int(port)


def read_address(text: str) -> str:
    """An address, in the one spelling that it has here: nodes are told apart by it.

    Raises:
        ValueError: It is none.
    """
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        raise ValueError(ADDRESS) from None
    has_more = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in ("http", "https") or not parts.hostname or not port or has_more:
        raise ValueError(ADDRESS)
    return address_at(parts.scheme, parts.hostname, port)


def address_at(scheme: str, host: str, port: int) -> str:
    """The address of a place, in its one spelling."""
    host = _spelled(host)
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def _spelled(host: str) -> str:
    """A host in small letters, an IPv6 address in its shortest form."""
    if ":" in host:
        from ipaddress import IPv6Address  # nobody needs it else

        with suppress(ValueError):
            return IPv6Address(host).compressed
    return host.lower()


def check_scheme(address: str, tls: bool) -> None:
    """Whether a node is reached as it speaks.

    Raises:
        ValueError: It is not.
    """
    if address.startswith("https:") != tls:
        raise ValueError(NEEDS_HTTPS if tls else NEEDS_TLS)


def read_name(text: str) -> str:
    """What people call a node: it stands in logs, metrics and headers.

    Raises:
        ValueError: It is none.
    """
    name = text.strip()
    if not name or not name.isprintable() or len(name) > LONGEST_NAME:
        raise ValueError(f"must be 1 to {LONGEST_NAME} characters without line ends or control characters")
    return name
