"""One HTTP exchange with a listener, bounded in time, whose failures say what to do.

Called by `callmux.cli.doctor` for `callmux.doctor.listener`. `http.client`, because one exchange after the
other is all that is needed.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from collections.abc import Mapping
from typing import Any

from callmux.bridge.endpoint import Endpoint, read_endpoint
from callmux.doctor.listener import ListenerAnswer, Unanswered
from callmux.protocol.http_client import MAX_ANSWER, Redirects, tls_problem
from callmux.protocol.sse import EventBuffer

SECONDS = 10.0
"""How long one exchange may take, connecting included."""
PART = 64 * 1024


class Wire:
    """The way to one listener.

    Args:
        endpoint: Where it is.
        seconds: How long each exchange may take.
    """

    def __init__(self, endpoint: Endpoint, seconds: float = SECONDS) -> None:
        self._endpoint = endpoint
        self._seconds = seconds

    def __call__(
        self, method: str, path: str, headers: Mapping[str, str], message: dict[str, Any] | None = None
    ) -> ListenerAnswer:
        """Sends a request and reads the whole answer; of an event stream, up to the answer to `message`.

        Raises:
            Unanswered: There was no whole answer.
        """
        to, end = self._endpoint, time.monotonic() + self._seconds
        body = None if message is None else json.dumps(message).encode()
        way = Redirects(to.origin + path)
        while True:
            kind = http.client.HTTPSConnection if to.tls else http.client.HTTPConnection
            connection = kind(to.host, to.port, timeout=self._seconds)
            try:
                connection.connect()
                connection.request(method, path, body, {k: v.encode() for k, v in headers.items()})
                connection.sock.settimeout(max(0.001, end - time.monotonic()))
                response = connection.getresponse()
                if way.follow(response.status, response.headers.get("Location")):
                    to = read_endpoint(way.url)
                    path = to.path
                    continue
                awaited = None if message is None else message.get("id")
                return ListenerAnswer(
                    response.status,
                    {name.lower(): value for name, value in response.getheaders()},
                    self._read(connection, response, awaited, end),
                )
            except (OSError, http.client.HTTPException) as error:
                raise Unanswered(self._reason(error)) from None
            finally:
                connection.close()

    def _read(
        self,
        connection: http.client.HTTPConnection,
        response: http.client.HTTPResponse,
        awaited: Any,
        end: float,
    ) -> bytes:
        is_events = response.headers.get_content_type() == "text/event-stream"
        events = EventBuffer(MAX_ANSWER) if is_events else None
        parts: list[bytes] = []
        size = 0
        while True:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            if connection.sock is not None:
                connection.sock.settimeout(left)
            part = response.read1(PART)
            if not part:
                return b"".join(parts)
            size += len(part)
            if size > MAX_ANSWER:
                raise Unanswered(f"its answer is larger than {MAX_ANSWER} bytes")
            if events is None:
                parts.append(part)
                continue
            for event in events.feed(part):
                if _id_of(event.data) == awaited:
                    return event.data

    def _reason(self, error: Exception) -> str:
        origin = self._endpoint.origin
        if isinstance(error, socket.gaierror):
            return f'the host name "{self._endpoint.host}" is not known: correct --url'
        if isinstance(error, ConnectionRefusedError):
            return (
                f"nothing listens at {origin} (connection refused): start it with"
                ' "callmux --listen PORT" or "callmux daemon start", or correct --url'
            )
        if isinstance(error, TimeoutError):
            bound = f"no answer within {self._seconds:g} s"
            return f"{bound}: what listens at {origin} hangs, or a firewall is between"
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"{origin}: {tls_problem(error)}"
        if isinstance(error, ssl.SSLError):
            return f"no TLS at {origin}: try http:// in --url ({error.reason or error})"
        if isinstance(error, http.client.RemoteDisconnected):
            return f"what listens at {origin} closed the connection without an answer: is it another program?"
        if isinstance(error, http.client.BadStatusLine | http.client.UnknownProtocol):
            return f"what listens at {origin} does not speak HTTP: correct the port, or try https:// in --url"
        return (
            f"the connection to {origin} failed: {getattr(error, 'strerror', None) or error or type(error)}"
        )


def _id_of(data: bytes) -> Any:
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return message.get("id") if isinstance(message, dict) and "method" not in message else None
