"""What token endpoints are sent, and what follows from each of their answers."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any
from urllib.parse import parse_qsl

import pytest

from callmux.oauth.failure import SignInFailed, Why
from callmux.oauth.token_requests import (
    DEVICE_GRANT,
    by_client,
    by_code,
    by_device,
    by_refresh,
    form_of,
    is_waiting,
    number_of,
    refusal_of,
    tokens_of,
)
from callmux.stores.sign_ins import OAuthClient, Tokens


def sent(method: str, **fields: str) -> tuple[dict[str, str], dict[str, str]]:
    client = OAuthClient(id="m e", secret="h:ush", method=method)
    form = form_of(fields, client, "signed")
    assert "ush" not in repr(form)
    return dict(parse_qsl(form.body.decode())), dict(form.headers)


def test_every_grant_names_the_resource() -> None:
    code = by_code("c", "v", "http://127.0.0.1/", "r")
    assert code["grant_type"] == "authorization_code"
    assert code["code_verifier"] == "v"
    assert by_client(["a", "b"], "r") == {"grant_type": "client_credentials", "resource": "r", "scope": "a b"}
    assert "scope" not in by_client([], "r")
    assert by_device("d", "r")["grant_type"] == DEVICE_GRANT
    assert by_refresh("t", "r") == {"grant_type": "refresh_token", "refresh_token": "t", "resource": "r"}
    assert {fields["resource"] for fields in (code, by_device("d", "r"))} == {"r"}
    assert "resource" not in by_refresh("t", "")


def test_a_client_shows_who_it_is_in_its_own_way() -> None:
    body, headers = sent("none", a="1")
    assert body == {"a": "1", "client_id": "m e"}
    assert "Authorization" not in headers
    body, headers = sent("client_secret_basic", a="1")
    assert b64decode(headers["Authorization"].removeprefix("Basic ")) == b"m+e:h%3Aush"
    assert body == {"a": "1", "client_id": "m e"}
    assert sent("client_secret_post")[0] == {"client_id": "m e", "client_secret": "h:ush"}
    assert sent("private_key_jwt")[0]["client_assertion"] == "signed"


def answer(**facts: Any) -> bytes:
    return json.dumps({"access_token": "at", "token_type": "bearer", **facts}).encode()


def test_tokens_are_read_with_their_end() -> None:
    found = tokens_of(answer(expires_in=60, refresh_token="rt", scope="a b"), 100.0)
    assert found == Tokens(access="at", refresh="rt", obtained_at=100.0, expires_at=160.0, scopes=("a", "b"))
    assert tokens_of(answer(expires_in="60"), 100.0).expires_at == 160.0
    assert tokens_of(answer(expires_in=-5), 100.0).expires_at is None
    assert tokens_of(answer(expires_in=0), 100.0).expires_at is None


@pytest.mark.parametrize("said", [None, True, "soon", [], "9" * 99])
def test_an_end_that_cannot_be_read_is_none(said: object) -> None:
    assert tokens_of(answer(expires_in=said), 100.0).expires_at is None


def test_a_refresh_token_that_is_not_replaced_stays_and_so_do_scopes() -> None:
    before = Tokens(access="old", refresh="rt", scopes=("a",))
    assert tokens_of(answer(refresh_token=""), 1.0, before) == Tokens(
        access="at", refresh="rt", obtained_at=1.0, scopes=("a",)
    )
    assert tokens_of(answer(), 1.0, None, ["x"]).scopes == ("x",)
    assert tokens_of(answer(), 1.0).refresh == ""


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[]",
        answer(access_token=5),
        answer(access_token=""),
        answer(access_token="a\nb"),
        b'{"a":' * 5000,
    ],
)
def test_an_answer_without_a_token_says_nothing_of_the_old_ones(body: bytes) -> None:
    with pytest.raises(SignInFailed) as caught:
        tokens_of(body, 1.0)
    assert caught.value.why is Why.NETWORK


@pytest.mark.parametrize("kind", ["DPoP", 5])
def test_another_kind_of_token_is_not_used(kind: object) -> None:
    with pytest.raises(SignInFailed, match="another kind"):
        tokens_of(answer(token_type=kind), 1.0)


@pytest.mark.parametrize(
    ("status", "error", "why"),
    [
        (400, "invalid_grant", Why.REVOKED),
        (401, "invalid_client", Why.CLIENT),
        (400, "unauthorized_client", Why.CLIENT),
        (400, "invalid_scope", Why.REFUSED),
        (400, "temporarily_unavailable", Why.NETWORK),
        (500, "invalid_grant", Why.NETWORK),
        (429, "invalid_grant", Why.NETWORK),
        (400, "", Why.NETWORK),
        (403, None, Why.NETWORK),
    ],
)
def test_only_a_clear_word_of_the_authorization_server_ends_a_sign_in(
    status: int, error: str | None, why: Why
) -> None:
    body = b"<html>captive portal</html>" if error is None else json.dumps({"error": error, "x": 5}).encode()
    assert refusal_of(status, body).why is why


def test_a_code_that_nobody_entered_yet_is_waited_for() -> None:
    assert is_waiting(refusal_of(400, b'{"error":"authorization_pending"}'))
    assert is_waiting(refusal_of(400, b'{"error":"slow_down"}'))
    assert not is_waiting(refusal_of(400, b'{"error":"expired_token"}'))


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (10**400, 1e15),
        (-(10**400), -1e15),
        (1e308, 1e15),
        (-5, -5.0),
        ("12", 12.0),
        ("-1", None),
        ("9" * 400, None),
        (True, None),
        (None, None),
        ([], None),
        ({}, None),
    ],
)
def test_a_number_of_whatever_size_and_kind_is_read_or_left_out(value: object, number: float | None) -> None:
    assert number_of(value) == number
    answer = json.dumps({"access_token": "a", "expires_in": value}).encode()
    expires = tokens_of(answer, 1000.0).expires_at
    assert (expires is None) is (number is None or number <= 0)
    assert expires is None or expires > 1000.0


def test_scopes_that_cannot_be_shown_are_left_out() -> None:
    answer = json.dumps({"access_token": "a", "scope": "a \x1b[2J \xe4 b"}).encode()
    assert tokens_of(answer, 0.0).scopes == ("a", "b")
