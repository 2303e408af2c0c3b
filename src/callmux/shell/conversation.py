"""One short MCP session with a listener, over one connection.

Called by `callmux.cli.conversing` and `callmux.cli.tools`. `http.client`, because it is there: anything
faster per request takes longer to import than the whole exchange.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any

from callmux.bridge.endpoint import Endpoint, read_endpoint
from callmux.protocol.failure_points import Carrier, Point, known
from callmux.protocol.http_client import (
    MAX_ANSWER,
    Redirects,
    refusal_point,
    request_head,
    session_id_of,
    tls_problem,
)
from callmux.shell import message
from callmux.shell.failure import ShellFailed

CONNECT_SECONDS = 10.0
"""How long making the connection may take; an answer may take as long as it likes."""
FAREWELL_SECONDS = 2.0
"""How long the end of the session may take: nobody waits for what it says."""
PART = 64 * 1024
SHOWN = 300
"""Characters that are shown of an error page."""

SESSION = "mcp-session-id"


class Conversation:
    """A session, for use in a `with` block: begun when the first question is asked, ended in any case.

    Args:
        endpoint: The listener.
        headers: What goes with every request: the user's own, the directory, the token.
        identity: Says what was shown for credentials, such as `sent the token of CALLMUX_TOKEN`.
        seconds: How long all of it may take, the time of questions aside; None for no bound.
        answer: Gives the answer to a request of the server's; None where nobody sits at a terminal.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        headers: Mapping[str, str],
        identity: str,
        seconds: float | None = None,
        answer: Callable[[dict[str, Any]], bytes] | None = None,
    ) -> None:
        self._answer = answer
        self._endpoint = endpoint
        self._identity = identity
        self._seconds = seconds
        self._given = headers
        self._end = None if seconds is None else time.monotonic() + seconds
        self._headers: dict[str, str | bytes] = {
            **{name: value.encode() for name, value in headers.items()},
            **request_head(body=True, session_id=None, version=None),
        }
        connect = CONNECT_SECONDS if seconds is None else min(CONNECT_SECONDS, max(seconds, 0.001))
        self._connect_seconds = connect
        self._http = self._connection(endpoint)
        self._last_id = 0
        self._idle = True
        self._session: str | None = None

    def _connection(self, to: Endpoint) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if to.tls else http.client.HTTPConnection
        return kind(to.host, to.port, timeout=self._connect_seconds)

    def __enter__(self) -> Conversation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, method: str, params: str) -> dict[str, Any]:
        """The result of a request; `params` is JSON text.

        Raises:
            ShellFailed: There was none.
        """
        if self._session is None:
            self._begin()
        return self._request(method, params)

    def close(self) -> None:
        """Ends the session and the connection; never raises."""
        session, self._session = self._session, None
        try:
            if session is not None:
                if not self._idle:
                    # An answer that nobody reads any more, after Ctrl-C or in vain, holds this connection.
                    self._http.close()
                self._http.timeout = FAREWELL_SECONDS
                if self._http.sock is not None:
                    self._http.sock.settimeout(FAREWELL_SECONDS)
                self._http.request("DELETE", self._endpoint.path, headers=self._headers)
                self._http.getresponse().read()
        except (OSError, http.client.HTTPException):
            # The listener forgets a session that nobody uses, too.
            pass
        finally:
            self._http.close()

    def _begin(self) -> None:
        try:
            self._http.connect()
        except OSError as error:
            said = f"failed to reach listener at {self._endpoint.url}: {_reason(error)}"
            if tls_problem(error) is None:
                said += (
                    '. Is it running? Start one with "callmux --listen 4860", name another with --url,'
                    " or use none with --direct"
                )
            raise ShellFailed(said) from None
        hello = self._request("initialize", message.initialize(asks=self._answer is not None))
        if self._session is None:
            raise ShellFailed(
                f"the listener at {self._endpoint.url} gave no session id: is the path of --url /mcp?"
            )
        self._headers[SESSION] = self._session
        self._headers["mcp-protocol-version"] = str(hello.get("protocolVersion", message.PROTOCOL_VERSION))
        # Not every server answers requests before this.
        method = "notifications/initialized"
        for _ in self._parts(self._post(method, message.INITIALIZED), method):
            pass

    def _request(self, method: str, params: str) -> dict[str, Any]:
        self._last_id += 1
        response = self._post(method, message.request(self._last_id, method, params))
        if method == "initialize":
            self._session = self._named(response)
        try:
            if response.headers.get_content_type() == "text/event-stream":
                found = self._from_events(response, method)
            else:
                found = message.parse(b"".join(self._parts(response, method)))
        except ValueError:
            unknown = _unknown(method, Point.WITHOUT_RESULT)
            raise ShellFailed(f"the listener's answer to {method} is not valid JSON{unknown}") from None
        return message.result_of(found, method)

    def _named(self, response: http.client.HTTPResponse) -> str | None:
        """The session, as the first answer names it."""
        try:
            return session_id_of(response.headers.get(SESSION))
        except ValueError as error:
            raise ShellFailed(f"the listener at {self._endpoint.url} cannot be used: {error}") from None

    def _from_events(self, response: http.client.HTTPResponse, method: str) -> Any:
        """The answer out of a stream, whatever stands before it."""
        reader = message.EventReader()
        for part in self._parts(response, method):
            for data in reader.feed(part):
                try:
                    found = message.parse(data)
                except ValueError:
                    continue
                if message.answers(found, self._last_id):
                    # More may come that nobody waits for.
                    self._http.close()
                    return found
                if self._answer is not None and message.is_question(found):
                    self._reply(found, self._answer)
        raise ShellFailed(_lost(method, Point.WITHOUT_RESULT))

    def _reply(self, question: dict[str, Any], answer: Callable[[dict[str, Any]], bytes]) -> None:
        """Answers what the listener asks meanwhile, on a connection of its own. Its time does not count."""
        began = time.monotonic()
        reply = answer(question)
        if self._end is not None:
            self._end += time.monotonic() - began
        connection = self._connection(self._endpoint)
        try:
            connection.request("POST", self._endpoint.path, reply, self._headers)
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            # Whether it was taken shows in the answer to the call.
            pass
        finally:
            connection.close()

    def _post(self, method: str, body: bytes) -> http.client.HTTPResponse:
        try:
            response = self._sent(method, body)
        except TimeoutError:
            raise self._late(method) from None
        except (OSError, http.client.HTTPException) as error:
            raise ShellFailed(f"{_lost(method, Point.SILENT)} ({_reason(error)})") from None
        if not 200 <= response.status < 300:
            raise self._refusal(method, response)
        return response

    def _sent(self, method: str, body: bytes) -> http.client.HTTPResponse:
        """The answer to a POST, once it has begun; a redirect within the origin is followed."""
        way, path = Redirects(self._endpoint.url), self._endpoint.path
        while True:
            self._bound(method)
            self._idle = False
            self._http.request("POST", path, body, self._headers)
            response = self._http.getresponse()
            if not way.follow(response.status, response.headers.get("Location")):
                return response
            to = read_endpoint(way.url)
            path = to.path
            response.read(MAX_ANSWER)
            if to.origin != self._endpoint.origin:
                # From http to https: that is where the session is from now on.
                self._http.close()
                self._http, self._endpoint = self._connection(to), to

    def _parts(self, response: http.client.HTTPResponse, method: str) -> Iterator[bytes]:
        size = 0
        try:
            while True:
                self._bound(method)
                part = response.read1(PART)
                if not part:
                    break
                size += len(part)
                if size > MAX_ANSWER:
                    self._http.close()
                    what = f"the answer to {method} is larger than {MAX_ANSWER} bytes"
                    raise ShellFailed(f"{what}{_unknown(method, Point.UNREADABLE)}. Ask for less")
                yield part
            if response.length:
                raise ShellFailed(f"{_lost(method, Point.CUT)} (its answer is cut off)")
            # Read to its end, it leaves the connection to the next request.
            response.close()
            self._idle = True
        except TimeoutError:
            raise self._late(method) from None
        except (OSError, http.client.HTTPException) as error:
            raise ShellFailed(f"{_lost(method, Point.CUT)} ({_reason(error)})") from None

    def _bound(self, method: str) -> None:
        """Holds the next wait to what is left of the time."""
        left = self._left()
        if left is not None and left <= 0:
            raise self._late(method)
        if self._http.sock is not None:
            self._http.sock.settimeout(left)

    def _left(self) -> float | None:
        return None if self._end is None else self._end - time.monotonic()

    def _late(self, method: str) -> ShellFailed:
        bound = f" within {self._seconds * 1000:.0f} ms (--call-timeout)" if self._seconds else ""
        unknown = ": its outcome is unknown" if known(Carrier.SHELL, Point.LATE).begun else ""
        return ShellFailed(f"the listener did not answer {method}{bound}{unknown}")

    def _refusal(self, method: str, response: http.client.HTTPResponse) -> ShellFailed:
        status = response.status
        try:
            page = b"".join(self._parts(response, method))
        except ShellFailed:
            # What the page says is lost; the status is not.
            page = b""
        from callmux.config.veil import veil_of_headers

        said = veil_of_headers(self._given).hide_known(_said(page))
        challenged = "WWW-Authenticate" in response.headers
        # The session has just begun; words about it prove nothing, and nobody asks.
        point = refusal_point(status, page, named=False, challenged=challenged)
        said += _unknown(method, point)
        advice = ""
        if status in (401, 403):
            advice = f". callmux {self._identity}: give one that this listener takes, with CALLMUX_TOKEN, "
            advice += "--token-file or --header Authorization:..."
        elif 300 <= status < 400:
            advice = ". It redirects to where callmux does not follow: put the new address into --url"
        elif status == 404:
            advice = ". Is the path of --url right? It is usually /mcp"
        elif status in (429, 503):
            seconds = response.headers.get("Retry-After", "")
            again = f"in {seconds} s" if seconds.isascii() and seconds.isdigit() else "later"
            what = "A limit for requests is reached" if status == 429 else "It is busy"
            advice = f". {what}: try again {again}"
        elif status in (405, 501):
            advice = ". What answers there is not MCP"
        what = "listener initialize" if method == "initialize" else method
        return ShellFailed(f"{what} returned HTTP {status}{said}{advice}")


def _unknown(method: str, point: Point) -> str:
    begun = method == "tools/call" and known(Carrier.SHELL, point).begun
    return ": whether the tool ran is unknown" if begun else ""


def _lost(method: str, point: Point) -> str:
    return f"the listener ended the connection before it answered {method}{_unknown(method, point)}"


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no connection in time"
    return tls_problem(error) or getattr(error, "strerror", None) or str(error) or type(error).__name__


def _said(body: bytes) -> str:
    """What the page of an error says, as `: ...`."""
    try:
        found = message.parse(body)
    except ValueError:
        text = body.decode("utf-8", "replace").strip()
        return "" if not text or text.startswith("<") else f": {_line(text)}"
    error = found.get("error") if isinstance(found, dict) else None
    said = error.get("message") if isinstance(error, dict) else error
    reason = found.get("reason") if isinstance(found, dict) else None
    told = [_line(text) for text in (said, reason) if isinstance(text, str) and text.strip()]
    return f": {': '.join(told)}" if told else ""


def _line(text: str) -> str:
    shown = " ".join(text.split())[:SHOWN]
    return "".join(c if c.isprintable() else "?" for c in shown).rstrip(".")
