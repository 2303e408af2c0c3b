"""`callmux_status` shows what is connected."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.errors import ServerNotFound
from tests.metatools.conftest import Bench

STATUS = "callmux_status"


def server(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "transport": "stdio", "state": "connected", "connectDurationMs": 5, **more}


@pytest.fixture(autouse=True)
def _facts(bench: Bench) -> None:
    bench.serve(gh=[{"name": "z", "description": "Read a file."}, "a"], lin=["t"])
    bench.facts = {
        "instanceId": "0123456789ab",
        "mode": "standard",
        "wrappedServers": ["gh", "lin"],
        "servers": [server("gh", toolFilter=["z", "a"], totalTools=3), server("lin")],
        "failedServers": [],
        "toolSuiteGeneration": 1,
        "cache": {"entries": 0},
        "schemaCompression": {"enabled": True},
        "responseStore": {"entries": 0},
        "maxConcurrency": 20,
    }


def test_the_members_come_in_the_known_order(bench: Bench) -> None:
    payload = bench.payload(STATUS, {})
    assert list(payload) == [
        *("status", "mode", "instanceId", "wrappedServers", "servers", "failedServers"),
        *("toolSuiteGeneration", "totalTools", "cache", "schemaCompression", "responseStore"),
        *("maxConcurrency", "recommendations"),
    ]
    assert (payload["status"], payload["totalTools"]) == ("ok", 3)
    assert payload["servers"][0] == {
        **server("gh", toolFilter=["z", "a"], totalTools=3),
        "tools": ["a", "z"],
        "toolCount": 2,
    }


def test_all_that_may_be_there_finds_its_place(bench: Bench) -> None:
    bench.facts |= {
        "namespace": "n",
        "lastToolSuiteChangeAt": "2026-01-01T00:00:00.000Z",
        "recipes": [{"name": "r", "mode": "call"}],
        "recipeCount": 1,
        "listener": {"activeSessions": 1},
    }
    payload = bench.payload(STATUS, {"sessions": True})
    assert list(payload) == [
        *("status", "mode", "namespace", "instanceId", "wrappedServers", "servers", "failedServers"),
        *("toolSuiteGeneration", "lastToolSuiteChangeAt", "totalTools", "cache", "schemaCompression"),
        *("responseStore", "maxConcurrency", "recipes", "recipeCount", "listener", "recommendations"),
    ]
    assert "listener" not in bench.payload(STATUS, {})


def test_one_server_alone(bench: Bench) -> None:
    payload = bench.payload(STATUS, {"server": "lin"})
    assert [s["name"] for s in payload["servers"]] == ["lin"]
    assert payload["totalTools"] == 1


def test_an_unknown_server_is_an_error_that_names_the_known(bench: Bench) -> None:
    bench.facts["wrappedServers"] = ["bad", "gh", "lin"]
    with pytest.raises(ServerNotFound) as caught:
        bench.run(STATUS, {"server": "zz"})
    assert caught.value.details == {
        "server": "zz",
        "availableServers": ["bad", "gh", "lin"],
        "instanceId": "0123456789ab",
    }


def test_a_failed_server_degrades_all_and_can_be_asked_for(bench: Bench) -> None:
    bench.facts["wrappedServers"] = ["bad", "gh", "lin"]
    bench.facts["failedServers"] = [{"name": "bad", "error": "spawn failed"}]
    assert bench.payload(STATUS, {"server": "gh"})["status"] == "degraded"
    payload = bench.payload(STATUS, {"server": "bad"})
    assert (payload["servers"], payload["totalTools"]) == ([], 0)
    assert payload["failedServers"][0]["error"] == "spawn failed"


def test_a_reconnecting_server_degrades_what_shows_it(bench: Bench) -> None:
    bench.facts["servers"][1]["state"] = "reconnecting"
    assert bench.payload(STATUS, {})["status"] == "degraded"
    assert bench.payload(STATUS, {"server": "gh"})["status"] == "ok"


def test_a_disabled_server_is_no_trouble(bench: Bench) -> None:
    bench.facts["servers"].append(server("off", state="disabled"))
    assert bench.payload(STATUS, {})["status"] == "ok"


def test_descriptions_are_shown_and_cut_as_asked(bench: Bench) -> None:
    def tools(**arguments: Any) -> Any:
        return bench.payload(STATUS, {"server": "gh", "descriptions": True, **arguments})["servers"][0][
            "tools"
        ]

    assert tools() == [{"name": "a"}, {"name": "z", "description": "Read a file."}]
    assert tools(descriptionMaxLength=4)[1]["description"] == "Read..."
    bench.description_limit = 2
    assert tools()[1]["description"] == "Re..."
    assert tools(descriptionMaxLength=0)[1]["description"] == "Read a file."  # W28


def test_recommendations_fit_what_there_is(bench: Bench) -> None:
    def uses(**arguments: Any) -> list[str]:
        return [r["use"] for r in bench.payload(STATUS, arguments).get("recommendations", [])]

    always = ["get_result", "parallel", "batch", "pipeline", "dry_run"]
    several = "server hint or qualified tool names"
    assert uses() == [*(f"callmux_{n}" for n in always), several]
    assert uses(server="gh") == [f"callmux_{n}" for n in always]
    assert uses(recommendations=False) == []
    bench.facts |= {"mode": "meta-only", "recipes": [{"name": "r", "mode": "call"}]}
    first = ["search_tools", "call"]
    assert uses() == [*(f"callmux_{n}" for n in [*first, *always, "recipe_run"]), several]
    bench.index_tokens = 1500
    assert uses() == [*(f"callmux_{n}" for n in [*reversed(first), *always, "recipe_run"]), several]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"server": 7}, "server"),
        ({"server": ""}, "server"),
        ({"descriptions": "yes"}, "descriptions"),
        ({"descriptionMaxLength": "4"}, "descriptionMaxLength"),
        ({"descriptionMaxLength": -1}, "descriptionMaxLength"),
        ({"recommendations": 0}, "recommendations"),
        ({"sessions": None}, "sessions"),
        ({"outputFormat": "x"}, "outputFormat"),
    ],
)
def test_a_wrong_field_is_named(bench: Bench, arguments: Any, field: str) -> None:
    """W28: they were ignored."""
    assert bench.refused(STATUS, arguments) == field
