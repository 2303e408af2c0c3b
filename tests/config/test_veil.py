"""What is hidden of a secret, in which spellings, and what stays readable."""

from __future__ import annotations

import json
from base64 import b64encode
from urllib.parse import quote

import pytest

from callmux.config.redact import MASK
from callmux.config.veil import (
    EVERYWHERE,
    MOST_KNOWN,
    NOTHING,
    Everywhere,
    GrowingVeil,
    Veil,
    credentials_in,
    is_ordinary,
    veil_of_headers,
)

SECRET = 's3nt/inel+with "quotes" & é'


@pytest.mark.parametrize(
    "spelled",
    [
        *[SECRET, quote(SECRET), quote(SECRET, safe=""), quote(SECRET, safe="").lower()],
        *[json.dumps(SECRET)[1:-1], json.dumps(SECRET, ensure_ascii=False)[1:-1]],
        *[
            b64encode(f"{before}{SECRET}{after}".encode()).decode()
            for before, after in [("", ""), ("a", "b"), ("xy", ""), ("bob:", "z")]
        ],
    ],
)
def test_a_secret_is_hidden_in_each_spelling(spelled: str) -> None:
    shown = Veil([SECRET]).hide(f"refused <{spelled}> again")
    assert "[redacted]" in shown
    assert shown.startswith("refused <")
    assert shown.endswith("> again")
    for part in (SECRET, quote(SECRET, safe=""), "inel", "quotes"):
        assert part not in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("it begins with abcdefgh12...", "it begins with [redacted]..."),
        ("it ends with ...90zyxwvuts", "it ends with ...[redacted]"),
        ("abcdefgh12345678 90zyxwvuts", "[redacted] [redacted]"),
        ("abcdefg1 alone is too little", "abcdefg1 alone is too little"),
        ("abcdefgh is a word", "abcdefgh is a word"),
    ],
)
def test_what_is_left_of_a_secret_that_was_cut_off_is_hidden_too(text: str, shown: str) -> None:
    assert Veil(["abcdefgh1234567890zyxwvuts"]).hide(text) == shown


def test_what_a_server_lists_loses_nothing_but_what_is_beyond_doubt_a_secret() -> None:
    veil = Veil(["k3y-of-the-server", "github", 'qu"oted 123456'], ["eu-west-region", "m4ybe-a-secret"])
    raw = b'{"a":"github k3y-of-the-server eu-west-region m4ybe-a-secret qu\\"oted 123456"}'
    assert veil.hide_listed(raw) == b'{"a":"github [redacted] eu-west-region [redacted] [redacted]"}'
    untouched = b'{"a":"k3y-of"}'
    assert veil.hide_listed(untouched) is untouched


def test_short_values_are_hidden_only_as_words_of_their_own() -> None:
    assert (
        Veil(["cat1"]).hide("cat1 in cat12 and concat1, cat1!")
        == "[redacted] in cat12 and concat1, [redacted]!"
    )
    assert Veil(["abc"], ["x"]).hide("abc x") == "abc x"


@pytest.mark.parametrize(
    "value",
    [
        *["production", "true", "8080", "/srv/data", "~/shop", "./x", "localhost", "127.0.0.1:80", "DEBUG"],
        *["http://localhost:8080/mcp", "https://api.example.com", "en_US.UTF-8", "."],
    ],
)
def test_ordinary_values_that_may_be_secrets_stay(value: str) -> None:
    assert is_ordinary(value)
    assert Veil((), [value]).hide(f"it runs in {value}") == f"it runs in {value}"


@pytest.mark.parametrize("value", ["hunter2", "https://al:pw@h/", "correct horse", "a1b2c3d4", "12345678"])
def test_other_values_that_may_be_secrets_are_hidden(value: str) -> None:
    assert value not in Veil((), [value]).hide(f"it was given {value} here")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("could not reach postgres://bob:PW@db/x", "could not reach postgres://[redacted]@db/x"),
        ("GET https://h/?api_key=x1&b=2 failed", "GET https://h/?api_key=[redacted]&b=2 failed"),
        ("Authorization: Bearer abc123def456", "Authorization: Bearer [redacted]"),
        ("usage: x --token=abcd1234 --port=80", "usage: x --token=[redacted] --port=80"),
        ('{"apiKey": "abcd", "port": "80"}', '{"apiKey": "[redacted]", "port": "80"}'),
        ("MY_SECRET=abcd1234", "MY_SECRET=[redacted]"),
        ("Bearer token required", "Bearer token required"),
        ('Bearer realm="x", error="invalid_token"', 'Bearer realm="x", error="invalid_token"'),
        (
            "--token <TOKEN> is missing, see --token=<TOKEN>",
            "--token <TOKEN> is missing, see --token=<TOKEN>",
        ),
        ("bearer_token_env_var=NAME", "bearer_token_env_var=NAME"),
        ("npm error code E404", "npm error code E404"),
    ],
)
def test_what_looks_like_a_secret_is_hidden_without_being_known(text: str, shown: str) -> None:
    assert NOTHING.hide(text) == shown


