"""A URI that a server may read as another one is that other one, too."""

from __future__ import annotations

import posixpath
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.guard.uris import MOST_LAYERS, MOST_LETTERS, forms, shorter


@pytest.mark.parametrize(
    ("uri", "read"),
    [
        ("file:///a/../b", "file:///b"),
        ("file:///a/%2e%2e/b", "file:///b"),
        ("file:///a/%252e%252e/b", "file:///b"),
        ("file:///a/..%2fb", "file:///b"),
        ("file:///a/./b//c", "file:///a/b/c"),
        ("file:///a\\..\\b", "file:///b"),
        ("FILE:///a", "file:///a"),
        ("file:/a", "file:///a"),
        ("file://LocalHost/a", "file:///a"),
        ("https://Host.Example/A", "https://host.example/A"),
        ("file:///..", "file:///"),
        ("file:///a/..", "file:///"),
        ("file:///a/b/..", "file:///a/"),
        ("db://host/table?x=a/../b#c/../d", "db://host/d"),
        ("no scheme/at/../all", "no scheme/all"),
        # What ends the path for us is a name to a server that decodes later, or not at all.
        ("file:///public/%3F/../../secret", "file:///secret"),
        ("file:///public/%23/../../secret", "file:///secret"),
        ("file:///public/?/../../secret", "file:///secret"),
        # What is two names to us is one to a server that decodes later, or not at all.
        ("file:///public/a%2fb/../../secret", "file:///secret"),
        ("file:///public/a%252fb/../../secret", "file:///secret"),
        ("file:///public/a\\b/../../secret", "file:///secret"),
        ("file:///public/x/../private//../y", "file:///public/private/y"),
        # What browsers and their like drop.
        ("\tfile:///a", "file:///a"),
        (" file:///a", "file:///a"),
        ("fi\nle:///a\r/b", "file:///a/b"),
        ("file:///public/.\t./secret", "file:///secret"),
    ],
)
def test_every_way_to_read_it_counts(uri: str, read: str) -> None:
    assert forms(uri)[0] == uri
    assert read in forms(uri)


@pytest.mark.parametrize(
    "uri",
    ["file:///a/b.txt", "file:///a/b/", "https://a.example/b?c=/d#e", "mailto:a@b", "x:", "", "greeting"],
)
def test_what_can_be_read_in_one_way_has_one_form(uri: str) -> None:
    assert forms(uri) == (uri,)


ANY_URI = st.text(alphabet="abA%2eE5fF/.\\?#:\t ", max_size=40)


@given(ANY_URI)
def test_no_form_goes_up_but_in_names(uri: str) -> None:
    for form in forms(uri)[1:]:
        path = form.partition("?")[0].partition("#")[0]
        assert ".." not in path.split("/")[1:-1] or "%" in uri or "\\" in uri or "\t" in uri


@given(ANY_URI)
def test_what_a_server_makes_of_it_is_among_the_forms(rest: str) -> None:
    """Three servers as they are written: each finds a file in its own way."""
    uri = f"file:///{rest}"
    parsed = [urlsplit(uri).path, unquote(urlsplit(uri).path), unquote(uri)[7:], uri[7:]]
    seen = {form[7:].rstrip("/") for form in (*forms(uri), *shorter(uri))}
    for path in parsed:
        assert posixpath.normpath("/" + path.lstrip("/")).rstrip("/") in seen, path


def test_a_denial_also_means_what_is_left_without_fragment_query_and_slash() -> None:
    assert {"file:///a/?q", "file:///a/", "file:///a"} <= set(shorter("file:///a/?q#f"))
    assert shorter("file:///a") == ()


@pytest.mark.parametrize(
    ("uri", "meant"),
    [
        ("file:///s\0.txt", "file:///s"),
        ("file:///s%00.txt", "file:///s"),
        ("https://me@h/s", "https://h/s"),
        ("https://h:443/s", "https://h/s"),
        ("http://me:x@H.:80/s?q", "http://h/s"),
    ],
)
def test_a_denial_also_means_what_other_spellings_of_a_host_and_a_name_lead_to(uri: str, meant: str) -> None:
    assert meant in shorter(uri)


def test_the_longest_that_is_judged_costs_little_memory() -> None:
    uri = ("file:///" + "%2525252525252e/" * MOST_LETTERS)[:MOST_LETTERS]
    assert sum(map(len, forms(uri))) < 200 * MOST_LETTERS


@pytest.mark.parametrize(("layers", "read"), [(MOST_LAYERS, True), (MOST_LAYERS + 1, False)])
def test_whoever_encodes_without_end_is_taken_at_his_word(layers: int, read: bool) -> None:
    uri = f"a:/x/%{'25' * (layers - 1)}2e./b"
    assert ("a:/b" in forms(uri)) is read


def test_a_uri_without_a_host_is_only_cut_at_its_end() -> None:
    assert set(shorter("mailto:a@b?x#y")) == {"mailto:a@b?x", "mailto:a@b"}
