"""What may come in at all: whose page is asking, and how large a body is read.

Called by `callmux.transport.http.app` and its endpoints, before anything is parsed. Limits:
docs/configuration.md, `requestBodyMaxBytes`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from itertools import count, islice
from urllib.parse import urlsplit

from callmux.config.model import Config
from callmux.guard.forwarded import Forwarded
from callmux.loopback import is_loopback
from callmux.protocol import jsonrpc
from callmux.transport.http.exchange import Exchange, Refusal

OVERRIDE = "x-callmux-max-body-bytes"
PROXIED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
"""Headers that proxies add."""
_HEADER_NAMES = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,2000}")
_HOST = re.compile(r"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
"""Nothing that one program takes for a user, a path or a second name, and another does not."""
_CHANCE = os.urandom(10).hex()
_BEGINNING = f"{_CHANCE[:8]}-{_CHANCE[8:12]}-4{_CHANCE[12:15]}-a{_CHANCE[15:18]}-"
_COUNT = count(int.from_bytes(os.urandom(5), "big"))
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def request_id(given: str | None) -> str:
    """The caller's id where it is a sane one, else a new one."""
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    # Shaped like a version 4 UUID (RFC 9562, 5.4): chance is that of the process, and the rest counts.
    return _BEGINNING + "%012x" % (next(_COUNT) & 0xFFFFFFFFFFFF)


def own_id(fields: Sequence[tuple[bytes, bytes]]) -> str | None:
    """The id that a caller, or a proxy before us, gave a request; that of the first where it gave several."""
    given = next((value for name, value in fields if name == b"x-request-id"), None)
    return None if given is None else given.decode("latin-1")


def is_elsewhere(exchange: Exchange) -> bool:
    """Whether a request comes from another machine, or may: a proxy on this one says for whom it asks."""
    if any(name in exchange.headers for name in PROXIED):
        return True
    return exchange.peer is None or not is_loopback(exchange.peer)


def check_origin(exchange: Exchange, loopback: bool, forwarded: Forwarded | None = None) -> None:
    """Refuses what a web page may have sent (MCP 2025-11-25, basic/transports, "Security Warning").

    Args:
        loopback: Whether we listen on this machine only, so every honest caller says so in its `Host`.
        forwarded: Knows which proxies are believed about the address that a browser asked for.

    Raises:
        Refusal: 403.
    """
    host = _host_of(exchange.headers.get("host", ""))
    if loopback and (host is None or not is_loopback(host)):
        raise Refusal(403, "the Host header must name this machine: localhost or 127.0.0.1")
    if forwarded is not None:
        exchange.seen_host = forwarded.host(exchange.peer, exchange.headers)
        exchange.seen_https = forwarded.is_https(exchange.peer, exchange.headers)
    origin = exchange.headers.get("origin")
    if origin is None:
        return
    from_page = _host_of_page(origin)
    seen = None if exchange.seen_host is None else _host_of(exchange.seen_host)
    if from_page is None or (from_page not in (host, seen) and not (is_loopback(from_page) and loopback)):
        raise Refusal(403, "requests of web pages of another origin are refused")
    # Its page may read the answer: a page of another port is of another origin for a browser.
    exchange.origin = origin


def check_headers(exchange: Exchange) -> None:
    """Refuses a request whose headers say two things.

    Raises:
        Refusal: 400.
    """
    if exchange.repeated is not None:
        raise Refusal(400, f"the header {exchange.repeated} is given more than once: send one", -32600)


async def answer_options(exchange: Exchange, methods: str) -> None:
    """Says what an endpoint takes; to a page whose origin is accepted, that it may ask (the Fetch standard's
    CORS preflight)."""
    headers = {"Allow": methods}
    if exchange.origin is not None:
        asked = exchange.headers.get("access-control-request-headers", "")
        headers["access-control-allow-methods"] = methods
        headers["access-control-max-age"] = "600"
        if _HEADER_NAMES.fullmatch(asked):
            headers["access-control-allow-headers"] = asked
        if exchange.headers.get("access-control-request-private-network") == "true":
            headers["access-control-allow-private-network"] = "true"
    await exchange.answer(204, headers=headers)


def _host_of_page(origin: str) -> str | None:
    """The host in an origin; None where there is none, or where it is nonsense."""
    try:
        return _host_of(urlsplit(origin).netloc) if "://" in origin else None
    except ValueError:
        return None


def _host_of(netloc: str) -> str | None:
    """The host in `host:port`; None where there is none, or where it is nonsense."""
    if not _HOST.fullmatch(netloc):
        return None
    try:
        return urlsplit(f"//{netloc}").hostname
    except ValueError:
        return None


MOST_NAMES = 100
"""Names at the head of a large body that are looked at."""
_NAMES = re.compile(rb'"(?:name|tool|server)"\s*:\s*"([^"\\]{1,200})"')


