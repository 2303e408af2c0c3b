"""`callmux_get_result` pages what went out shortened."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from callmux.errors import ResultNotFound, ResultPathNotFound
from callmux.stores.results import Remainder, Stored
from tests.metatools.conftest import Bench

PAGE = "callmux_get_result"
ROWS = [{"id": n, "name": f"row {n}"} for n in range(120)]


@pytest.fixture(autouse=True)
def _kept(bench: Bench) -> None:
    raw = json.dumps({"content": [{"type": "text", "text": json.dumps(ROWS)}]}).encode()
    for ref, owner in (("r_1", ""), ("r_2", "alice")):
        stored = Stored(ref=ref, tool="rows", owner=owner, size=len(raw), raw=raw)
        bench.kept.put(stored)


def test_a_page(bench: Bench) -> None:
    found = bench.payload(PAGE, {"ref": "r_1", "limit": 3, "fields": ["id"]})
    assert list(found) == [
        *("ref", "tool", "type", "total", "offset", "count", "hasMore", "nextOffset", "data"),
    ]
    assert (found["ref"], found["tool"], found["total"], found["nextOffset"]) == ("r_1", "rows", 120, 3)
    assert found["data"] == [{"id": 0}, {"id": 1}, {"id": 2}]
    assert len(bench.payload(PAGE, {"ref": "r_1"})["data"]) == 50


def test_a_result_whose_beginning_went_out_is_read_on(bench: Bench) -> None:
    raw = json.dumps({"content": [{"type": "text", "text": json.dumps({"rows": ROWS, "log": "x" * 900})}]})
    remainders = (Remainder("rows", 20), Remainder("log", 300))
    kept = Stored(ref="r_3", tool="rows", owner="", size=len(raw), raw=raw.encode(), remainders=remainders)
    bench.kept.put(kept)
    found = bench.payload(PAGE, {"ref": "r_3"})
    assert (found["offset"], found["count"], found["hasMore"]) == (20, 100, False)
    assert found["next"] == {"path": "log", "offset": 300}
    found = bench.payload(PAGE, {"ref": "r_3", "limit": 5, "fields": ["id"]})
    assert (found["data"][0], found["nextOffset"], "next" in found) == ({"id": 20}, 25, False)
    assert bench.payload(PAGE, {"ref": "r_3", "offset": 25})["data"] == ROWS[25:]
    found = bench.payload(PAGE, {"ref": "r_3", "path": "log", "offset": 300})
    assert (found["data"], "next" in found) == ("x" * 600, False)


def test_paging_through_callmux_call_is_the_same(bench: Bench) -> None:
    asked = {"ref": "r_1", "offset": 100, "search": "ROW"}
    direct = bench.payload(PAGE, asked)
    assert bench.payload("callmux_call", {"tool": PAGE, "arguments": asked}) == direct
    assert not bench.calls


def test_a_foreign_result_looks_like_a_missing_one(bench: Bench) -> None:
    with pytest.raises(ResultNotFound) as foreign:
        bench.run(PAGE, {"ref": "r_2"})
    with pytest.raises(ResultNotFound) as missing:
        bench.run(PAGE, {"ref": "r_x"})
    assert foreign.value.message.replace("r_2", "") == missing.value.message.replace("r_x", "")
    assert foreign.value.details == {"ref": "r_2"}
    bench.context = msgspec.structs.replace(bench.context, owner="alice")
    assert bench.payload(PAGE, {"ref": "r_2"})["total"] == 120


def test_a_path_that_misses(bench: Bench) -> None:
    with pytest.raises(ResultPathNotFound) as caught:
        bench.run(PAGE, {"ref": "r_1", "path": "a.b"})
    assert caught.value.details == {"ref": "r_1", "path": "a.b"}


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({}, "ref"),
        ({"ref": ""}, "ref"),
        ({"ref": 4}, "ref"),
        ({"ref": "r", "path": 4}, "path"),
        ({"ref": "r", "offset": -1}, "offset"),
        ({"ref": "r", "limit": 101}, "limit"),
        ({"ref": "r", "limit": "5"}, "limit"),
        ({"ref": "r", "fields": "id"}, "fields"),
        ({"ref": "r", "fields": [""]}, "fields"),
        ({"ref": "r", "fields": [4]}, "fields"),
        ({"ref": "r", "search": 4}, "search"),
        ({"ref": "r", "outputFormat": "x"}, "outputFormat"),
    ],
)
def test_a_wrong_field_is_named(bench: Bench, arguments: Any, field: str) -> None:
    assert bench.refused(PAGE, arguments) == field
