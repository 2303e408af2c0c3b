"""Pages of a stored result."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from callmux.rings.shield.page_query import Query
from callmux.rings.shield.query import Document, PathMissing, after, follow, going_on
from callmux.stores.results import Remainder

ROWS = [{"id": n, "name": f"Row {n}", "text": "x" * 20} for n in range(120)]


def text_result(text: str) -> bytes:
    return json.dumps({"content": [{"type": "text", "text": text}]}).encode()


def page(value: Any, budget: int = 32768, **query: Any) -> dict[str, Any]:
    """A page of `value`, which a tool sent as the JSON in its only text, or as a text."""
    raw = text_result(value if isinstance(value, str) else json.dumps(value))
    found: dict[str, Any] = json.loads(msgspec.json.encode(Document(raw).page(Query(**query), budget)))
    return found


def test_the_first_page() -> None:
    found = page(ROWS)
    assert {k: v for k, v in found.items() if k != "data"} == {
        "type": "array",
        "total": 120,
        "offset": 0,
        "count": 50,
        "hasMore": True,
        "nextOffset": 50,
    }
    assert found["data"] == ROWS[:50]


def test_fields_are_a_projection() -> None:
    found = page(ROWS, limit=3, fields=("id", "nope"))
    assert found["data"] == [{"id": 0}, {"id": 1}, {"id": 2}]
    assert (found["total"], found["hasMore"]) == (120, True)


def test_search_filters_before_paging_whatever_the_case() -> None:
    found = page(ROWS, search="ROW 11", limit=4)
    assert (found["total"], found["count"]) == (11, 4)
    assert found["data"][0]["id"] == 11


def test_search_finds_letters_that_were_escaped() -> None:
    assert page([{"n": "Zoë"}, {"n": 'a"b'}], search="zoë")["total"] == 1
    assert page([{"n": "Zoë", "m": 1}], search='"m":1')["total"] == 1


REMAINDERS = (Remainder("log", 40), Remainder("rows", 3), Remainder(".", 7))


def test_reading_goes_on_where_the_beginning_ended_unless_it_is_told_otherwise() -> None:
    def asked(**query: Any) -> tuple[str, int | None, bool]:
        found = going_on(Query(**query), REMAINDERS)
        return found.path, found.offset, found.limit == 50

    assert asked() == ("log", 40, False)
    assert asked(offset=0) == ("log", 0, False)
    assert asked(limit=50) == ("log", 40, True)
    assert asked(path="rows") == ("rows", None, False)
    assert asked(search="x") == ("", None, False)
    assert asked(search="x", path="rows") == ("rows", None, False)
    assert going_on(Query(), ()) == Query()


def test_a_search_looks_at_all_of_the_one_part_that_goes_on() -> None:
    lines = "".join(f"line {n}\n" for n in range(20_000)) + "the needle\n"
    document = Document(json.dumps({"content": [], "structuredContent": {"content": lines}}).encode())
    places = [Remainder("content", 7000)]

    def found(**query: Any) -> dict[str, Any]:
        return document.page(going_on(Query(**query), places), 8000)

    assert found(search="NEEDLE")["data"] == "the needle"
    assert found(search="line 12")["data"].startswith("line 12\n")
    nothing = found(search="nosuchtext")
    assert (nothing["total"], nothing["data"], nothing["hasMore"]) == (0, "", False)
    assert found(search="needle", path="content") == found(search="needle")


def test_at_the_end_of_a_part_the_next_one_is_known() -> None:
    assert after(Query(path="log"), REMAINDERS) == REMAINDERS[1]
    assert after(Query(path="rows"), REMAINDERS) == REMAINDERS[2]
    assert after(Query(path="."), REMAINDERS) is None
    assert after(Query(path="rows.0"), REMAINDERS) is None
    assert after(Query(path="log", search="x"), REMAINDERS) is None
    assert after(Query(), ()) is None


def test_a_page_without_a_limit_of_its_own_takes_what_its_bytes_allow() -> None:
    rows = list(range(1000))
    raw = text_result(json.dumps(rows))
    query = going_on(Query(), [Remainder("", 100)])
    assert Document(raw).page(query, 32768)["count"] == 900
    lines = "a line of a text\n" * 3000
    found = Document(text_result(lines)).page(going_on(Query(), [Remainder("", 17)]), 20_000)
    assert found["data"].endswith("\n")
    assert 18_000 < found["count"] < 20_000
    assert found["nextOffset"] == 17 + found["count"]


def test_an_item_that_is_more_than_a_page_is_read_in_parts() -> None:
    rows = [1, {"log": "line\n" * 9000, "n": 2, "list": ["x" * 90] * 500}, 3]
    document = Document(text_result(json.dumps({"rows": rows})))
    places = [Remainder("rows", 1)]
    found = json.loads(msgspec.json.encode(document.page(going_on(Query(), places), 8000)))
    assert (found["count"], found["hasMore"], found["data"][0]["n"], found["data"][1]) == (2, False, 2, 3)
    item = found["data"][0]
    assert [(cut["path"], cut["shown"]) for cut in found["more"]] == [
        ("rows.1.log", len(item["log"])),
        ("rows.1.list", len(item["list"])),
    ]
    for cut in found["more"]:
        key, offset = cut["path"].rpartition(".")[2], cut["shown"]
        while offset < cut["total"]:
            asked = going_on(Query(path=cut["path"], offset=offset), places)
            page = json.loads(msgspec.json.encode(document.page(asked, 8000)))
            item[key] += page["data"]
            offset += page["count"]
    assert item == rows[1]
    found = document.page(going_on(Query(path="rows", search="line"), places), 8000)
    assert "more" not in found
    assert "clipped" in found["hint"]


def test_reading_on_leaves_base64_out_which_a_path_still_gives() -> None:
    rows = [{"content": [{"type": "image", "mimeType": "image/png", "data": "A" * 5000}], "n": 7}] * 3
    raw = text_result(json.dumps(rows))
    found = Document(raw).page(going_on(Query(), [Remainder("", 1)]), 32768)
    for item in json.loads(msgspec.json.encode(found["data"])):
        assert item["content"][0]["data"] == "[...TRUNCATED: 5000 chars of base64]"
        assert (item["content"][0]["type"], item["n"]) == ("image", 7)
    whole = Document(raw).page(Query(path="1.content.0.data"), 32768)
    assert whole["data"] == "A" * 5000


def test_what_has_no_place_to_go_on_at_is_said_to_be_clipped() -> None:
    row = {"long": "x" * 3000, "many": {f"k{n}": n for n in range(400)}}
    raw = json.dumps({"content": [{"type": "text", "text": json.dumps([row])}]}).encode()
    page = Document(raw).page(going_on(Query(), [Remainder("", 0)]), 1000)
    assert [cut["path"] for cut in page["more"]] == ["0.long"]
    assert page["hint"].startswith("more than a page: ")
    assert page["hint"].endswith("stands: use path or fields")


def test_past_the_end_is_an_empty_page() -> None:
    found = page(ROWS, offset=500)
    assert (found["data"], found["count"], found["hasMore"]) == ([], 0, False)


def test_limit_zero_gives_nothing() -> None:
    assert page(ROWS, limit=0)["data"] == []


def test_text_is_paged_by_characters() -> None:
    found = page("ü" * 20_000)
    assert (found["type"], found["total"], found["count"], found["hasMore"]) == (
        "string",
        20_000,
        10_000,
        True,
    )
    assert page("ü" * 20_000, offset=19_990)["data"] == "ü" * 10


def test_search_in_text_keeps_lines() -> None:
    assert page("one\nTwo\nthree\ntwo!", search="two")["data"] == "Two\ntwo!"


def test_pages_of_large_rows_are_bounded() -> None:
    """Three rows of 300 kB made a page of 1.8 MB. Weak spot W20 of callmux (npm)."""
    rows = [{"id": n, "text": "x" * 300_000} for n in range(3)]
    found = page(rows)
    assert found["count"] == 1
    assert found["nextOffset"] == 1
    assert found["data"][0]["id"] == 0
    assert "TRUNCATED" in found["data"][0]["text"]
    assert len(json.dumps(found)) < 34_000
    assert "path" in found["hint"]


def test_a_page_ends_before_the_item_that_does_not_fit() -> None:
    """Weak spot W20 of callmux (npm)."""
    found = page([{"t": "x" * 900}] * 10, budget=2000)
    assert (found["count"], found["nextOffset"]) == (2, 2)
    assert "hint" not in found


def test_a_text_of_escapes_is_bounded_too() -> None:
    """Weak spot W20 of callmux (npm)."""
    found = page("\x01" * 20_000, budget=1200)
    assert 100 < found["count"] < 250
    assert found["nextOffset"] == found["count"]


def test_a_large_object_is_clipped_and_searched() -> None:
    """Weak spot W20 of callmux (npm)."""
    value = {f"k{n}": "x" * 1000 for n in range(100)} | {"needle": "here"}
    found = page(value, budget=4000)
    assert (found["type"], found["total"], found["count"]) == ("object", 1, 1)
    assert len(json.dumps(found)) < 5000
    assert page(value, search="NEEDLE")["data"] == {"needle": "here"}
    assert page(value, fields=("needle",))["data"] == {"needle": "here"}


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("meta.k", 1),
        ("items.1.id", 1),
        ("items[1].id", 1),
        ("items.length", 2),
        ('labels["a.b"]', "dotted"),
        ("labels.a\\.b", "dotted"),
        ("none", None),
        ("ok", True),
        ("", {"meta": {"k": 1}}),
    ],
)
def test_paths(path: str, data: Any) -> None:
    value: dict[str, Any] = {
        "meta": {"k": 1},
        "items": [{"id": 0}, {"id": 1}],
        "labels": {"a.b": "dotted"},
        "none": None,
    }
    value["ok"] = True
    found = page(value if path else {"meta": {"k": 1}}, path=path)
    assert found["data"] == data


@pytest.mark.parametrize("path", ["a.b", "0.x", "5", "-1", "constructor", "0.id.x", "x.length"])
def test_a_path_that_misses(path: str) -> None:
    with pytest.raises(PathMissing):
        page([{"id": 0}], path=path)


def test_null_reports_an_object_as_clients_know_it() -> None:
    assert page([None], path="0")["type"] == "object"


def test_what_is_not_the_data_can_be_reached_too() -> None:
    """W6: a second text or a picture beside the data was lost."""
    picture = {"type": "image", "mimeType": "image/png", "data": "AAAA"}
    raw = json.dumps(
        {"content": [{"type": "text", "text": "summary"}, picture], "structuredContent": {"rows": [1]}}
    ).encode()
    document = Document(raw)
    assert document.page(Query(path="rows"), 1000)["total"] == 1
    assert document.page(Query(path="content.0.text"), 1000)["data"] == "summary"
    assert document.page(Query(path="content[1].data"), 1000)["data"] == "AAAA"


def test_digits_survive() -> None:
    found = Document(text_result('[{"n":12345678901234567890123}]')).page(Query(), 1000)
    assert msgspec.json.encode(found["data"]) == b'[{"n":12345678901234567890123}]'


def test_an_array_is_opened_once_for_many_pages() -> None:
    document = Document(text_result(json.dumps(ROWS)))
    first = document.page(Query(), 32768)
    second = document.page(Query(offset=50), 32768)
    assert document.page(Query(path="3.id"), 32768)["data"] == msgspec.Raw(b"3")
    assert first["nextOffset"] == second["offset"]


def test_the_length_of_a_list_is_a_value_of_it() -> None:
    assert page({"rows": ROWS}, path="rows.length")["data"] == 120
    assert page(ROWS, path="length")["data"] == 120


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        (["name", "length"], b"3"),
        (["rows", "length"], b"2"),
        (["rows", "1"], b"5"),
        (["rows", "2"], None),
        (["name", "length", "x"], None),
        (["name", "first"], None),
        (["other"], None),
    ],
)
def test_keys_lead_into_a_value_or_to_nothing(keys: list[str], found: bytes | None) -> None:
    assert follow('{"name": "abé", "rows": [4, 5]}'.encode(), keys) == found
