"""How well tools match: words, rarity, fields."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.metatools.scoring import Index, query_words, stem, words

RETRIEVAL = Path(__file__).parents[3] / "shared" / "data" / "retrieval"


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


def order(index: Index, query: str) -> list[int]:
    scores = index.scores(query)
    return sorted(scores, key=lambda position: -scores[position])


def test_a_word_in_the_name_beats_one_in_the_description() -> None:
    index = Index(
        [{"name": "list_teams", "description": "every issue"}, {"name": "issue"}, {"name": "other"}]
    )
    assert order(index, "issue") == [1, 0]


def test_a_rare_word_beats_a_common_one() -> None:
    index = Index([{"name": f"get_{word}"} for word in ("a", "b", "zebra", "c")])
    assert order(index, "get zebra")[0] == 2


def test_a_whole_name_in_any_style_comes_first() -> None:
    index = Index([{"name": "create_issue_comment"}, {"name": "createIssue"}, {"name": "issue_create"}])
    assert order(index, "create-issue")[0] == 1


def test_no_shared_word_is_no_match() -> None:
    assert Index([{"name": "get_item"}]).scores("zebra") == {}
    assert Index([]).scores("zebra") == {}


@given(st.lists(st.text(max_size=20), max_size=5), st.text(max_size=30))
def test_no_text_breaks_it(names: list[str], query: str) -> None:
    scores = Index([{"name": name, "description": name} for name in names]).scores(query)
    assert all(score > 0 for score in scores.values())


@pytest.mark.skipif(not RETRIEVAL.exists(), reason="the shared retrieval set is not here")
def test_it_finds_what_people_describe() -> None:
    """Better than the published BM25 baseline on the same set: recall@5 .681, MRR .602 for a plain one."""
    tools: list[dict[str, Any]] = json.loads((RETRIEVAL / "tools.json").read_text("utf-8"))["tools"]
    queries = json.loads((RETRIEVAL / "queries.json").read_text("utf-8"))["queries"]
    index = Index(
        [
            {
                "name": tool["tool"],
                "server": tool["server"],
                "description": tool["description"],
                "parameters": " ".join(sorted(tool["schema"].get("properties", {}))),
            }
            for tool in tools
        ]
    )
    recall = mrr = 0.0
    for query in queries:
        wanted = {label["tool_id"] for label in query["labels"] if label["relevance"] > 0}
        ranked = [tools[position]["tool_id"] for position in order(index, query["query"])]
        recall += len(wanted & set(ranked[:5])) / len(wanted)
        mrr += next((1 / place for place, tool in enumerate(ranked, 1) if tool in wanted), 0.0)
    assert recall / len(queries) > 0.75
    assert mrr / len(queries) > 0.64
