"""Hiding secrets in what is shown."""

from __future__ import annotations

import pytest

from callmux.config.redact import (
    _HINTS,
    _SECRET_PAIRS,
    _SECRET_WORDS,
    MASK,
    is_reference,
    is_secret_key,
    mask_command,
    mask_text,
    mask_url,
    secrets_of_command,
    secrets_of_url,
    shown_command,
)


@pytest.mark.parametrize(
    "key",
    [
        *["token", "MY_TOKEN", "authToken", "apiKey", "api-key", "API_KEY", "apikey", "my-token", "tokens"],
        *["--secrets", "Authorization", "x-api-key", "cookie", "credentials", "bearer", "private-key"],
        *["AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "GITHUB_PAT", "passwd"],
    ],
)
def test_keys_of_secrets(key: str) -> None:
    assert is_secret_key(key)


@pytest.mark.parametrize(
    "key",
    ["mytoken", "author", "key", "path", "safe", "token-file", "TOKEN_PATH", "authMode", "auth-url", "keys"],
)
def test_other_keys(key: str) -> None:
    """Where the value of `--token-file` is a path, seeing it helps."""
    assert not is_secret_key(key)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (
            ["server", "--token", "hunter2", "--api-key=x", "--safe", "visible"],
            ["server", "--token", "[redacted]", "--api-key=[redacted]", "--safe", "visible"],
        ),
        (["--cookie", "x", "y"], ["--cookie", "[redacted]", "y"]),
        (["--tokens", "a,b"], ["--tokens", "[redacted]"]),
        (["-t", "hunter2"], ["-t", "[redacted]"]),
        (
            ["-p", "8080", "-p", "@scope/pkg", "-p", "hunter2"],
            ["-p", "8080", "-p", "@scope/pkg", "-p", "[redacted]"],
        ),
        (["-u", "al:pw"], ["-u", "al:[redacted]"]),
        (["--header", "Authorization: Bearer x"], ["--header", "Authorization: [redacted]"]),
        (["-H", "X-Api-Key:abc", "-H", "Accept: a"], ["-H", "X-Api-Key:[redacted]", "-H", "Accept: a"]),
        (["--header=Authorization: Bearer x"], ["--header=Authorization: [redacted]"]),
        (["-e", "API_TOKEN=x", "TOKEN=y"], ["-e", "API_TOKEN=[redacted]", "TOKEN=[redacted]"]),
        (["--env=TOKEN=x"], ["--env=TOKEN=[redacted]"]),
        (["--token", "--verbose"], ["--token", "--verbose"]),
        (["Bearer abc"], ["Bearer [redacted]"]),
        (
            ["postgres://al:pw@h/db?sslmode=on"],
            ["postgres://[redacted]@h/db?sslmode=on"],
        ),
        (["--dsn=https://h/?token=a&x=1"], ["--dsn=https://h/?token=[redacted]&x=1"]),
        (["ghp_abcdefghijklmnop0123"], ["[redacted]"]),
        (["API_TOKEN=ghp_abcdefghijklmnop0123"], ["API_TOKEN=[redacted]"]),
        (
            ["--settings", '{"apiKey": "abcd", "port": "80"}'],
            ["--settings", '{"apiKey": "[redacted]", "port": "80"}'],
        ),
        (["--token", "${TOKEN}", "--key", "Bearer ${K}"], ["--token", "${TOKEN}", "--key", "Bearer ${K}"]),
        (
            ["npx", "-y", "@scope/server-thing", "/srv/data"],
            ["npx", "-y", "@scope/server-thing", "/srv/data"],
        ),
        ([], []),
    ],
)
def test_command_lines(words: list[str], shown: list[str]) -> None:
    """Neighbours stay. Weak spot C10 of callmux (npm)."""
    assert mask_command(words) == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h:1/p?a=b#c", "https://h:1/p?a=b#c"),
        ("https://al@h/", "https://[redacted]@h/"),
        ("https://h/?api_key=x&b=2", "https://h/?api_key=[redacted]&b=2"),
        ("https://h/#access_token=x", "https://h/#access_token=[redacted]"),
        ("https://h/sk-abcdefgh1234567890/mcp", "https://h/[redacted]/mcp"),
        ("http://[", "http://["),
        ("http://[redacted]@h/", "http://[redacted]@h/"),
        ("postgres://al:p/w@h:5432/db", "postgres://[redacted]@h:5432/db"),
        ("https://h:8080/@scope/pkg", "https://h:8080/@scope/pkg"),
    ],
)
def test_urls(url: str, shown: str) -> None:
    assert mask_url(url) == shown


