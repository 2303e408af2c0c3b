"""A query asks for words; a path, an address or talk around them asks for little."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.metatools.question import FAINT, LONGEST_QUERY, MOST_WORDS, asked_words
from callmux.metatools.words import parts, stem


def full(query: str) -> list[str]:
    """The words that count whole."""
    return [word for word, counts in asked_words(query).items() if counts == 1]


def test_words_that_say_nothing_are_left_out_unless_alone() -> None:
    assert asked_words("how do I create an issue") == {stem("create"): 1, stem("issue"): 1}
    assert asked_words("to the") == {"to": 1, "the": 1}
    assert asked_words("issue Issues") == {stem("issue"): 1}
    assert asked_words("!!!") == {}


def test_words_of_ordinary_talk_count_little_beside_others() -> None:
    assert asked_words("please help me with an invoice") == {"help": FAINT, stem("invoice"): 1}
    assert asked_words("help") == {"help": 1}


def test_a_word_counts_as_much_as_where_it_counts_most() -> None:
    assert asked_words("/srv/invoice/invoice.pdf invoice")[stem("invoice")] == 1


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/root/pdf/old_thing.pdf", "pdf file"),
        ("~/thing.DOCX", "word document file"),
        (r"C:\old\thing.xlsx", "excel spreadsheet file"),
        ("`../thing.py`", "py file"),
        ("thing.md,", "markdown file"),
        ("(old/thing.csv).", "csv table file"),
        ("/var/music", "folder"),
        ("/var/v1.2", "folder"),
        ("~/music/", "folder"),
    ],
)
def test_a_path_asks_for_its_kind_of_file(path: str, words: str) -> None:
    assert full(f"invoice {path}") == [stem("invoice"), *map(stem, words.split())]


def test_the_name_of_a_file_counts_little() -> None:
    asked = asked_words("invoice /root/pdf/weather_report.pdf")
    assert (asked["weather"], asked["report"]) == (FAINT, FAINT)
    assert "root" not in asked


@pytest.mark.parametrize(
    "text", ["Next.js", "vercel/ai", "/login", "1.5", "e.g. this", "client/server", "v2.0.1", "..."]
)
def test_what_only_looks_like_a_path_is_text(text: str) -> None:
    asked = asked_words(f"invoice {text}")
    assert not {"file", "folder"} & asked.keys()
    assert set(map(stem, parts(text))) - set("eg") - {"this"} <= asked.keys()


def test_an_address_asks_for_its_host_and_its_kind_of_file() -> None:
    assert full("https://www.youtube.com/watch?v=arj7oStGLkU") == ["url", stem("youtube")]
    assert full("(see HTTPS://arxiv.org/pdf/22.pdf#page=2)") == ["see", "url", "arxiv", "pdf", stem("file")]
    assert full("https://arxiv.org/abs/2203.12277") == ["url", "arxiv"]
    assert full("www.example.com") == ["url", stem("example")]


def test_encoded_data_asks_for_nothing() -> None:
    assert asked_words("image iVBORw0KGgoAAAANSUhEUgAAAgAAAAIACAYAAAD0eNT6AAAABHNCSVQ=") == {stem("image"): 1}
    long_name = "createOrganizationMembershipInvitationForOneUser"
    assert stem("membership") in asked_words(long_name)


def test_a_query_as_long_as_a_book_asks_for_its_first_words() -> None:
    asked = list(asked_words(" ".join(f"{n} word" for n in range(80_000))))
    assert (len(asked), asked[:3]) == (MOST_WORDS, ["0", "word", "1"])
    assert asked_words("!" * LONGEST_QUERY + " issue") == {}


@given(st.text(alphabet="ab1/\\.~:-_ wW'`()h漢字\n", max_size=60))
def test_no_text_breaks_it(text: str) -> None:
    asked = asked_words(text)
    assert all(word and counts in (FAINT, 1) for word, counts in asked.items())
    assert not asked or 1 in asked.values()
