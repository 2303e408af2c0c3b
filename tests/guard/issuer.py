"""An issuer of tokens: its keys, what it signs, and a web server that gives documents in every wrong way."""

from __future__ import annotations

import http.server
import json
import threading
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

ISSUER, AUDIENCE = "https://id.example/", "callmux"


@cache
def rsa(name: str = "k1") -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": name, "use": "sig", "alg": "RS256"})


@cache
def ec(name: str = "e1", curve: str = "P-256") -> ECKey:
    return ECKey.generate_key(curve, {"kid": name, "use": "sig"})


def public(*keys: RSAKey | ECKey) -> bytes:
    """The document that lists keys."""
    return json.dumps({"keys": [key.as_dict(private=False) for key in keys]}).encode()


def token(
    key: RSAKey | ECKey | None = None, head: dict[str, Any] | None = None, alg: str = "RS256", **claims: Any
) -> bytes:
    """A signed token; claims and header parameters that are None are left out."""
    key = key or rsa()
    said = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "exp": 1_700_000_300, **claims}
    header = {"alg": alg, "kid": key.kid, "typ": "JWT", **(head or {})}
    return jws.serialize_compact(
        {name: value for name, value in header.items() if value is not None},
        json.dumps({name: value for name, value in said.items() if value is not None}),
        key,
        registry=jws.JWSRegistry(algorithms=[alg], strict_check_header=False),
    ).encode()


def part(value: Any) -> bytes:
    """A part of a token."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(raw).rstrip(b"=")


@asynccontextmanager
async def turn() -> AsyncIterator[None]:
    """A turn for everybody."""
    yield


class Web:
    """A web server on this machine. `answers` has what it gives for each path: a status, headers and a body;
    a body that is None never ends."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, dict[str, str], bytes | None]] = {}
        self.asked: list[str] = []
        self.released = threading.Event()
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.asked.append(self.path)
                status, headers, body = web.answers.get(self.path, (404, {}, b""))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if body is not None:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if body is None:
                    self.wfile.write(b"{")
                    self.wfile.flush()
                    web.released.wait(30)
                else:
                    self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                """Nothing is said."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def web() -> Iterator[Web]:
    server = Web()
    try:
        yield server
    finally:
        server.close()
