"""Finds a server's authorization server: where the server says who that is, and what that one says of itself.

Called by `callmux.oauth.sign_in`.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from callmux import __version__
from callmux.oauth.challenge import BearerChallenge, bearer_challenge
from callmux.oauth.failure import SignInFailed, Why
from callmux.oauth.metadata import (
    ResourceMetadata,
    ServerMetadata,
    guessed_server,
    origin_of,
    read_resource,
    read_server,
    resource_of,
    resource_places,
    server_places,
)
from callmux.oauth.web import Web

PROBE = msgspec.json.encode(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "callmux", "version": __version__},
        },
    }
)


class Discovered(msgspec.Struct, frozen=True):
    """Where and for what to sign in.

    Attributes:
        server: The authorization server.
        resource: What tokens are for.
        scopes: What the server's description has for scopes; None where it does not say.
    """

    server: ServerMetadata
    resource: str
    scopes: tuple[str, ...] | None


async def challenge_of(web: Web, headers: Mapping[str, str]) -> BearerChallenge | None:
    """What the server says to a greeting without a token; None where it asks for none.

    Args:
        headers: Those that its configuration has.

    Raises:
        SignInFailed: It does not answer.
    """
    accept = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    reply = await web.ask_server(PROBE, {**headers, **accept})
    if reply.status not in (401, 403):
        return None
    return bearer_challenge(reply.challenge) or BearerChallenge()


async def discover(web: Web, url: str, named: str, issuer: str | None = None) -> Discovered:
    """The authorization server of a server.

    Args:
        url: The server's endpoint.
        named: Where its challenge says that it describes itself, or empty.
        issuer: The authorization server that the configuration names, which must be one of the server's own.

    Raises:
        SignInFailed: There is none, or none that can be trusted.
    """
    about = await _resource(web, url, named)
    if about is None:
        # Before 2025-06-18, a server was its own authorization server.
        base = issuer or origin_of(url)
        found = await _server(web, base)
        if found is None and issuer is not None:
            raise SignInFailed(f'the authorization server "{issuer}" does not describe itself', Why.SETTINGS)
        return Discovered(found or guessed_server(url), resource_of(url), None)
    chosen = (
        about.issuers[0] if issuer is None else next((i for i in about.issuers if _same(i, issuer)), None)
    )
    if chosen is None:
        raise SignInFailed(
            f'the server\'s authorization server is "{about.issuers[0]}" and not the one that oauth.issuer '
            f'names, "{issuer}": if the server has really moved, correct oauth.issuer and its clientId',
            Why.UNSAFE,
        )
    server = await _server(web, chosen)
    if server is None:
        raise SignInFailed(f'the authorization server "{chosen}" does not describe itself', Why.UNSAFE)
    return Discovered(server, about.resource, about.scopes)


async def _resource(web: Web, url: str, named: str) -> ResourceMetadata | None:
    for place in resource_places(url, named):
        reply = await web.get(place, "the server's description of itself")
        if reply.status == 200 and _is_object(reply.body):
            return read_resource(reply.body, url)
        if reply.status >= 500 or reply.status == 429:
            raise _busy("the server", reply.status)
        if named:
            raise SignInFailed(
                f"the server's description of itself is not there (HTTP {reply.status})", Why.UNSAFE
            )
    return None


async def _server(web: Web, issuer: str) -> ServerMetadata | None:
    for place in server_places(issuer):
        reply = await web.get(place, "the authorization server")
        if reply.status == 200 and _is_object(reply.body):
            return read_server(reply.body, issuer)
        if reply.status >= 500 or reply.status == 429:
            raise _busy("the authorization server", reply.status)
    return None


def _busy(what: str, status: int) -> SignInFailed:
    return SignInFailed(f"{what} is busy or failing (HTTP {status}): try again later", Why.NETWORK)


def _same(one: str, other: str) -> bool:
    return one.rstrip("/") == other.rstrip("/")


def _is_object(body: bytes) -> bool:
    """Whether it can be a description. Many sites answer every path with a page."""
    return body.lstrip().startswith(b"{")
