"""Where a client works, from each of the places that may say so."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from callmux.session.cwd import from_header, from_meta, from_roots


def params(meta: Any) -> Raw:
    return Raw(json.dumps({"name": "t", "_meta": meta}).encode())


@pytest.mark.parametrize(
    ("meta", "path"),
    [
        ({"callmux": {"cwd": "/a"}}, "/a"),
        ({"callmux.cwd": "/a"}, "/a"),
        ({"cwd": " /a "}, "/a"),
        ({"workingDirectory": "/a"}, "/a"),
        ({"workingDirectory": "/4", "cwd": "/3", "callmux.cwd": "/2", "callmux": {"cwd": "/1"}}, "/1"),
        ({"workingDirectory": "/4", "cwd": "/3", "callmux.cwd": "/2"}, "/2"),
        ({"callmux": {"cwd": "not/absolute"}, "cwd": "/a"}, "/a"),
        ({"callmux": "?", "cwd": 7, "workingDirectory": None}, None),
        ({"cwd": ""}, None),
        ({"cwd": "~/a"}, None),
        ({"cwd": "/a\0b"}, None),
        (None, None),
        ("text", None),
    ],
)
def test_meta_names_it_in_four_ways(meta: Any, path: str | None) -> None:
    assert from_meta(params(meta)) == path


@pytest.mark.parametrize("raw", [b"{}", b'{"_meta"', b'{"arguments":{"_meta":{"cwd":"/a"}}}', b"[]"])
def test_what_is_no_meta_names_nothing(raw: bytes) -> None:
    assert from_meta(Raw(raw)) is None
    assert from_meta(None) is None


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        (b"/work", "/work"),
        (b" /work/a b ", "/work/a b"),
        ("/home/Jürgen/日本".encode(), "/home/Jürgen/日本"),
        (b"/not/utf-8/\xff", None),
        (b"work", None),
        (b"", None),
    ],
)
def test_a_header_is_utf_8(sent: bytes, path: str | None) -> None:
    """The transport gives a character a byte."""
    assert from_header(sent.decode("latin-1")) == path


@pytest.mark.parametrize(
    ("uris", "path"),
    [
        (["file:///work"], "/work"),
        (["file://localhost/work/a%20b/%C3%BC"], "/work/a b/ü"),
        (["https://example.org/a", "file:///first", "file:///second"], "/first"),
        (["file://elsewhere/share"], None),
        (["file:relative", "file://[", "file:///%ff", ""], None),
        ([], None),
    ],
)
def test_the_first_root_that_is_a_directory_of_its_machine_counts(uris: list[str], path: str | None) -> None:
    assert from_roots(json.dumps({"roots": [{"uri": uri} for uri in uris]}).encode()) == path


@pytest.mark.parametrize("raw", [b"{}", b"null", b'{"roots":5}', b'{"roots":[{"uri":1}]}', b"{"])
def test_roots_that_cannot_be_read_name_nothing(raw: bytes) -> None:
    assert from_roots(raw) is None


def test_a_directory_that_cannot_be_read_is_passed_over() -> None:
    assert from_meta(Raw(b'{"_meta":{"callmux.cwd":1e999,"cwd":"/a"}}')) == "/a"


def test_without_a_header_no_directory_is_named() -> None:
    assert from_header(None) is None
