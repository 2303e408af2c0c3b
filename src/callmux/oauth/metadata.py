"""What servers and authorization servers say of themselves (RFC 9728, 8414, OpenID Connect). Pure.

Called by `callmux.oauth.discovery`, which fetches it.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec

from callmux.oauth.failure import SignInFailed, Why
from callmux.oauth.trust import may_be_used
from callmux.protocol.http_client import same_origin

RESOURCE = "/.well-known/oauth-protected-resource"
OAUTH = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"


class ResourceMetadata(msgspec.Struct, frozen=True):
    """What a server says of itself.

    Attributes:
        resource: Its name for tokens.
        issuers: Its authorization servers.
        scopes: What it has for scopes; None where it does not say.
    """

    resource: str
    issuers: tuple[str, ...]
    scopes: tuple[str, ...] | None


class ServerMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """What an authorization server says of itself.

    Attributes:
        issuer: Its name, as it writes it.
        authorization_endpoint: Where people sign in, or empty.
        token_endpoint: Where tokens are.
        registration_endpoint: Where clients register themselves, or empty.
        revocation_endpoint: Where tokens are taken back, or empty.
        device_endpoint: Where device codes are, or empty.
        methods: How clients may show who they are; None where it does not say.
        scopes: The scopes that there are; empty where it does not say.
        pkce: Whether it says that it supports PKCE with S256. What is not said is not supported.
        documents: Whether a client's id may be the URL of its metadata document.
        names_issuer: Whether each answer to an authorization request says whose it is (RFC 9207).
        guessed: Whether it says nothing: these are the addresses of MCP 2025-03-26.
    """

    issuer: str
    authorization_endpoint: str = ""
    token_endpoint: str
    registration_endpoint: str = ""
    revocation_endpoint: str = ""
    device_endpoint: str = ""
    methods: tuple[str, ...] | None = None
    scopes: tuple[str, ...] = ()
    pkce: bool = False
    documents: bool = False
    names_issuer: bool = False
    guessed: bool = False


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme.lower()}://{parts.netloc.rpartition('@')[2].lower()}"


def resource_of(url: str) -> str:
    """The name of a server for tokens, where it says none: its URL, without query, fragment and user."""
    return origin_of(url) + urlsplit(url).path.rstrip("/")


def resource_places(url: str, named: str) -> list[str]:
    """Where a server may describe itself, in the order in which it is asked.

    Args:
        named: Where its challenge says so, or empty.
    """
    if named:
        return [named]
    base, path = origin_of(url), urlsplit(url).path.rstrip("/")
    return list(dict.fromkeys([f"{base}{RESOURCE}{path}", f"{base}{RESOURCE}"]))


def server_places(issuer: str) -> list[str]:
    """Where an authorization server may describe itself, in the order in which it is asked."""
    base, path = origin_of(issuer), urlsplit(issuer).path.rstrip("/")
    if not path:
        return [f"{base}{OAUTH}", f"{base}{OPENID}"]
    return [f"{base}{OAUTH}{path}", f"{base}{OPENID}{path}", f"{base}{path}{OPENID}"]


def read_resource(raw: bytes, url: str) -> ResourceMetadata:
    """A server's description.

    Args:
        url: The server's endpoint.

    Raises:
        SignInFailed: It is none, or that of another server.
    """
    facts = _object(raw, "the server's description of itself")
    resource, issuers = facts.get("resource"), _texts(facts.get("authorization_servers"))
    if not isinstance(resource, str) or not covers(resource, url):
        raise SignInFailed(
            "the server describes itself as another resource than its url in the configuration "
            f"({_shown(resource)}): a token would be for that one",
            Why.UNSAFE,
        )
    if not issuers:
        raise SignInFailed("the server names no authorization server", Why.UNSAFE)
    for issuer in issuers:
        may_be_used(issuer, "the address of its authorization server")
    scopes = facts.get("scopes_supported")
    return ResourceMetadata(resource, issuers, _texts(scopes) if isinstance(scopes, list) else None)


def read_server(raw: bytes, issuer: str) -> ServerMetadata:
    """An authorization server's description.

    Args:
        issuer: Whose it must be.

    Raises:
        SignInFailed: It is none, that of another one, or does not allow a safe sign-in.
    """
    facts = _object(raw, "the authorization server's description of itself")
    name = facts.get("issuer")
    # The empty path of a bare host may be written with or without its slash: the place is the same.
    same = name == issuer or (
        isinstance(name, str) and _bare(name) and name.rstrip("/") == issuer.rstrip("/")
    )
    if not isinstance(name, str) or not same:
        raise SignInFailed(
            f'the authorization server "{_shown(issuer)}" describes itself as "{_shown(name)}": '
            "one of them is not who it says",
            Why.UNSAFE,
        )
    addresses = {
        key: _address(facts, key, issuer)
        for key in (
            "authorization_endpoint",
            "token_endpoint",
            "registration_endpoint",
            "revocation_endpoint",
            "device_authorization_endpoint",
        )
    }
    if not addresses["token_endpoint"]:
        raise SignInFailed("the authorization server names no token_endpoint", Why.UNSAFE)
    methods = facts.get("token_endpoint_auth_methods_supported")
    return ServerMetadata(
        issuer=name,
        authorization_endpoint=addresses["authorization_endpoint"],
        token_endpoint=addresses["token_endpoint"],
        registration_endpoint=addresses["registration_endpoint"],
        revocation_endpoint=addresses["revocation_endpoint"],
        device_endpoint=addresses["device_authorization_endpoint"],
        methods=_texts(methods) if isinstance(methods, list) else None,
        scopes=_texts(facts.get("scopes_supported")),
        pkce="S256" in _texts(facts.get("code_challenge_methods_supported")),
        documents=facts.get("client_id_metadata_document_supported") is True,
        names_issuer=facts.get("authorization_response_iss_parameter_supported") is True,
    )


def guessed_server(url: str) -> ServerMetadata:
    """The authorization server of a server that says nothing at all (MCP 2025-03-26, "Fallbacks for Servers
    without Metadata Discovery")."""
    base = origin_of(url)
    return ServerMetadata(
        issuer=base,
        authorization_endpoint=f"{base}/authorize",
        token_endpoint=f"{base}/token",
        registration_endpoint=f"{base}/register",
        pkce=True,
        guessed=True,
    )


def covers(resource: str, url: str) -> bool:
    """Whether a resource is the server of a URL, or one that its path is within."""
    try:
        if not same_origin(resource, url) or urlsplit(resource).fragment or urlsplit(resource).username:
            return False
    except ValueError:
        return False
    theirs, ours = (urlsplit(one).path.rstrip("/") for one in (resource, url))
    return ours == theirs or ours.startswith(f"{theirs}/")


def _bare(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.path in ("", "/") and not parts.query and not parts.fragment


def _object(raw: bytes, what: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise SignInFailed(f"{what} is no JSON object", Why.UNSAFE) from None


def _address(facts: dict[str, Any], key: str, issuer: str) -> str:
    value = facts.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise SignInFailed(f"the authorization server's {key} is no address", Why.UNSAFE)
    what = f"the authorization server's {key}"
    may_be_used(value, what)
    if urlsplit(issuer).scheme == "https" != urlsplit(value).scheme:
        # Who can be reached from elsewhere has no business on this machine.
        raise SignInFailed(f"{what} does not begin with https://, as its own address does", Why.UNSAFE)
    return value


def _texts(value: object) -> tuple[str, ...]:
    return tuple(v for v in value if isinstance(v, str) and v) if isinstance(value, list) else ()


def _shown(value: object) -> str:
    return value[:200] if isinstance(value, str) and value.isprintable() else "nothing that can be shown"
