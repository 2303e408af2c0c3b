"""What an HTTP client of MCP sends, and what an answer means. Pure.

Called by the links to servers (`callmux.upstream.links`), the bridge, the shell verbs and the doctor; calls
`callmux.protocol.failure_points`. Imports nothing heavy: the shell verbs read it, too.
"""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from callmux.protocol.failure_points import Point

MOST_REDIRECTS = 3
LONGEST_SESSION_ID = 8000
"""Characters; servers and proxies refuse headers above 8 KB."""
MAX_ANSWER = 64 * 1024 * 1024
"""Bytes of the largest answer, or event of a stream, that is taken where nothing else is configured."""

DEFAULT_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 30.0
SHORTEST_POLL_SECONDS = 0.05
"""Between two reconnects that are taken and closed again, whatever the server asks for."""
RESUMPTIONS = 5
"""How often in a row asking for the rest of an answer may find nobody."""
REFUSED_RESUMPTIONS = 2
"""How often in a row a server may refuse to go on because it is busy or failing."""

SESSION_NOT_FOUND = -32001
"""The JSON-RPC code that the official SDKs give for a session they do not know."""

_PORTS = {"http": 80, "https": 443}


def refusal_point(
    status: int, body: bytes, *, named: bool, challenged: bool, answered: bool = False
) -> Point:
    """Where a request stands whose answer began with a status that is no success.

    Args:
        body: The beginning of the answer.
        named: Whether the request named a session.
        challenged: Whether the answer has a `WWW-Authenticate` header.
        answered: Whether the body is an error that names this very request.
    """
    if status == 404 and named:
        return Point.ANSWERED if answered else Point.NO_SESSION
    if status == 404:
        return Point.NOT_FOUND
    if status == 400 and named and speaks_of_session(body):
        return Point.SAID_SESSION
    if status in (307, 308):
        return Point.ELSEWHERE
    if status in (401, 403) and challenged:
        return Point.CREDENTIALS
    if status == 413:
        return Point.TOO_LARGE
    if status in (429, 503):
        return Point.BUSY
    return Point.REFUSED if status < 500 else Point.FAILED


def speaks_of_session(text: bytes, code: int | None = None) -> bool:
    """Whether an error seems to be about the session. A hint and no more: what follows from it is that the
    server is asked.

    Args:
        code: The JSON-RPC code, where there is one.
    """
    return code == SESSION_NOT_FOUND or b"session" in text.lower()


def session_refused(status: int, *, retry_after: bool) -> bool:
    """Whether a ping's status means that the session is forgotten. Who asks us to come back has it still."""
    return status >= 400 and status != 405 and not (retry_after and status in (429, 503))


def has_no_stream(status: int) -> bool:
    """Whether a status of a GET says that the server has no stream of its own, as far as a status can: 405 by
    the specification, 404 and others by common servers, which then must be asked whether they know us."""
    return status < 500


def resumes_later(status: int) -> bool:
    """Whether a refused resumption may be granted a moment later."""
    return status == 429 or status >= 500


def request_head(
    *, body: bool, session_id: str | None, version: str | None, last_event_id: str = ""
) -> dict[str, str]:
    """The headers that the protocol asks for (MCP 2025-11-25, basic/transports, "Streamable HTTP").

    Args:
        body: Whether it is a POST.
        last_event_id: Where a stream is to go on; empty for its beginning.
    """
    head = {"Accept": "text/event-stream"}
    if body:
        head = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    if session_id is not None:
        head["Mcp-Session-Id"] = session_id
    if version is not None:
        head["MCP-Protocol-Version"] = version
    if last_event_id:
        head["Last-Event-ID"] = last_event_id
    return head


def session_id_of(value: str | None) -> str | None:
    """The session id in the answer to `initialize`; from no other answer is one taken.

    Raises:
        ValueError: It cannot be sent back in a header.
    """
    if value is None or value == "":
        return None
    visible = value.isascii() and value.isprintable() and " " not in value
    if not visible or len(value) > LONGEST_SESSION_ID:
        raise ValueError(
            "the session id it gave cannot be used: it must be visible ASCII characters, at most "
            f"{LONGEST_SESSION_ID} of them"
        )
    return value