class BodyLimits:
    """How large bodies may be, for one configuration. 0 means any size.

    Args:
        config: The configuration.
        targets: Gives the servers that a parsed `tools/call` goes to.
    """

    def __init__(self, config: Config, targets: Callable[[bytes], Sequence[str]]) -> None:
        self._global = config.request_body_max_bytes
        self._allow_override = config.allow_request_body_max_override
        self._servers = {
            name: server.request_body_max_bytes
            for name, server in config.servers.items()
            if server.request_body_max_bytes is not None
        }
        self._targets = targets
        limits = [self._global, *self._servers.values()]
        self._most = 0 if 0 in limits else max(limits)

    @property
    def most(self) -> int:
        """The largest body that any request may have; 0 for any size."""
        return 0 if self._allow_override else self._most

    @property
    def least(self) -> int:
        """The smallest limit there is; 0 for none."""
        return min(self._finite(), default=0)

    async def read(self, exchange: Exchange) -> bytes:
        """The body.

        Raises:
            Refusal: It is too large, or its limit is none, or it is compressed.
            ClientLeft: The client left before it was complete.
        """
        coding = exchange.headers.get("content-encoding", "identity").strip().lower()
        if coding not in ("", "identity"):
            message = (
                f"a body in the content coding {coding[:40]} is not taken: send it without Content-Encoding"
            )
            raise Refusal(415, message, -32000, headers={"Accept-Encoding": "identity"})
        override = self._override(exchange)
        finite = self._finite()
        if override is not None:
            body = await read_body(exchange, override)
        elif self._most or not finite:
            body = await read_body(exchange, self._most)
        else:
            body = await read_body(exchange, max(finite), self._may_be_larger)
        if override is None and self._servers and len(body) > min(finite, default=0):
            limit = self._limit_of(body)
            if limit and len(body) > limit:
                raise too_large(limit, body, len(body))
        elif override is None and self._global and len(body) > self._global:
            raise too_large(self._global, body, len(body))
        return body

    def _finite(self) -> list[int]:
        return [limit for limit in (self._global, *self._servers.values()) if limit]

    def _limit_of(self, body: bytes) -> int:
        """The smallest limit among the servers the request goes to; the global one where it goes to none."""
        named = [self._servers.get(server, self._global) for server in self._targets(body)]
        finite = [limit for limit in named if limit]
        return min(finite) if finite else (0 if named else self._global)

    def _may_be_larger(self, head: bytes) -> bool:
        """Whether a body that begins like this may go to a server that takes any size.

        A name can stand anywhere in it, so this is no more than a guess that spares us from reading what
        nobody takes: the whole body decides.
        """
        names = dict.fromkeys(match[1] for match in islice(_NAMES.finditer(head), MOST_NAMES))
        calls = (b'{"jsonrpc":"2.0","id":0,"method":"tools/call","params":{"name":"%b"}}' % n for n in names)
        servers = {server for call in calls for server in self._targets(call)}
        servers |= {name.decode("utf-8", "replace") for name in names} & self._servers.keys()
        if not servers:
            return self._global == 0
        return any(self._servers.get(server, self._global) == 0 for server in servers)

    def _override(self, exchange: Exchange) -> int | None:
        text = exchange.headers.get(OVERRIDE)
        if text is None:
            return None
        if not self._allow_override:
            raise Refusal(400, f"{OVERRIDE} is not allowed by configuration (allowRequestBodyMaxOverride)")
        if not re.fullmatch(r"[0-9]{1,15}", text.strip()):
            raise Refusal(400, f"{OVERRIDE} must be a non-negative integer")
        return int(text)


class ClientLeft(Exception):
    """The client closed the connection before its request was complete."""


def too_large(limit: int, head: bytes = b"", size: int | None = None) -> Refusal:
    """The refusal of a body.

    Args:
        limit: Bytes that it may have.
        head: As much as was read of it, where that may tell which request it is.
        size: Its bytes, where they are known.
    """
    found = f"{size} bytes" if size is not None else "more"
    message = (
        f"Payload too large: the arguments are over requestBodyMaxBytes ({limit} bytes; there are {found}). "
        "Send less, or raise requestBodyMaxBytes in the configuration of the listener"
    )
    return Refusal(413, message, -32600, jsonrpc.oversized(head, limit).id, limit="requestBodyMaxBytes")


async def read_body(
    exchange: Exchange, most: int, may_be_larger: Callable[[bytes], bool] | None = None
) -> bytes:
    """The whole body, of at most `most` bytes (0: any).

    Args:
        may_be_larger: Asked with what was read, once that is more: whether to read on without a bound.

    Raises:
        Refusal: It is larger.
        ClientLeft: The client left before it was complete.
    """
    length = exchange.headers.get("content-length", "")
    if most and may_be_larger is None and length.isdigit() and int(length) > most:
        raise too_large(most, size=int(length))
    parts: list[bytes] = []
    size = 0
    while True:
        event = await exchange.receive()
        if event["type"] == "http.disconnect":
            raise ClientLeft
        part: bytes = event.get("body", b"")
        if part:
            parts.append(part)
            size += len(part)
            if most and size > most:
                if may_be_larger is None or not may_be_larger(b"".join(parts)):
                    raise too_large(most, b"".join(parts))
                most = 0
        if not event.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)
