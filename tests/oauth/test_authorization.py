"""What a person takes to an authorization server, and which answers are believed."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from callmux.oauth.authorization import AuthorizationRequest, code_of, request_of, words
from callmux.oauth.failure import SignInFailed, Why
from callmux.oauth.metadata import ServerMetadata

ISSUER, REDIRECT = "https://id.example", "http://127.0.0.1:4242/callback"


def server(endpoint: str = f"{ISSUER}/authorize", names_issuer: bool = False) -> ServerMetadata:
    return ServerMetadata(
        issuer=ISSUER, authorization_endpoint=endpoint, token_endpoint="t", names_issuer=names_issuer
    )


def request(names_issuer: bool = False) -> AuthorizationRequest:
    return request_of(server(names_issuer=names_issuer), "me", REDIRECT, "https://s.example/mcp", ("a", "b"))


def answer(to: AuthorizationRequest, **more: str) -> str:
    return urlencode({"state": to.state, "code": "c0de", **more})


def test_a_request_holds_pkce_state_resource_and_scopes() -> None:
    made = request()
    said = {name: values[0] for name, values in parse_qs(urlsplit(made.url).query).items()}
    digest = urlsafe_b64encode(hashlib.sha256(made.verifier.encode()).digest()).rstrip(b"=").decode()
    assert said == {
        "response_type": "code",
        "client_id": "me",
        "redirect_uri": REDIRECT,
        "state": made.state,
        "code_challenge": digest,
        "code_challenge_method": "S256",
        "resource": "https://s.example/mcp",
        "scope": "a b",
    }
    assert 43 <= len(made.verifier) <= 128
    assert made.verifier not in repr(made)
    assert made.verifier not in made.url


def test_no_two_requests_are_alike() -> None:
    one, other = request(), request()
    assert one.state != other.state
    assert one.verifier != other.verifier


def test_a_query_of_the_endpoint_stays_and_no_scope_is_sent_where_none_is_known() -> None:
    made = request_of(server(f"{ISSUER}/authorize?tenant=1"), "me", REDIRECT, "r", ())
    said = parse_qs(urlsplit(made.url).query)
    assert said["tenant"] == ["1"]
    assert "scope" not in said


def test_offline_access_is_asked_of_the_person_each_time() -> None:
    made = request_of(server(), "me", REDIRECT, "r", ("offline_access",))
    assert parse_qs(urlsplit(made.url).query)["prompt"] == ["consent"]


@pytest.mark.parametrize("shape", ["{}", "?{}", REDIRECT + "?{}", "  " + REDIRECT + "?{}#x\n"])
def test_the_code_is_found_in_a_query_and_in_an_address(shape: str) -> None:
    made = request()
    assert code_of(shape.format(answer(made)), made) == "c0de"


@pytest.mark.parametrize("shape", ["state={state}&code=a?b", "code=a?b&state={state}"])
@pytest.mark.parametrize("before", ["", "?", REDIRECT + "?", "http://[::1?"])
def test_a_code_with_a_question_mark_is_found_wherever_it_stands(shape: str, before: str) -> None:
    made = request()
    assert code_of(before + shape.format(state=made.state), made) == "a?b"


@pytest.mark.parametrize("text", ["http://[", "http://[?state=x", "state=\udcff&code=x", "?", "=", "a=b?c#d"])
def test_whatever_is_pasted_is_refused_in_words(text: str) -> None:
    with pytest.raises(SignInFailed, match="another state"):
        code_of(text, request())


@pytest.mark.parametrize("state", ["", "other", "\xe4"])
def test_an_answer_with_another_state_is_refused(state: str) -> None:
    made = request()
    with pytest.raises(SignInFailed, match="another state") as caught:
        code_of(answer(made, state=state), made)
    assert caught.value.why is Why.UNSAFE


@pytest.mark.parametrize(
    ("names_issuer", "said", "fine"),
    [
        (True, ISSUER, True),
        (True, None, False),
        (True, "https://evil.example", False),
        (False, ISSUER, True),
        (False, None, True),
        (False, f"{ISSUER}/", False),
        (False, "https://ID.example", False),
    ],
)
def test_an_answer_is_believed_only_of_the_issuer_that_was_asked(
    names_issuer: bool, said: str | None, fine: bool
) -> None:
    made = request(names_issuer)
    text = answer(made, **({} if said is None else {"iss": said}))
    if fine:
        assert code_of(text, made) == "c0de"
        return
    with pytest.raises(SignInFailed, match="not from the authorization server"):
        code_of(text, made)
    with pytest.raises(SignInFailed, match="not from the authorization server") as caught:
        code_of(f"{text}&error=x&error_description=click+here", made)
    assert "click" not in caught.value.reason


def test_a_refusal_is_told_in_its_own_words() -> None:
    made = request()
    with pytest.raises(SignInFailed, match=r"access_denied \(no\)") as caught:
        code_of(answer(made, error="access_denied", error_description="n\x1bo"), made)
    assert caught.value.code == "access_denied"


@pytest.mark.parametrize("more", [{"code": ""}, {}])
def test_an_answer_without_a_code_or_with_two_is_refused(more: dict[str, str]) -> None:
    made = request()
    with pytest.raises(SignInFailed, match=r"no code|says things twice"):
        code_of(answer(made, **more) if more else f"{answer(made)}&code=x", made)


def test_what_an_error_says_is_bounded_and_printable() -> None:
    assert words({"error": "x" * 1000, "error_description": "\x00\n"}) == "x" * 300
