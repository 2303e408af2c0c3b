"""What stands before each request of one session: the request line and the headers. Pure.

Kept by `callmux.bridge.link`. What the protocol asks for is `callmux.protocol.http_client`'s to say.
"""

from __future__ import annotations

from collections.abc import Mapping

from callmux.bridge.endpoint import Endpoint, read_endpoint
from callmux.bridge.failures import LinkFailure
from callmux.errors import UsageError
from callmux.protocol.http_client import Redirects, request_head


class Heads:
    """The heads of one session's requests.

    Args:
        endpoint: Where they go.
        headers: What stands in each.

    Attributes:
        session_id: The session, once it has a name.
        version: The revision agreed on.
        post: The head of a POST, up to its length.
    """

    def __init__(self, endpoint: Endpoint, headers: Mapping[str, str]) -> None:
        self._endpoint = endpoint
        self._headers = headers
        self.session_id: str | None = None
        self.version: str | None = None
        self.post = b""
        self.renew()

    def without_credentials(self, body: bytes) -> bytes:
        """What the listener says, without the credentials that it may repeat."""
        # Imported only where something is refused: every session of an agent begins with a bridge.
        from callmux.config.veil import veil_of_headers

        secret = {name: value for name, value in self._headers.items() if not name.startswith("x-callmux-")}
        return veil_of_headers(secret).hide_known(body.decode("utf-8", "replace")).encode()

    def renew(self) -> None:
        """Session or revision have changed."""
        self.post = self.of(b"POST")

    def of(self, verb: bytes, to: Endpoint | None = None, last_event_id: str = "") -> bytes:
        """A head, without the empty line.

        Args:
            to: Where it goes, if it was sent on.
            last_event_id: Where a stream is to go on.
        """
        place = self._endpoint if to is None else to
        own = request_head(
            body=verb == b"POST",
            session_id=self.session_id,
            version=self.version,
            last_event_id=last_event_id,
        )
        lines = [b"%b %b HTTP/1.1\r\nHost: %b\r\n" % (verb, place.path.encode(), place.authority.encode())]
        lines += [b"%b: %b\r\n" % (k.encode(), v.encode()) for k, v in (own | {**self._headers}).items()]
        return b"".join(lines)


class Way:
    """How one request was sent on.

    Args:
        endpoint: Where it was sent first.

    Attributes:
        to: Where it is to be sent now; None for where it was sent first.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._redirects = Redirects(endpoint.url)
        self.to: Endpoint | None = None

    def follows(self, failure: LinkFailure) -> bool:
        """Whether the answer sends the request on to where we follow."""
        if failure.status is None or not self._redirects.follow(failure.status, failure.location):
            return False
        try:
            self.to = read_endpoint(self._redirects.url)
        except UsageError:
            return False
        return True