def test_what_only_looks_like_a_secret_stays_where_only_known_values_count() -> None:
    assert NOTHING.hide_known("MY_SECRET=abcd1234") == "MY_SECRET=abcd1234"
    assert Veil(["abcd1234"]).hide_known("MY_SECRET=abcd1234") == "MY_SECRET=[redacted]"


def test_secrets_for_sure_are_hidden_everywhere_and_the_oldest_are_forgotten_one_day() -> None:
    everywhere = Everywhere()
    everywhere.learn(Veil(["first-secret"], ["maybe-secret"]))
    assert everywhere.hide("first-secret maybe-secret") == "[redacted] maybe-secret"
    everywhere.learn(Veil(f"secret-{n}" for n in range(MOST_KNOWN)))
    shown = everywhere.hide("first-secret secret-17.")
    assert shown == "first-secret [redacted]."
    assert everywhere.hide("secret-18 and others") == "[redacted] and others"


def test_the_names_of_secrets_are_not_their_values() -> None:
    assert "hunter" not in repr(Veil(["hunter2hunter2"]))
    assert isinstance(EVERYWHERE, Everywhere)


BASIC = b64encode(b"bob:pa55word").decode()


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("k3y", ["k3y"]),
        ("Bearer abc", ["Bearer abc", "abc"]),
        (f"Basic {BASIC}", [f"Basic {BASIC}", BASIC, "bob:pa55word", "pa55word"]),
        ("Basic Ym9i", ["Basic Ym9i", "Ym9i"]),
        ("Basic !!!!", ["Basic !!!!", "!!!!"]),
        ("Basic /////w==", ["Basic /////w==", "/////w=="]),
        ("Bearer abcd", ["Bearer abcd", "abcd"]),
        ("sid=s3ss10n; theme=dark", ["sid=s3ss10n; theme=dark", "s3ss10n", "dark"]),
    ],
)
def test_a_credential_is_known_in_each_of_its_parts(value: str, found: list[str]) -> None:
    assert list(credentials_in(value)) == found


def test_headers_that_are_sent_are_hidden_where_they_are_repeated() -> None:
    veil = veil_of_headers(
        {"X-Key": "k3y-of-us", "Authorization": f"Basic {BASIC}", "Accept": "text/event-stream"}
    )
    shown = veil.hide_known(f"refused k3y-of-us, {BASIC}, pa55word; accepts text/event-stream")
    assert shown == "refused [redacted], [redacted], [redacted]; accepts text/event-stream"


def test_a_veil_that_learns_hides_what_it_knows_and_what_it_learned() -> None:
    veil = GrowingVeil(Veil(["first-secret-1"]))
    assert veil.hide_known("first-secret-1 second-secret-2") == f"{MASK} second-secret-2"
    for _ in range(2):
        veil.learn("second-secret-2")
    assert veil.hide_known("first-secret-1 second-secret-2") == f"{MASK} {MASK}"
    assert veil.hide("it is second-secret-2") == f"it is {MASK}"
    assert veil.hide_listed(b'"first-secret-1 second-secret-2"') == f'"{MASK} {MASK}"'.encode()
    assert veil.certain == {"first-secret-1", "second-secret-2"}


def test_a_veil_forgets_the_oldest_of_what_it_learned() -> None:
    veil = GrowingVeil(Veil(["first-secret-1"]))
    secrets = [f"{number + 10}" * 8 for number in range(17)]
    for secret in secrets:
        veil.learn(secret)
    assert veil.hide_known(secrets[0]) == secrets[0]
    assert veil.hide_known(f"{secrets[16]} first-secret-1") == f"{MASK} {MASK}"
