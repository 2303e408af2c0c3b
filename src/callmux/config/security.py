"""Who may use a listener, and for what. Pure.

Read through `callmux.config.model`. References to secrets are
followed by `callmux.config.load`, which fills in `hash`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, TypeAlias
from urllib.parse import urlsplit

from callmux.config import kinds
from callmux.config.section import Items, Problem, Section, by_mode

SECRETS = ("hash", "hashRef", "token", "tokenRef")
LOOPBACK = ("localhost", "127.0.0.1")


class BearerToken(Section, frozen=True, kw_only=True):
    """One token that clients may present, by exactly one of `hash`, `hashRef`, `token` and `tokenRef`.

    Attributes:
        id: Its name: the client becomes the principal `bearer:<id>`.
        hash: Its scrypt hash, `scrypt$N$r$p$salt$key`.
        hash_ref: Where that hash is: `env:NAME` or `file:PATH`.
        token: The token itself; `callmux doctor` warns about it.
        token_ref: Where the token is: `env:NAME` or `file:PATH`. It is hashed at once.
    """

    id: kinds.NonBlank
    hash: kinds.ScryptHash | None = None
    hash_ref: kinds.SecretReference | None = None
    token: kinds.NonBlank | None = None
    token_ref: kinds.SecretReference | None = None

    @staticmethod
    def conflicts(raw: Mapping[str, Any]) -> Iterable[Problem]:
        given = sum(key in raw for key in SECRETS)
        if given != 1:
            amount = "exactly one" if given else "one"
            yield "", f'must include {amount} of "hash", "hashRef", "token", or "tokenRef"'


class BearerAuth(Section, frozen=True, kw_only=True):
    """Clients present a token of a fixed list.

    Attributes:
        mode: `bearer`.
        tokens: The tokens, at least one.
        allow_unauthenticated_health: Answer health checks without a credential.
        resource_url: Where clients find `/mcp`, where a proxy stands in between; what they ask for otherwise.
    """

    mode: kinds.AuthMode
    tokens: Annotated[tuple[BearerToken, ...], Items(at_least_one="must contain at least one token")]
    allow_unauthenticated_health: kinds.Flag = False
    resource_url: kinds.ResourceUrl | None = None


class OidcAuth(Section, frozen=True, kw_only=True):
    """Clients present a JSON Web Token of an identity provider.

    Attributes:
        mode: `oidc_jwt`.
        issuer: The `iss` a token must have.
        audience: The `aud` a token must have: one value, or a list of which one must fit.
        jwks_uri: Where the provider's keys are: https, or http on localhost; else where its metadata says.
        algorithms: Signatures that are accepted, out of RS256/384/512 and ES256/384/512.
        clock_skew_seconds: How far its clock may be off.
        jwks_cache_ttl_seconds: How long keys are kept.
        jwks_fetch_timeout_ms: Time to fetch them.
        allow_insecure_jwks_uri: Accept `jwksUri` over http from any host.
        required_scopes: Scopes that every token must have.
        allow_unauthenticated_health: Answer health checks without a credential.
        resource_url: Where clients find `/mcp`, where a proxy stands in between; what they ask for otherwise.
    """

    mode: kinds.AuthMode
    issuer: kinds.NonBlank
    audience: kinds.Audience
    jwks_uri: kinds.Url | None = None
    algorithms: Annotated[tuple[kinds.Algorithm, ...], Items(empty_is_absent=True)] = ("RS256",)
    clock_skew_seconds: kinds.NonNegative = 30
    jwks_cache_ttl_seconds: kinds.NonNegative = 300
    jwks_fetch_timeout_ms: kinds.Milliseconds = 5000
    allow_insecure_jwks_uri: kinds.Flag = False
    required_scopes: tuple[kinds.NonBlank, ...] = ()
    allow_unauthenticated_health: kinds.Flag = False
    resource_url: kinds.ResourceUrl | None = None

    @staticmethod
    def conflicts(raw: Mapping[str, Any]) -> Iterable[Problem]:
        # Without the address of the keys, the issuer is asked for it: then it must have one itself.
        key = "jwksUri" if "jwksUri" in raw else "issuer"
        try:
            parts = urlsplit(str(raw.get(key, "")).strip())
            host = parts.hostname
        except ValueError:
            return
        if key == "issuer" and raw.get(key) and not host:
            yield "jwksUri", "is required where issuer is no https address that could be asked for it"
        plain_allowed = host in LOOPBACK or raw.get("allowInsecureJwksUri") is True
        if host and parts.scheme != "https" and not (parts.scheme == "http" and plain_allowed):
            yield key, "must use https (or http on localhost, or set allowInsecureJwksUri)"


def referred(references: Iterable[str | None]) -> Iterator[str]:
    """The variables that `env:` references name."""
    for reference in references:
        scheme, _, name = (reference or "").partition(":")
        if scheme.strip() == "env":
            yield name.strip()


def token_variables(*auths: object) -> set[str]:
    """The variables that hold tokens of clients, or their hashes."""
    tokens = [token for auth in auths if isinstance(auth, BearerAuth) for token in auth.tokens]
    return set(referred(ref for token in tokens for ref in (token.hash_ref, token.token_ref)))


Auth: TypeAlias = Annotated[BearerAuth | OidcAuth, by_mode(("bearer", BearerAuth), ("oidc_jwt", OidcAuth))]


class Rule(Section, frozen=True, kw_only=True):
    """Allows or denies. Patterns are exact or use `*`; an absent list fits everything.

    Attributes:
        effect: `allow` or `deny`.
        id: Its name in refusals and logs; `rule_1` for the first, and so on, where absent.
        principals: Who, such as `bearer:ops`.
        tools: Which tools, such as `github__get_*`; prompts, resources and other methods of a server, too.
        tiers: Which tiers: `read`, `write`, `destroy`.
    """

    effect: kinds.Effect
    id: kinds.NonBlank | None = None
    principals: tuple[kinds.Text, ...] | None = None
    tools: tuple[kinds.Text, ...] | None = None
    tiers: tuple[kinds.Tier, ...] | None = None


class Authorization(Section, frozen=True, kw_only=True):
    """Which principal may call which tool.

    Attributes:
        rules: The rules, at least one.
        default_effect: What happens to a call that no rule fits.
    """

    rules: Annotated[tuple[Rule, ...], Items(at_least_one="must contain at least one rule")]
    default_effect: kinds.Effect = "allow"


class Tls(Section, frozen=True, kw_only=True):
    """A listener that speaks https. `--tls-cert` and `--tls-key` go before it.

    Attributes:
        cert_file: The certificate, with those between it and a root after it, in PEM, relative to the
            configuration file. A new one is used as soon as it is there.
        key_file: Its private key in PEM, without a password.
    """

    cert_file: kinds.NonBlank
    key_file: kinds.NonBlank


class Management(Section, frozen=True, kw_only=True):
    """An HTTP interface to change servers while callmux runs.

    Attributes:
        enabled: Serve it.
        path: Where.
        state_path: The file its changes are kept in, relative to the configuration file;
            `<config>.management.json` where absent.
        auth: Tokens of its own, as in `auth` with mode `bearer`.
        allow_unauthenticated_read: Let anybody read.
        allow_authenticated_read: Let clients with a credential of `auth` read.
    """

    enabled: kinds.Flag = False
    path: kinds.MountPath = "/management/v1"
    state_path: kinds.NonBlank | None = None
    auth: BearerAuth | None = None
    allow_unauthenticated_read: kinds.Flag = False
    allow_authenticated_read: kinds.Flag = False

    @staticmethod
    def conflicts(raw: Mapping[str, Any]) -> Iterable[Problem]:
        auth = raw.get("auth")
        if isinstance(auth, dict) and auth.get("mode") != "bearer":
            yield "auth.mode", 'must be "bearer": management auth only supports bearer mode'
