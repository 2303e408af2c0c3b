"""`callmux_search_tools` finds tools by words of the task."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from callmux.errors import InvalidArguments, ServerNotFound
from callmux.metatools import search_tools
from callmux.metatools.scoring import SLICE
from callmux.metatools.search_tools import rank
from callmux.upstream.catalogue import Catalogue, ServerTools
from tests.metatools.conftest import Bench

SEARCH = "callmux_search_tools"


def tool(name: str, description: str, *properties: str) -> dict[str, Any]:
    return {
        "name": name,
        "description": description,
        "inputSchema": {"type": "object", "properties": {p: {} for p in properties}},
    }


@pytest.fixture(autouse=True)
def _tools(bench: Bench) -> None:
    bench.serve(
        gh=[
            tool("create_issue", "Create a new issue in a repository.", "title", "labels"),
            tool("search_issues", "Search issues and pull requests.", "query"),
            tool("get_file", "Read a file from a repository.", "path"),
        ],
        lin=["list_teams", tool("create_ticket", "Create an issue ticket.", "teamId")],
    )


def test_the_best_match_comes_first_with_all_its_fields(bench: Bench) -> None:
    payload = bench.payload(SEARCH, {"query": "create issue"})
    assert list(payload) == ["query", "totalTools", "found", "limit", "results"]
    assert (payload["query"], payload["totalTools"], payload["limit"]) == ("create issue", 5, 10)
    best = payload["results"][0]
    score = best.pop("score")
    assert score > payload["results"][1]["score"] > 0
    assert best == {
        "tool": "gh__create_issue",
        "name": "create_issue",
        "server": "gh",
        "description": "Create a new issue in a repository.",
        "inputFields": ["labels", "title"],
    }


@pytest.mark.parametrize("arguments", [{}, {"query": ""}, {"query": "!!!"}])
def test_without_words_everything_is_listed(bench: Bench, arguments: dict[str, Any]) -> None:
    payload = bench.payload(SEARCH, arguments)
    assert payload["found"] == 5
    assert [(r["server"], r["name"], r["score"]) for r in payload["results"]] == [
        ("gh", "create_issue", 0),
        ("gh", "get_file", 0),
        ("gh", "search_issues", 0),
        ("lin", "create_ticket", 0),
        ("lin", "list_teams", 0),
    ]


def test_a_tool_without_words_shows_none(bench: Bench) -> None:
    found = bench.payload(SEARCH, {"query": "list teams"})["results"][0]
    assert found.keys() == {"tool", "name", "server", "score"}


def test_the_server_narrows(bench: Bench) -> None:
    payload = bench.payload(SEARCH, {"query": "issue", "server": "lin"})
    assert (payload["server"], payload["totalTools"], payload["found"]) == ("lin", 2, 1)
    assert [r["name"] for r in payload["results"]] == ["create_ticket"]


def test_words_of_the_server_and_of_parameters_count(bench: Bench) -> None:
    assert bench.payload(SEARCH, {"query": "gh"})["found"] == 3
    assert bench.payload(SEARCH, {"query": "labels"})["results"][0]["name"] == "create_issue"


def test_how_a_long_name_is_cut_says_nothing_about_a_tool(bench: Bench) -> None:
    long = "_of_every_quarter_and_of_every_year_that_the_company_has_seen"
    bench.serve(charts=[tool(f"report_{n}{long}", "Make a report of a chart.") for n in range(4)], office=[])
    results = bench.payload(SEARCH, {"query": "make a report"})["results"]
    assert not any(result["tool"].endswith(result["name"]) for result in results)
    assert len({result["score"] for result in results}) == 1
    assert [result["name"][:8] for result in results] == ["report_0", "report_1", "report_2", "report_3"]


def test_the_same_tools_in_another_order_give_the_same_bytes(bench: Bench) -> None:
    gh = [tool("create_issue", "Create an issue."), tool("get_issue", "Read an issue.")]
    lin = [tool("create_ticket", "Create an issue ticket."), tool("list_teams", "All teams.")]
    arguments = {"query": "create an issue"}
    bench.serve(gh=gh, lin=lin)
    answer = asyncio.run(bench.arun(SEARCH, arguments)).raw
    bench.serve(lin=lin[::-1], gh=gh[::-1])
    assert asyncio.run(bench.arun(SEARCH, arguments)).raw == answer


def test_plural_and_singular_are_one(bench: Bench) -> None:
    """W27."""
    assert bench.payload(SEARCH, {"query": "files"})["results"][0]["name"] == "get_file"


def test_a_letter_matches_no_words(bench: Bench) -> None:
    """W27: `e` matched 23 of 24 tools."""
    assert bench.payload(SEARCH, {"query": "e"})["found"] == 0


def test_an_unknown_or_unlisted_server_is_an_error(bench: Bench) -> None:
    bench.catalogue = Catalogue([ServerTools(server="up", listed=True), ServerTools(server="down")])
    for server in ("down", "zz"):
        with pytest.raises(ServerNotFound) as caught:
            bench.run(SEARCH, {"server": server})
        assert caught.value.details == {"server": server, "availableServers": ["up"]}


def test_the_limit_bounds_results_not_the_count(bench: Bench) -> None:
    payload = bench.payload(SEARCH, {"limit": 2})
    assert (payload["found"], len(payload["results"]), payload["limit"]) == (5, 2, 2)


def test_descriptions_are_cut_as_asked_or_configured(bench: Bench) -> None:
    def description(**arguments: Any) -> Any:
        return bench.payload(SEARCH, {"query": "get_file", **arguments})["results"][0]["description"]

    assert description(descriptionMaxLength=10) == "Read a fil..."
    bench.description_limit = 5
    assert description() == "Read ..."
    assert description(descriptionMaxLength=0) == "Read a file from a repository."
    assert description(descriptionMaxLength=30) == "Read a file from a repository."


def test_the_input_schema_is_shown_when_asked_for(bench: Bench) -> None:
    """As the server lists it, digits included: an agent that sees no listing has no other way to it.

    Weak spot W14 of callmux (npm).
    """
    schema = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 12345678901234567890}}}
    bench.serve(s=[{"name": "count_up", "inputSchema": schema}, {"name": "count_down"}])
    payload = bench.payload(SEARCH, {"query": "count", "includeInputSchema": True})
    shown = {result["name"]: result["inputSchema"] for result in payload["results"]}
    assert shown == {"count_up": schema, "count_down": {}}
    assert "schemasOmitted" not in payload
    assert "inputSchema" not in bench.payload(SEARCH, {"query": "count"})["results"][0]


def test_schemas_are_bounded_together(bench: Bench) -> None:
    """The best match keeps its own, within a wider bound; the others are named.

    Weak spot W14 of callmux (npm).
    """

    def large(name: str, size: int) -> dict[str, Any]:
        return {"name": name, "inputSchema": {"type": "object", "description": "x" * size}}

    bench.serve(s=[large(name, 20_000) for name in "abc"] + [large("huge", 100_000), large("giant", 200_000)])
    payload = bench.payload(SEARCH, {"includeInputSchema": True})
    assert [r["name"] for r in payload["results"] if "inputSchema" in r] == ["a"]
    assert payload["schemasOmitted"] == ["b", "c", "giant", "huge"]
    assert "limit 1" in payload["hint"]
    alone = bench.payload(SEARCH, {"query": "huge", "limit": 1, "includeInputSchema": True})
    assert len(alone["results"][0]["inputSchema"]["description"]) == 100_000
    alone = bench.payload(SEARCH, {"query": "giant", "limit": 1, "includeInputSchema": True})
    assert alone["schemasOmitted"] == ["giant"]


def test_descriptions_are_bounded_together(bench: Bench) -> None:
    bench.serve(s=[tool(f"t{n}", "x" * 10_000) for n in range(20)])
    results = bench.payload(SEARCH, {"limit": 20, "descriptionMaxLength": 0})["results"]
    assert {len(r["description"]) for r in results} == {64 * 1024 // 20 + len("...")}
    results = bench.payload(SEARCH, {"limit": 5, "descriptionMaxLength": 0})["results"]
    assert {len(r["description"]) for r in results} == {10_000}


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"limit": 51}, "limit"),
        ({"limit": 0}, "limit"),
        ({"limit": "5"}, "limit"),
        ({"query": 5}, "query"),
        ({"query": None}, "query"),
        ({"descriptionMaxLength": -1}, "descriptionMaxLength"),
        ({"server": ""}, "server"),
        ({"outputFormat": "x"}, "outputFormat"),
        ({"includeInputSchema": "yes"}, "includeInputSchema"),
    ],
)
def test_a_wrong_field_is_named(bench: Bench, arguments: Any, field: str) -> None:
    assert bench.refused(SEARCH, arguments) == field


def test_the_highest_limit_is_told(bench: Bench) -> None:
    with pytest.raises(InvalidArguments) as caught:
        bench.parse(SEARCH, {"limit": 51})
    assert caught.value.details["max"] == 50


def test_one_index_serves_a_catalogue_until_it_is_gone(bench: Bench) -> None:
    first = bench.payload(SEARCH, {"query": "issue"})
    index = search_tools._indexes[bench.catalogue]
    assert bench.payload(SEARCH, {"query": "issue"}) == first
    assert search_tools._indexes[bench.catalogue] is index
    before = len(search_tools._indexes)
    bench.serve(a=["x"])
    assert len(search_tools._indexes) < before


def test_others_have_their_turns_while_an_index_is_built(bench: Bench) -> None:
    """10,000 tools take a third of a second."""
    bench.serve(s=[tool(f"do_{n}", "a thing") for n in range(SLICE * 8)])

    async def scene() -> None:
        search = asyncio.create_task(rank(bench.catalogue, "thing", None, 5))
        turns = 0
        while not search.done():
            await asyncio.sleep(0)
            turns += 1
        assert (await search).found == SLICE * 8
        assert turns >= 16

    asyncio.run(scene())


def test_what_a_parameter_is_for_counts_a_little(bench: Bench) -> None:
    schema = {"properties": {"n": {"description": "The longitude, in degrees."}}}
    tools = [{"name": "a", "inputSchema": schema}, tool("b", "A longitude."), tool("c", "A longitude.", "n")]
    tools[2]["inputSchema"] = schema
    bench.serve(s=tools)
    found = bench.payload(SEARCH, {"query": "longitude"})
    assert [r["name"] for r in found["results"]] == ["c", "b"]
    assert found["found"] == 2
    # Where nothing else has the word, it finds.
    assert bench.payload(SEARCH, {"query": "degrees"})["found"] == 2


@pytest.mark.parametrize("properties", [{"longitude": True}, {"longitude": {"description": 5}}, [], "x"])
def test_odd_schemas_are_searched_as_far_as_they_go(bench: Bench, properties: Any) -> None:
    bench.serve(s=[{"name": "a", "inputSchema": {"properties": properties}}])
    found = bench.payload(SEARCH, {"query": "longitude"})["found"]
    assert found == (1 if isinstance(properties, dict) else 0)