def test_a_shown_command_has_quotes_where_a_shell_needs_them() -> None:
    words = ["run", "", "--agent", "Test Test", "--token=x1", "${HOME}/x", "it's"]
    assert shown_command(words) == """run '' --agent 'Test Test' --token=[redacted] ${HOME}/x "it's\""""


def test_every_name_of_a_secret_has_a_hint_that_is_looked_for() -> None:
    """Text without a hint is not searched."""
    names = {*_SECRET_WORDS, *map("".join, _SECRET_PAIRS)}
    assert not [name for name in names if not any(hint in name for hint in _HINTS)]
    assert mask_text("MY_PAT=abcd1234") == "MY_PAT=[redacted]"
    long = "x" * 900
    assert mask_url(f"https://{long}@h/") == "https://[redacted]@h/"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nothing to hide", "nothing to hide"),
        ("it waits for postgres://bob:PW@db/x", "it waits for postgres://[redacted]@db/x"),
        ("it is authorized as bob", "it is authorized as bob"),
        ("GET https://h/?token=abcd&b=2", "GET https://h/?token=[redacted]&b=2"),
        ("MY_TOKEN=abcd1234 PORT=8080", "MY_TOKEN=[redacted] PORT=8080"),
        ('{"apiKey": "abcd", "port": "80"}', '{"apiKey": "[redacted]", "port": "80"}'),
        ("Authorization: Bearer abc123def456", "Authorization: Bearer [redacted]"),
        ("MY_TOKEN=ghp_abcdefghijklmnop0123", "MY_TOKEN=[redacted]"),
        ("refused ghp_abcdefghijklmnop0123", "refused [redacted]"),
    ],
)
def test_a_text_loses_what_looks_like_a_secret(text: str, shown: str) -> None:
    assert mask_text(text) == shown


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["run", "--token", "hunter2"], [("hunter2", True)]),
        (["-p", "hunter2"], [("hunter2", False)]),
        (["-p", "8080"], []),
        (["TOKEN=y", "--cookie", "c"], [("y", True), ("c", True)]),
        (["postgres://al:pw@h/db"], [("al:pw", True), ("al:pw", True), ("pw", True)]),
    ],
)
def test_the_secrets_of_a_command_are_told_with_how_sure_they_are(
    words: list[str], found: list[tuple[str, bool]]
) -> None:
    assert list(secrets_of_command(words)) == found


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://h/p?a=b", []),
        ("https://al:pw@h/?token=t", ["al:pw", "t", "pw"]),
        ("https://key@h/", ["key", "key"]),
    ],
)
def test_the_secrets_of_a_url_are_told_whole_and_alone(url: str, found: list[str]) -> None:
    assert list(secrets_of_url(url)) == found


@pytest.mark.parametrize(
    "reference",
    [
        *("${TOKEN}", "${env:TOKEN}", "Bearer ${file:secrets/t}", "${keyring:gh}", "env:TOKEN"),
        *("file:/run/secrets/t", "keyring:gh"),
    ],
)
def test_where_a_secret_stands_is_no_secret(reference: str) -> None:
    assert is_reference(reference)
    assert mask_command(["run", "--token", reference]) == ["run", "--token", reference]


@pytest.mark.parametrize(
    "value", ["hunter2", "env:", "keyring:a b", "cmd:curl -H 'X-Key: hunter2'", "x ${A}"]
)
def test_anything_else_may_be_one(value: str) -> None:
    assert not is_reference(value)
    assert mask_command(["run", "--token", value])[-1] == MASK
