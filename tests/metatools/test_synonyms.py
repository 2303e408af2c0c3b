"""Synonyms are found from either side, and are few."""

from __future__ import annotations

from callmux.metatools.synonyms import SYNONYMS
from callmux.metatools.words import stem


def test_synonyms_go_both_ways() -> None:
    assert all(word in SYNONYMS[other] for word, others in SYNONYMS.items() for other in others)
    assert all(word not in others for word, others in SYNONYMS.items())


def test_verbs_have_the_words_people_use_for_them() -> None:
    for asked, listed in [
        ("erase", "delete"),
        ("lookup", "search"),
        ("modifying", "update"),
        ("folders", "directory"),
    ]:
        assert stem(listed) in SYNONYMS[stem(asked)]


def test_opposites_are_no_synonyms() -> None:
    for one, other in [("create", "delete"), ("start", "stop"), ("read", "write"), ("upload", "download")]:
        assert stem(other) not in SYNONYMS[stem(one)]
