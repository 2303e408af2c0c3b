"""Single values: what is accepted, what it becomes, and how a refusal reads."""

from __future__ import annotations

import typing
from typing import Any

import pytest

from callmux.config import kinds
from callmux.config.kinds import Ignored, Kind, Refused


def read(hint: Any, value: object) -> object:
    kind = next(mark for mark in hint.__metadata__ if isinstance(mark, Kind))
    return kind.read(value)


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (kinds.Positive, 1, 1),
        (kinds.Positive, 5.0, 5),
        (kinds.NonNegative, 0, 0),
        (kinds.Milliseconds, 2**31 - 1, 2**31 - 1),
        (kinds.Attempts, None, None),
        (kinds.Attempts, 3, 3),
        (kinds.Ratio, 1, 1.0),
        (kinds.JsonObject, {"a": [1]}, {"a": [1]}),
        (kinds.Directory, " ./a b ", "./a b"),
        (kinds.ResourceUrl, " https://h:1/mcp ", "https://h:1/mcp"),
        (kinds.ResourceUrl, "http://[::1]/", "http://[::1]/"),
        (kinds.EnvironmentReference, "keyring:a", "keyring:a"),
        (kinds.EnvironmentReference, "cmd:pass show a", "cmd:pass show a"),
        (kinds.Flag, False, False),
        (kinds.Text, "", ""),
        (kinds.Prefix, "", ""),
        (kinds.Prefix, "a_1", "a_1"),
        (kinds.HeaderName, " X-Api-Key ", "x-api-key"),
        (kinds.AbsolutePath, " /a", "/a"),
        (kinds.UrlPath, "prom-metrics", "/prom-metrics"),
        (kinds.UrlPath, "/m/", "/m/"),
        (kinds.MountPath, "ops", "/ops"),
        (kinds.MountPath, "/ops//", "/ops"),
        (kinds.MountPath, "/", "/"),
        (kinds.EnvironmentReference, " env:A_1 ", "env:A_1"),
        (kinds.EnvironmentReference, "file:./a b", "file:./a b"),
        (kinds.SecretReference, "env:A", "env:A"),
        (kinds.Network, " 10.0.0.1 ", "10.0.0.1"),
        (kinds.Network, "10.0.0.1/8", "10.0.0.1/8"),
        (kinds.Network, "fe80::1%eth0", "fe80::1%eth0"),
        (kinds.Network, "::ffff:1.2.3.4", "::ffff:1.2.3.4"),
        (kinds.Audience, "a", ("a",)),
        (kinds.Audience, ["a", "b"], ("a", "b")),
        (kinds.OutputFormat, "toon", "toon"),
        (kinds.ServerType, "sse", "sse"),
        (kinds.Url, "https://i/jwks", "https://i/jwks"),
        (kinds.ScryptHash, "scrypt$1024$8$1$b3Bz$jJ9urypeY6jg", "scrypt$1024$8$1$b3Bz$jJ9urypeY6jg"),
    ],
)
def test_accepts(hint: Any, value: object, expected: object) -> None:
    """The value arrives as the model holds it."""
    assert read(hint, value) == expected


