"""What a listener says of itself as a protected resource (RFC 9728), and the challenges that name it. Pure.

Used by `callmux.guard.authentication` for refusals, and by `callmux.transport.http.app` for the document. A
client takes a document only where `resource` is the address that it asked for itself, so this is built from
what the client wrote, or from `auth.resourceUrl` where a proxy stands in between.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

WELL_KNOWN = "/.well-known/oauth-protected-resource"
MCP = "/mcp"
_ENDPOINTS = re.compile(r"/mcp(/p/[A-Za-z0-9._~-]+)?|/sse")
_HOST = re.compile(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class Visitor(Protocol):
    """A request, as far as it says where the client found us."""

    scheme: str
    path: str
    headers: dict[str, str]


class Resource:
    """One listener.

    Args:
        url: Where clients find `/mcp`, where that is not what they write into `Host`.
        issuers: Who issues tokens for it; empty where tokens are given out by hand.
        scopes: The scopes that a token needs.
    """

    def __init__(self, url: str | None, issuers: Sequence[str], scopes: Sequence[str]) -> None:
        self._url = None if url is None else url.rstrip("/")
        self._issuers = list(issuers)
        self._scopes = list(scopes)

    def document(self, visitor: Visitor) -> dict[str, Any] | None:
        """The metadata at the path that was asked for; None where there is none."""
        endpoint = self._endpoint_of(visitor.path)
        url = None if endpoint is None else self._url_of(visitor, endpoint)
        if url is None:
            return None
        issuers = {"authorization_servers": self._issuers} if self._issuers else {}
        scopes = {"scopes_supported": self._scopes} if self._scopes else {}
        return {
            "resource": url,
            **issuers,
            **scopes,
            "bearer_methods_supported": ["header"],
            "resource_name": "callmux",
        }

    def challenge(
        self, visitor: Visitor, error: str | None = None, scopes: Sequence[str] | None = None
    ) -> str:
        """The `WWW-Authenticate` header of a refusal (RFC 6750, section 3).

        Args:
            error: `invalid_token` or `insufficient_scope`; None where no token was shown.
            scopes: What is needed; those that every token needs where absent.
        """
        parts = ['realm="callmux"']
        where = self._metadata_url(visitor)
        if where is not None:
            parts.append(f'resource_metadata="{where}"')
        if error is not None:
            parts.append(f'error="{error}"')
        needed = self._scopes if scopes is None else scopes
        if needed:
            parts.append(f'scope="{" ".join(needed)}"')
        return f"Bearer {', '.join(parts)}"

    def _endpoint_of(self, path: str) -> str | None:
        """The endpoint that a metadata path is about; the root is about `/mcp`."""
        rest = path.removeprefix(WELL_KNOWN)
        if rest in ("", "/"):
            return MCP
        own = None if self._url is None else urlsplit(self._url).path
        if rest == own:
            return MCP
        if own is not None and own.endswith(MCP) and rest.startswith(own.removesuffix(MCP)):
            rest = rest.removeprefix(own.removesuffix(MCP))
        return rest if _ENDPOINTS.fullmatch(rest) else None

    def _url_of(self, visitor: Visitor, endpoint: str) -> str | None:
        """The address of an endpoint; None where the client wrote no usable `Host`."""
        if self._url is not None:
            if endpoint == MCP or not self._url.endswith(MCP):
                return self._url
            return self._url.removesuffix(MCP) + endpoint
        base = _base(visitor)
        return None if base is None else base + endpoint

    def _metadata_url(self, visitor: Visitor) -> str | None:
        path = visitor.path.rstrip("/")
        path = "/sse" if path == "/messages" else path
        endpoint = path if _ENDPOINTS.fullmatch(path) else None
        url = self._url_of(visitor, endpoint or MCP)
        if url is None:
            return None
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}{parts.path if endpoint or self._url else ''}"


def _base(visitor: Visitor) -> str | None:
    host = visitor.headers.get("host", "").lower()
    if not _HOST.fullmatch(host):
        return None
    return f"{visitor.scheme}://{host.removesuffix(_DEFAULT_PORTS.get(visitor.scheme, ''))}"