class Redirects:
    """Follows one request: to the same scheme, host and port, or from http to https of the same host. Never
    to an address that it has been to: a server that redirects in a circle may carry it out each time.

    Args:
        url: Where it is sent first.

    Attributes:
        url: Where it is to be sent now.
    """

    __slots__ = ("_visited", "url")

    def __init__(self, url: str) -> None:
        self.url = url
        self._visited = [url.partition("#")[0]]

    def follow(self, status: int, location: str | None) -> bool:
        """Whether the answer sends the request on, whole and with its credentials, to what `url` is then."""
        if status not in (307, 308) or not location or len(self._visited) > MOST_REDIRECTS:
            return False
        target = resolved(self.url, location)
        if target is None or not within_origin(self.url, target):
            return False
        target = _as_known(self.url, target)
        address = target.partition("#")[0]
        if address in self._visited:
            return False
        self._visited.append(address)
        self.url = target
        return True


def resolved(base: str, reference: str) -> str | None:
    """The absolute URL of a reference in an answer, its percent-encoding kept as it is written; None where it
    is none, or brings a user name of its own."""
    if not reference.isprintable() or " " in reference:
        return None
    try:
        target = urljoin(base, reference)
        parts, ours = urlsplit(target), urlsplit(base)
        if parts.scheme not in _PORTS or not parts.hostname or (parts.port or 1) <= 0:
            return None
    except ValueError:
        return None
    return target if "@" not in parts.netloc or parts.netloc == ours.netloc else None


def _as_known(ours: str, theirs: str) -> str:
    """`theirs` with the user name of `ours`, where that has one: it is a credential like any other."""
    user, at, _ = urlsplit(ours).netloc.rpartition("@")
    if not at or "@" in urlsplit(theirs).netloc:
        return theirs
    return urlsplit(theirs)._replace(netloc=f"{user}@{urlsplit(theirs).netloc}").geturl()


def within_origin(ours: str, theirs: str) -> bool:
    """Whether what is meant for `ours` may be sent to `theirs`: the same scheme, host and port, or from http
    to https of the same host."""
    (scheme, host, _), (to_scheme, to_host, _) = _origin(ours), _origin(theirs)
    upgraded = scheme == "http" and to_scheme == "https" and host == to_host
    return upgraded or same_origin(ours, theirs)


def same_origin(one: str, other: str) -> bool:
    """Whether two URLs have the same scheme, host and port."""
    return _origin(one) == _origin(other)


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    return scheme, (parts.hostname or "").lower(), parts.port or _PORTS.get(scheme, 0)


def is_web_url(url: str) -> bool:
    """Whether `url` begins as one of http or https does, in whatever case."""
    return url[:8].lower().startswith(("http://", "https://"))


def tls_problem(error: object) -> str | None:
    """What is wrong about the TLS of whoever answers, and what to do; None where nothing is."""
    if "WRONG_VERSION_NUMBER" in str(error):
        return "it does not use TLS: write http:// in place of https://"
    why = getattr(error, "verify_message", None)
    if why is None:
        return None
    return f"its certificate is not trusted ({why}): SSL_CERT_FILE must name the certificate of its issuer"


def is_event_stream(content_type: str) -> bool:
    """Whether an answer is an event stream: parameters and case make no difference."""
    return content_type.partition(";")[0].strip().lower() == "text/event-stream"


def retry_seconds(retry_ms: int | None, tries: int) -> float:
    """How long to wait before a stream is asked for again.

    Args:
        retry_ms: What the server asked for, or None.
        tries: How often in a row it was asked for in vain.
    """
    base = DEFAULT_RETRY_SECONDS if retry_ms is None else retry_ms / 1000
    return min(base * 2.0**tries, LONGEST_RETRY_SECONDS)


class Resumption:
    """When the broken stream of an answer is asked for again, and for how long.

    A reconnect that is taken and closed again is a server that lets us poll: it goes on, at the pace that
    the server asks for, as long as somebody waits for the answer. Only what finds nobody or is refused is
    counted.
    """

    __slots__ = ("_failed", "_polls", "_refused")

    def __init__(self) -> None:
        self._failed = self._refused = self._polls = 0

    def pause(self, retry_ms: int | None) -> float:
        """Seconds until the next reconnect."""
        seconds = retry_seconds(retry_ms, self._failed + self._refused)
        return max(seconds, SHORTEST_POLL_SECONDS) if self._polls else seconds

    def taken(self) -> None:
        """It was taken, whatever came."""
        self._failed = self._refused = 0
        self._polls += 1

    def failed(self) -> bool:
        """It found nobody, or broke; whether to go on."""
        self._failed += 1
        return self._failed < RESUMPTIONS

    def refused(self, status: int) -> bool:
        """It was refused; whether to go on."""
        self._refused += 1
        return resumes_later(status) and self._refused <= REFUSED_RESUMPTIONS
