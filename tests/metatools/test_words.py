"""Words are what remains when style and endings do not matter."""

from __future__ import annotations

import pytest

from callmux.metatools.words import stem, words


@pytest.mark.parametrize(
    "family",
    [
        "issue issues",
        "create creates created creating creation",
        "query queries querying queried",
        "search searches searching searched",
        "delete deletes deleting deletion",
        "stop stopped stopping",
        "box boxes",
        "list lists listing",
        "file files filing",
    ],
)
def test_endings_do_not_matter(family: str) -> None:
    assert len({stem(word) for word in family.split()}) == 1


@pytest.mark.parametrize("pair", ["status state", "class clash", "port post", "thing think", "use us"])
def test_stems_keep_words_apart(pair: str) -> None:
    assert len({stem(word) for word in pair.split()}) == 2


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("createIssue", ["create", "issue"]),
        ("get_file-contents.v2/x", ["get", "file", "contents", "v", "2", "x"]),
        ("HTTPServerError", ["http", "server", "error"]),
        ("Größe 日本", ["gr", "öß", "e", "日本"]),
    ],
)
def test_identifiers_are_taken_apart(name: str, parts: list[str]) -> None:
    assert words(name) == [stem(part) for part in parts]


def test_writing_without_spaces_is_taken_apart_in_pairs() -> None:
    assert words("查询八字 now") == ["查询", "询八", "八字", "now"]
    assert words("字 天気を") == ["字", "天気", "気を"]