@pytest.mark.parametrize(
    ("hint", "value", "message"),
    [
        (kinds.Positive, 0, "must be a positive integer"),
        (kinds.Positive, "5", "must be a positive integer"),
        (kinds.Positive, True, "must be a positive integer"),
        (kinds.Positive, None, "must be a positive integer"),
        (kinds.Positive, 1.5, "must be a positive integer"),
        (kinds.Positive, 2**53, "must be at most 9007199254740991"),
        (kinds.NonNegative, -1, "must be a non-negative integer"),
        (kinds.Milliseconds, 2**31, "must be at most 2147483647 milliseconds, which is about 24 days"),
        (kinds.Attempts, 0, "must be a positive integer"),
        (kinds.Ratio, 1.1, "must be a number between 0 and 1"),
        (kinds.Directory, " ", "must be a non-empty path"),
        (kinds.Directory, 5, "must be a non-empty path"),
        (kinds.ScryptHash, "scrypt$1048576$16$1$b3Bz$jJ9urypeY6jg", "takes more than 2 GB to compare"),
        (kinds.ResourceUrl, "ftp://h/", "must be an http or https address without query"),
        (kinds.ResourceUrl, "https://h/?a=b", "must be an http or https address without query"),
        (kinds.ResourceUrl, "https://h/#a", "must be an http or https address without query"),
        (kinds.ResourceUrl, "https://al@h/", "must be an http or https address without query"),
        (kinds.ResourceUrl, "https://h/ü", "must be written in ASCII"),
        (kinds.ResourceUrl, "https://h/a b", "must be written in ASCII"),
        (kinds.ResourceUrl, 'https://h/"', "must be written in ASCII"),
        (kinds.EnvironmentReference, "keyring: ", "keyring reference must include a name"),
        (kinds.EnvironmentReference, "cmd:", "cmd reference must include a command"),
        (kinds.Ratio, False, "must be a number between 0 and 1"),
        (kinds.Flag, 1, "must be a boolean"),
        (kinds.Text, 5, "must be a string"),
        (kinds.NonBlank, " ", "must be a non-empty string"),
        (kinds.JsonObject, [], "must be an object"),
        (kinds.Prefix, "a-b", "must contain only letters, digits, and underscores"),
        (kinds.Prefix, 5, "must be a string"),
        (kinds.Prefix, "a\n", "must contain only letters, digits, and underscores"),
        (kinds.HeaderName, "bad header", "must be a valid HTTP header name"),
        (kinds.AbsolutePath, "rel", "must be an absolute path"),
        (kinds.UrlPath, "", "must be a non-empty string"),
        (kinds.EnvironmentReference, "x", "must use env:<NAME> or file:<PATH>"),
        (kinds.EnvironmentReference, "env:1A", "must name a valid environment variable"),
        (kinds.EnvironmentReference, "file:", "must include a path"),
        (kinds.SecretReference, "vault:x", "must use supported secret refs: env:<NAME> or file:<PATH>"),
        (kinds.Network, "host", "must be valid CIDR or IP values"),
        (kinds.Network, "10.0.0.0/99", "must be valid CIDR or IP values"),
        (kinds.Network, "10.0.0.0/255.0.0.0", "must be valid CIDR or IP values"),
        (kinds.Network, 5, "must be valid CIDR or IP values"),
        (kinds.Audience, [], "must be a non-empty string or non-empty string array"),
        (kinds.Audience, ["a", ""], "must be a non-empty string or non-empty string array"),
        (kinds.Audience, 5, "must be a non-empty string or non-empty string array"),
        (kinds.OutputFormat, "xml", 'must be "json", "toon", "auto", "plain", or "shortest"'),
        (kinds.Transport, "ws", 'must be "streamable-http" or "sse"'),
        (kinds.Url, "nope", "must be a valid URL"),
        (kinds.Url, "http://[", "must be a valid URL"),
        (kinds.Algorithm, "HS256", '"RS256"'),
    ],
)
def test_refuses(hint: Any, value: object, message: str) -> None:
    """The text follows the key's path in a message."""
    with pytest.raises(Refused) as caught:
        read(hint, value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        "md5$x",
        "scrypt$1000$8$1$b3Bz$jJ9u",
        "scrypt$1$8$1$b3Bz$jJ9u",
        "scrypt$2097152$8$1$b3Bz$jJ9u",
        "scrypt$1024$33$1$b3Bz$jJ9u",
        "scrypt$1024$8$17$b3Bz$jJ9u",
        "scrypt$1024$8$1$b3Bz=$jJ9u",
        "scrypt$1024$8$1$$jJ9u",
        "scrypt$1024$8$1$b3Bzz$jJ9u",
        5,
    ],
)
def test_a_hash_out_of_bounds_is_refused(value: object) -> None:
    """A huge cost would let a configuration stop the process."""
    with pytest.raises(Refused, match="must be a valid scrypt hash"):
        kinds.scrypt_hash(value)


def test_a_server_type_nobody_knows_is_left_out() -> None:
    """Other programs put other words there; the original ignores them all."""
    with pytest.raises(Ignored, match="callmux knows stdio, http"):
        read(kinds.ServerType, "remote")


def test_every_kind_describes_itself() -> None:
    """The editor's schema has something to say about each."""
    aliases = [
        alias
        for name, alias in vars(kinds).items()
        if typing.get_origin(alias) is not None and name[0].isupper()
    ]
    found = [
        mark for alias in aliases for mark in getattr(alias, "__metadata__", ()) if isinstance(mark, Kind)
    ]
    assert len(found) > 20
    assert all(kind.schema for kind in found)
