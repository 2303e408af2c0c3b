"""What a URL of Redis says: which kind of place it is, its hosts, database and credentials. Pure.

Called by `callmux.config.state` for a URL that is written out, and by `callmux.stores.redis_client` once its
references are looked up.
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

Kind = Literal["single", "unix", "sentinel", "cluster"]

SCHEMES: dict[str, tuple[Kind, bool]] = {
    "redis": ("single", False),
    "rediss": ("single", True),
    "unix": ("unix", False),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
}
"""Scheme -> what is there, and whether it speaks TLS."""
PORTS: dict[Kind, int] = {"single": 6379, "unix": 0, "sentinel": 26379, "cluster": 6379}
FORMS = (
    "must be redis://HOST:PORT/DB, rediss://HOST:PORT/DB, unix:///PATH?db=DB, "
    "redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/DB or redis+cluster://HOST:PORT,HOST:PORT"
)


class RedisAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a Redis is.

    Attributes:
        kind: One server, a socket of this machine, servers that know the primary one, or a cluster.
        tls: Whether the connection is encrypted.
        hosts: Names and ports; empty for a socket.
        path: The socket.
        service: The name that sentinels know the primary server by.
        database: The number of the database.
        username: Who signs in, or empty.
        password: The credential, or empty.
    """

    kind: Kind
    tls: bool = False
    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""
    service: str = ""
    database: int = 0
    username: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"RedisAddress({self.shown!r})"

    @property
    def shown(self) -> str:
        """What a message may say of it: no credential."""
        if self.kind == "unix":
            return self.path
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        return f"{hosts}/{self.service}" if self.service else hosts


def read_redis_url(url: str) -> RedisAddress:
    """What a URL says.

    Raises:
        ValueError: It is none; the text says what it must be, without the URL.
    """
    try:
        # Several hosts stand where a URL has one, so that only the rest is read by the usual rules.
        parts = urlsplit(url.strip())
        scheme, place, path, query = parts.scheme, parts.netloc, parts.path, parse_qs(parts.query)
    except ValueError:
        raise ValueError(FORMS) from None
    if scheme not in SCHEMES:
        raise ValueError(FORMS)
    kind, tls = SCHEMES[scheme]
    credentials, _, hosts = place.rpartition("@")
    username, _, password = credentials.partition(":")
    if set(query) - {"db"} or parts.fragment:
        raise ValueError('can have "db" and nothing else behind "?"')
    service, database = "", query.get("db", [""])[-1]
    segments = [unquote(part) for part in path.strip("/").split("/") if part]
    if kind == "unix":
        if hosts or not path.strip("/"):
            raise ValueError("must be unix:///PATH?db=DB: three slashes and the path of a socket")
    elif kind == "sentinel":
        if not segments or len(segments) > 2:
            raise ValueError("must name the service that the sentinels watch: redis+sentinel://HOST/SERVICE")
        service, database = segments[0], segments[1] if len(segments) > 1 else database
    elif len(segments) > (0 if kind == "cluster" else 1):
        raise ValueError("has no database: a cluster has only one" if kind == "cluster" else FORMS)
    elif segments:
        database = segments[0]
    if database and not (database.isascii() and database.isdigit()):
        raise ValueError("must name its database by a number")
    if kind == "single" and "," in hosts:
        raise ValueError("names one host: several are for redis+sentinel:// and redis+cluster://")
    return RedisAddress(
        kind=kind,
        tls=tls,
        hosts=() if kind == "unix" else tuple(_host(one, PORTS[kind]) for one in hosts.split(",")),
        path=unquote(path) if kind == "unix" else "",
        service=service,
        database=int(database or 0),
        username=unquote(username),
        password=unquote(password),
    )


def _host(text: str, port: int) -> tuple[str, int]:
    """A name and a port.

    Raises:
        ValueError: It is none.
    """
    try:
        parts = urlsplit(f"//{text}")
        found = parts.port
        if found == 0:
            raise ValueError
    except ValueError:
        raise ValueError("has a host whose port is no number from 1 to 65535") from None
    if not parts.hostname:
        raise ValueError("must name a host")
    return parts.hostname, port if found is None else found
