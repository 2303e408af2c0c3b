"""Sections about who may do what."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.config.check import check_document
from callmux.config.security import BearerAuth, BearerToken, OidcAuth, token_variables

HASH = "scrypt$1024$8$1$b3BzLXNlY3JldDAxMjM0NQ$jJ9urypeY6jgTGudkge2CCfOyAiQJTw1Mi7glxNEAn0"
OIDC = {"mode": "oidc_jwt", "issuer": "https://i/", "audience": "a"}


def auth(**given: Any) -> tuple[Any, list[str]]:
    checked = check_document({"servers": {}, "auth": given})
    return checked.config.auth, checked.errors


def test_tokens() -> None:
    """A hash and a literal token stay as they are."""
    tokens = [{"id": "a", "hash": HASH}, {"id": "b", "token": "t"}]
    found, problems = auth(mode="bearer", tokens=tokens)
    assert problems == []
    assert isinstance(found, BearerAuth)
    assert [(token.id, token.hash, token.token) for token in found.tokens] == [
        ("a", HASH, None),
        ("b", None, "t"),
    ]


def test_oidc_defaults() -> None:
    found, problems = auth(**OIDC, jwksUri="https://i/jwks")
    assert problems == []
    assert isinstance(found, OidcAuth)
    assert (found.audience, found.algorithms) == (("a",), ("RS256",))
    assert (found.clock_skew_seconds, found.jwks_cache_ttl_seconds, found.jwks_fetch_timeout_ms) == (
        30,
        300,
        5000,
    )


@pytest.mark.parametrize(
    ("uri", "extra", "fine"),
    [
        ("https://i/j", {}, True),
        ("http://i/j", {}, False),
        ("http://localhost:1/j", {}, True),
        ("http://127.0.0.1/j", {}, True),
        ("http://i/j", {"allowInsecureJwksUri": True}, True),
        ("ftp://i/j", {"allowInsecureJwksUri": True}, False),
        ("nope", {}, False),
        ("http://[", {}, False),
    ],
)
def test_keys_come_over_https(uri: str, extra: dict[str, Any], fine: bool) -> None:
    _, problems = auth(**OIDC, jwksUri=uri, **extra)
    assert (problems == []) is fine
    assert len(problems) <= 1
    assert all("auth.jwksUri must" in problem for problem in problems)


def test_an_empty_list_of_algorithms_means_the_default() -> None:
    """Otherwise every token would be refused."""
    found, problems = auth(**OIDC, jwksUri="https://i/j", algorithms=[])
    assert (found.algorithms, problems) == (("RS256",), [])
    assert auth(**OIDC, jwksUri="https://i/j", algorithms=["HS256"])[1]


@pytest.mark.parametrize("mode", ["oidc_jwt", "basic", None])
def test_management_knows_only_tokens(mode: str | None) -> None:
    given = {"tokens": [{"id": "a", "hash": HASH}], **({"mode": mode} if mode else {})}
    problems = check_document({"servers": {}, "management": {"auth": given}}).errors
    assert any("management auth only supports bearer mode" in problem for problem in problems)


def test_authorization() -> None:
    rules = [{"effect": "allow", "principals": ["bearer:ops"]}]
    checked = check_document({"servers": {}, "authorization": {"rules": rules}})
    assert checked.config.authorization is not None
    assert checked.config.authorization.default_effect == "allow"
    assert checked.config.authorization.rules[0].tools is None


def test_the_variables_that_hold_clients_tokens_are_known_by_name() -> None:
    tokens = (
        BearerToken(id="a", token_ref="env:ONE"),
        BearerToken(id="b", hash_ref=" env: TWO "),
        BearerToken(id="c", token_ref="file:env"),
        BearerToken(id="d", token="plain"),
    )
    assert token_variables(BearerAuth(mode="bearer", tokens=tokens), None) == {"ONE", "TWO"}


@pytest.mark.parametrize(
    ("token", "amount"), [({"id": "a"}, "one"), ({"id": "a", "hash": HASH, "token": "t"}, "exactly one")]
)
def test_a_token_has_one_secret(token: dict[str, Any], amount: str) -> None:
    _, problems = auth(mode="bearer", tokens=[token])
    assert problems == [f'auth.tokens[0] must include {amount} of "hash", "hashRef", "token", or "tokenRef"']


def test_an_issuer_without_an_address_needs_the_address_of_its_keys() -> None:
    named = OIDC | {"issuer": "our-issuer"}
    _, problems = auth(**named)
    assert problems == [
        "auth.jwksUri is required where issuer is no https address that could be asked for it"
    ]
    assert auth(**named, jwksUri="https://i/j")[1] == []


@pytest.mark.parametrize(
    ("management", "problems"),
    [
        ({"enabled": True}, []),
        ({"auth": {"mode": "bearer", "tokens": [{"id": "a", "token": "t"}]}}, []),
        (
            {"auth": OIDC},
            ['management.auth.mode must be "bearer": management auth only supports bearer mode'],
        ),
    ],
)
def test_the_management_interface_knows_tokens_only(management: dict[str, Any], problems: list[str]) -> None:
    found = check_document({"servers": {}, "management": management}).errors
    assert [error for error in found if "only supports" in error] == problems
    assert bool(found) is bool(problems)
