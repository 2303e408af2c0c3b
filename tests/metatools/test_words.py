"""Words are what remains when style and endings do not matter."""

from __future__ import annotations

import pytest

from callmux.metatools.words import LONGEST_QUERY, MOST_WORDS, query_words, stem, words


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


def test_words_that_say_nothing_are_left_out_unless_alone() -> None:
    assert query_words("how do I create an issue") == [stem("create"), stem("issue")]
    assert query_words("to the") == ["to", "the"]
    assert query_words("issue Issues") == [stem("issue")]
    assert query_words("!!!") == []


def test_a_query_as_long_as_a_book_asks_for_its_first_words() -> None:
    asked = query_words(" ".join(f"{n} word" for n in range(80_000)))
    assert (len(asked), asked[:3]) == (MOST_WORDS, ["0", "word", "1"])
    assert query_words("!" * LONGEST_QUERY + " issue") == []
