"""A URI that a server may read as another one is that other one, too."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.guard.uris import forms, plain, shorter


@pytest.mark.parametrize(
    ("uri", "read"),
    [
        ("file:///a/b.txt", "file:///a/b.txt"),
        ("file:///a/../b", "file:///b"),
        ("file:///a/%2e%2e/b", "file:///b"),
        ("file:///a/%252e%252e/b", "file:///b"),
        ("file:///a/..%2fb", "file:///b"),
        ("file:///a/./b//c", "file:///a/b/c"),
        ("file:///a\\..\\b", "file:///b"),
        ("FILE:///a", "file:///a"),
        ("https://Host.Example/A", "https://host.example/A"),
        ("file:///..", "file:///"),
        ("file:///a/..", "file:///"),
        ("file:///a/b/", "file:///a/b/"),
        ("file:///a/b/..", "file:///a/"),
        ("db://host/table?x=a/../b#c/../d", "db://host/table?x=a/../b#c/../d"),
        ("mailto:a@b", "mailto:a@b"),
        ("x:", "x:"),
        ("", ""),
        ("no scheme/at/../all", "no scheme/all"),
    ],
)
def test_it_is_decoded_and_walked(uri: str, read: str) -> None:
    assert plain(uri) == read
    assert forms(uri) == ((uri,) if uri == read else (uri, read))


@given(st.text(alphabet="abA%2eE5fF/.\\?#:", max_size=40))
def test_what_is_plain_stays_as_it_is_and_goes_nowhere_up(uri: str) -> None:
    read = plain(uri)
    assert plain(read) == read or "%" in read
    path = read.partition("?")[0].partition("#")[0]
    assert ".." not in path.split("/")


def test_a_denial_also_means_what_is_left_without_fragment_query_and_slash() -> None:
    assert set(shorter("file:///a/?q#f")) == {"file:///a/?q", "file:///a/", "file:///a"}
    assert shorter("file:///a") == ()
