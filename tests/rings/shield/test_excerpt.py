"""A preview that is the beginning, and pages that go on after it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.rings.shield.compact import Limits
from callmux.rings.shield.page_query import Query
from callmux.rings.shield.query import Document, after, follow, going_on
from callmux.rings.shield.reply import shorten
from callmux.rings.shield.shortening import META_KEY, Shortening, ShortReply

LIMITS = Limits(65536, 8192, 50, reads_on=True)
SMALL = Limits(3000, 400, 10, reads_on=True)
BLOCK = 'A line of a text, "quoted", with ünïcödé and \U0001f600 in it.\n'


def text(*values: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": v if isinstance(v, str) else json.dumps(v)} for v in values]


def raw_of(result: dict[str, Any]) -> bytes:
    return json.dumps(result, ensure_ascii=False).encode()


def reply_to(raw: bytes, limits: Limits = LIMITS, **more: Any) -> ShortReply | None:
    facts: dict[str, Any] = {"limits": limits, "tool": "rows", "server": "db", "ref": "r_1"}
    return shorten(raw, Shortening(**facts | more))


def shown(result: dict[str, Any], limits: Limits = LIMITS, **more: Any) -> Any:
    """What the first text of the reply says."""
    found = reply_to(raw_of(result), limits, **more)
    assert found is not None
    return json.loads(json.loads(found.raw)["content"][0]["text"])


def pages(raw: bytes, reply: ShortReply, budget: int) -> list[dict[str, Any]]:
    """What an agent gets that asks with the ref alone, then with each `nextOffset`, then with `next`."""
    document = Document(raw)
    found: list[dict[str, Any]] = []
    asked = Query()
    for _ in range(1000):
        query = going_on(asked, reply.remainders)
        page = json.loads(msgspec.json.encode(document.page(query, budget)))
        found.append(page | {"path": query.path})
        if page["hasMore"]:
            asked = Query(path=asked.path, offset=page["nextOffset"])
        elif (place := after(query, reply.remainders)) is not None:
            asked = Query(path=place.path, offset=place.offset)
        else:
            return found
    raise AssertionError("the pages have no end")


ITEM = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=60),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.text(max_size=40), st.text(max_size=40), st.integers(1, 160), st.integers(300, 3000))
def test_a_text_and_its_pages_are_the_text(one: str, other: str, times: int, budget: int) -> None:
    whole = "start: " + (one + BLOCK + other) * times
    raw = raw_of({"content": text(whole)})
    reply = reply_to(raw, SMALL)
    if reply is None:
        assert len(raw) <= SMALL.result_bytes
        return
    beginning = json.loads(json.loads(reply.raw)["content"][0]["text"])["preview"]
    read = pages(raw, reply, budget)
    assert (beginning + "".join(page["data"] for page in read)).encode() == whole.encode()
    assert all(len(json.dumps(page["data"], ensure_ascii=False).encode()) <= budget for page in read)


@given(st.lists(ITEM, min_size=1, max_size=8), st.integers(1, 60), st.integers(900, 3000))
def test_an_array_and_its_pages_are_the_array(items: list[Any], times: int, budget: int) -> None:
    """Item by item, byte by byte: digits, escapes and the order of members."""
    digits = msgspec.Raw(b"1.10000000000000000000000000001e2")
    whole = msgspec.json.encode([*items * times, digits] * 3)
    raw = msgspec.json.encode({"content": [{"type": "text", "text": whole.decode()}]})
    reply = reply_to(raw, SMALL)
    if reply is None:
        assert len(raw) <= SMALL.result_bytes
        return
    note = msgspec.json.decode(json.loads(reply.raw)["content"][0]["text"], type=dict[str, msgspec.Raw])
    read = msgspec.json.decode(note["preview"], type=list[msgspec.Raw])
    asked = Query()
    while True:
        page = Document(raw).page(going_on(asked, reply.remainders), budget)
        read += page["data"]
        if not page["hasMore"]:
            break
        asked = Query(offset=page["nextOffset"])
    assert msgspec.json.encode(read) == whole


LONG_TEXT = st.integers(100, 9000).map(lambda size: text("x" * size))
LONG_LIST = st.integers(1, 300).map(lambda count: text([{"id": n} for n in range(count)]))
TEXTS = st.lists(st.integers(10, 4000), min_size=2, max_size=4).map(lambda n: text(*("y" * s for s in n)))


@given(LONG_TEXT | LONG_LIST | TEXTS, st.booleans(), st.integers(0, 8000), st.integers(0, 8000))
def test_a_rest_goes_out_whole_exactly_where_a_turn_reads_more_again_and_never_beyond_the_whole_bound(
    content: Any, failed: bool, one: int, other: int
) -> None:
    """The longer a conversation, the dearer a turn: what has gone out whole is never shortened later."""
    raw = raw_of({"content": content, "isError": failed})
    less, more = (reply_to(raw, SMALL, again=again) for again in sorted((one, other)))
    if less is None:
        assert more is None
    for again, reply in ((min(one, other), less), (max(one, other), more)):
        if reply is None:
            assert len(raw) <= SMALL.result_bytes + 200
            continue
        assert len(reply.raw) < len(raw)
        left_out = len(raw) - len(reply.raw)
        worth = Shortening(limits=SMALL, tool="t", server=None, ref="r", again=again).worth
        # What the reply says beside the beginning is in neither.
        assert len(raw) > SMALL.result_bytes or left_out + 600 > worth


@pytest.mark.parametrize(
    ("again", "whole"), [(None, True), (0, False), (8_000, False), (14_000, True), (10**9, True)]
)
def test_the_same_result_waits_in_a_short_conversation_and_goes_out_in_a_long_one(
    again: int | None, whole: bool
) -> None:
    """Of 30,000 characters 8,192 would be shown; a turn would read these again, too."""
    raw = raw_of({"content": text("x" * 30_000)})
    assert (reply_to(raw, again=again) is None) is whole


def test_however_long_a_conversation_is_nothing_goes_out_that_is_over_the_whole_bound() -> None:
    raw = raw_of({"content": text("x" * 66_000)})
    assert reply_to(raw, again=10**9) is not None


def test_the_first_page_goes_on_where_the_preview_ended() -> None:
    rows = [{"id": n, "t": "x" * 1000} for n in range(200)]
    raw = raw_of({"content": text(rows)})
    reply = reply_to(raw)
    assert reply is not None
    beginning = json.loads(json.loads(reply.raw)["content"][0]["text"])["preview"]
    assert beginning == rows[: len(beginning)]
    first, *others = pages(raw, reply, 65136)
    assert first["offset"] == len(beginning)
    assert beginning + first["data"] + [row for page in others for row in page["data"]] == rows
    assert len(others) == 3, "the limit of 50 or 100 items does not count: as few pages as bytes allow"


def test_an_offset_and_a_limit_still_count() -> None:
    rows = [{"id": n, "t": "x" * 1000} for n in range(200)]
    raw = raw_of({"content": text({"rows": rows})})
    reply = reply_to(raw)
    assert reply is not None
    page = Document(raw).page(going_on(Query(offset=0, limit=2), reply.remainders), 65136)
    assert json.loads(msgspec.json.encode(page["data"])) == rows[:2], "of the part that is cut"
    page = Document(raw).page(going_on(Query(search='"id":7,', limit=5), reply.remainders), 65136)
    found = json.loads(msgspec.json.encode(page["data"]))
    assert [row["id"] for row in found] == [7], "a search is of all of that part"
    assert going_on(Query(path="rows"), reply.remainders).offset is None


def test_the_envelope_says_in_one_line_how_to_go_on() -> None:
    note = shown({"content": text(BLOCK * 2000)})["_callmux"]
    assert note.keys() == {"truncated", "ref", "retrieval", "message"}
    assert note["retrieval"] == {"tool": "callmux_get_result", "arguments": {"ref": "r_1"}}
    assert "\n" not in note["message"]
    assert f"of {len(BLOCK * 2000):,} characters" in note["message"]
    assert len(json.dumps(note)) < 400


@pytest.mark.parametrize(
    "result",
    [
        {"content": text("x" * 8193)},
        {"content": text("x" * 40_000)},
        {"content": text([{"id": n} for n in range(900)])},
        {"content": text("a" * 20_000, "b" * 20_000)},
        {"content": text({"a": ["x" * 600] * 40, "b": {"c": "y" * 9000}})},
        {"content": text("x" * 20_000), "isError": True},
        {"content": text({"error": {"message": "m" * 20_000}}), "isError": True},
        {
            "content": text({"rows": [0] * 9000}),
            "structuredContent": {"rows": [0] * 9000},
        },
        {"content": [{"type": "resource", "resource": {"uri": "a://b", "text": "x" * 30_000}}]},
    ],
    ids=[
        "text",
        "its rest is a page",
        "array",
        "two texts",
        "object",
        "error",
        "error with members",
        "structured",
        "embedded",
    ],
)
def test_a_little_over_a_limit_goes_out_whole(result: dict[str, Any]) -> None:
    """A page costs a turn, and a turn reads more than the rest."""
    assert reply_to(raw_of(result)) is None


@pytest.mark.parametrize("chars", [41_200, 60_000, 70_000])
def test_far_over_a_limit_or_over_the_whole_one_is_shortened(chars: int) -> None:
    assert len(shown({"content": text("x" * chars)})["preview"]) == 8192


def test_what_is_over_no_limit_is_not_touched() -> None:
    value = {f"k{n}": "x" * 6000 for n in range(10)}
    assert reply_to(raw_of({"content": text("done"), "structuredContent": value})) is None


def several(*results: Any, key: str = "results", **more: Any) -> dict[str, Any]:
    """An answer to several calls, as the meta-tools give it."""
    entries = [{"index": n, "ok": True, "result": result} for n, result in enumerate(results)]
    answer = {"status": "completed", key: entries, "totalDurationMs": 1, **more}
    return {"content": text(json.dumps(answer)), "structuredContent": answer}


def parts_of(reply: ShortReply) -> tuple[Any, Any]:
    """The preview, which is the beginning, and the note."""
    (item,) = json.loads(reply.raw)["content"]
    said = json.loads(item["text"])
    return said["preview"], said["_callmux"]


def test_pictures_in_an_answer_to_several_calls_are_left_out_where_it_is_json() -> None:
    picture = {"content": [{"type": "image", "mimeType": "image/png", "data": "A" * 90_000}]}
    reply = reply_to(raw_of(several(picture, "x")), several=True)
    assert reply is not None
    body, note = parts_of(reply)
    assert "base64" in body["results"][0]["result"]["content"][0]["data"]
    assert body["results"][1]["result"] == "x"
    assert (note["truncated"], reply.remainders) == (True, ())


def test_the_final_result_of_a_pipeline_goes_out_once_where_both_have_no_room() -> None:
    last = "line\n" * 6000
    raw = raw_of(several("first", last, key="steps", finalResult=last))
    reply = reply_to(raw, several=True)
    assert reply is not None
    body, note = parts_of(reply)
    assert [step["result"] for step in body["steps"]] == ["first", last]
    assert "finalResult" not in body
    assert note["message"].startswith("finalResult is what the last step gave.")
    assert reply.remainders == ()
    small = several("first", last[:9000], key="steps", finalResult=last[:9000])
    assert reply_to(raw_of(small), several=True) is None
    longer = "line\n" * 20_000
    raw = raw_of(several(longer, key="steps", finalResult=longer))
    reply = reply_to(raw, several=True)
    assert reply is not None
    begun = parts_of(reply)[0]["steps"][0]["result"]
    assert begun + "".join(page["data"] for page in pages(raw, reply, 65136)) == longer


def test_a_step_of_many_members_does_not_go_out_twice_where_both_have_no_room() -> None:
    """Nothing in it is a text or an array at which reading could go on."""
    members = {f"k{n}": n for n in range(2700)}
    raw = raw_of(several(members, key="steps", finalResult=members))
    reply = reply_to(raw, several=True)
    assert reply is not None
    body, note = parts_of(reply)
    assert body["steps"][0]["result"] == members
    assert "finalResult" not in body
    assert note["message"].startswith("finalResult is what the last step gave.")


@pytest.mark.parametrize("steps", [[], [7], [{"step": 0}], [{"step": 0, "result": "another"}]])
def test_a_final_result_that_no_step_has_is_cut_like_any_other(steps: Any) -> None:
    answer = {"steps": steps, "finalResult": "line\n" * 20_000, "totalDurationMs": 1}
    raw = raw_of({"content": text(answer), "structuredContent": answer})
    reply = reply_to(raw, several=True)
    assert reply is not None
    assert [remainder.path for remainder in reply.remainders] == ["finalResult"]


def test_an_answer_to_several_calls_that_is_too_large_to_keep_says_so() -> None:
    reply = reply_to(raw_of(several("x" * 90_000)), several=True, ref="")
    assert reply is not None
    assert parts_of(reply)[1]["retained"] is False


@pytest.mark.parametrize("key", ["results", "steps"])
def test_an_answer_to_several_calls_keeps_its_form_and_goes_on_with_the_next_result(key: str) -> None:
    parts = [f"{n}: " + "x" * 7000 for n in range(20)]
    answer = several(*parts, key=key, succeeded=20)
    raw = raw_of(answer)
    reply = reply_to(raw, several=True, server=None)
    assert reply is not None
    (body, _) = parts_of(reply)
    assert list(body) == ["status", key, "totalDurationMs", "succeeded"]
    entries = answer["structuredContent"][key]
    assert body[key] == entries[: len(body[key])]
    assert len(body[key]) == 9
    (first, second) = pages(raw, reply, 65136)
    assert body[key] + first["data"] + second["data"] == entries


def test_one_large_result_of_several_is_cut_and_the_others_are_not() -> None:
    parts = ["a" * 3000, "line\n" * 20_000, "c" * 3000]
    raw = raw_of(several(*parts))
    reply = reply_to(raw, several=True, server=None)
    assert reply is not None
    body, note = parts_of(reply)
    begun = body["results"][1]["result"]
    assert [entry["result"] for entry in body["results"]] == [parts[0], begun, parts[2]]
    assert parts[1].startswith(begun)
    assert '"results.1.result"' in note["message"]
    assert begun + "".join(page["data"] for page in pages(raw, reply, 65136)) == parts[1]


def test_large_results_and_those_behind_them_are_read_one_after_the_other() -> None:
    parts = ["a\n" * 30_000, "b\n" * 30_000, *["c" * 20_000] * 4]
    raw = raw_of(several(*parts))
    reply = reply_to(raw, several=True, server=None)
    assert reply is not None
    body, note = parts_of(reply)
    assert [cut["path"] for cut in note["more"]] == [
        "results.0.result",
        "results.1.result",
        "results",
    ]
    read = [entry["result"] for entry in body["results"]]
    for page in pages(raw, reply, 65136):
        if page["type"] == "array":
            read += [entry["result"] for entry in page["data"]]
        else:
            read[int(page["path"].split(".")[1])] += page["data"]
    assert read == parts


def test_several_results_go_out_whole_as_far_as_the_whole_may_go() -> None:
    """The text and the structured content say the same: a model is shown one of them."""
    assert reply_to(raw_of(several(*["x" * 15_000] * 4)), several=True) is None
    assert reply_to(raw_of(several(*[7] * 300)), several=True) is None
    found = reply_to(raw_of(several(*["x" * 5000] * 14)), several=True)
    assert found is not None
    many = reply_to(raw_of(several(*["x" * 700] * 80)), Limits(60_000, 8192, 10, True), several=True)
    assert many is not None
    assert len(parts_of(many)[0]["results"]) < 60


def test_a_result_that_leaves_room_for_no_other_still_begins() -> None:
    parts = [{"rows": ["x" * 400] * 99}, "y"]
    raw = raw_of(several(*parts, warnings=["w" * 1200]))
    reply = reply_to(raw, Limits(3000, 2900, 50, True), several=True)
    assert reply is not None
    rows = parts_of(reply)[0]["results"][0]["result"]["rows"]
    assert 0 < len(rows) < 8


def test_a_failure_of_a_fan_out_is_one_like_any_other() -> None:
    value = {"error": {"code": "x", "message": "m" * 90_000}}
    found = shown({"content": text(value), "structuredContent": value, "isError": True}, several=True)
    assert (found["error"]["code"], found["_callmux"]["ref"]) == ("x", "r_1")
    assert shown({"content": text("x" * 90_000)}, several=True)["preview"] == "x" * 8192


def test_several_texts_keep_their_places_and_their_own_form() -> None:
    picture = {"type": "image", "mimeType": "image/png", "data": "A" * 200_000}
    items = [*text("a" * 9000, "line\n" * 20_000), picture, *text("c" * 20_000, "d" * 30_000, "e")]
    raw = raw_of({"content": items})
    reply = reply_to(raw)
    assert reply is not None
    note, first, second, media, third = json.loads(reply.raw)["content"]
    assert (first, media, third) == (items[0], items[2], items[3])
    places = [(place.path, place.offset) for place in reply.remainders]
    assert places == [("content.1.text", len(second["text"])), ("content", 4)]
    *read, last = pages(raw, reply, 65136)
    assert second["text"] + "".join(page["data"] for page in read) == items[1]["text"]
    assert last["data"] == items[4:]
    assert len(json.loads(note["text"])["_callmux"]["more"]) == 2


def test_pictures_go_out_whole_and_do_not_count() -> None:
    picture = {"type": "image", "mimeType": "image/png", "data": "A" * 200_000}
    assert reply_to(raw_of({"content": [*text("x" * 9000), picture]})) is None
    found = reply_to(raw_of({"content": [*text("x" * 90_000), picture]}))
    assert found is not None
    assert json.loads(found.raw)["content"][1] == picture


@pytest.mark.parametrize(
    "item",
    [
        {"type": "audio", "mimeType": "audio/wav", "data": "B" * 100_000},
        {"type": "resource", "resource": {"uri": "a://b", "blob": "C" * 100_000}},
        {"type": "resource", "resource": {"uri": "a://b", "blob": "C" * 100_000, "_meta": {"text": "x"}}},
    ],
)
def test_bytes_are_never_cut(item: dict[str, Any]) -> None:
    for others in (text("x" * 90_000), text("x" * 90_000, "y" * 90_000)):
        found = reply_to(raw_of({"content": [item, *others]}))
        assert found is not None
        assert item in json.loads(found.raw)["content"]
    inside = reply_to(raw_of(several({"content": [item]}, "x" * 90_000)), several=True)
    assert inside is not None
    assert "BBB" not in inside.raw.decode()
    assert "CCC" not in inside.raw.decode()


def test_an_embedded_text_is_cut_in_its_place_and_goes_on() -> None:
    page = {"type": "resource", "resource": {"uri": "a://b", "text": BLOCK * 3000}}
    for items in ([page], [*text("about it"), page]):
        raw = raw_of({"content": items})
        reply = reply_to(raw)
        assert reply is not None
        begun = json.loads(reply.raw)["content"][-1]["resource"]["text"]
        assert begun + "".join(p["data"] for p in pages(raw, reply, 65136)) == BLOCK * 3000


def test_a_text_that_says_more_than_the_structured_content_is_named() -> None:
    raw = raw_of({"content": text("line\n" * 20_000), "structuredContent": {"lines": 20_000}})
    reply = reply_to(raw)
    assert reply is not None
    assert "".join(page["data"] for page in pages(raw, reply, 65136)) == "line\n" * 20_000


ROWS = [{"id": n, "t": "x" * 400} for n in range(300)]
OPEN = b'{"type":"object","properties":{"rows":{"type":"array","items":{"type":"object"}}}}'
CLOSED = OPEN[:-1] + b',"additionalProperties":false}'
LEAST = b'{"type":"object","properties":{"rows":{"type":"array","minItems":100}}}'


def test_structured_content_under_a_schema_is_the_same_beginning_or_whole() -> None:
    value = {"rows": ROWS, "count": 300}
    result = raw_of({"content": text(value), "structuredContent": value})
    found = reply_to(result, output_schema=OPEN)
    assert found is not None
    content = json.loads(found.raw)["structuredContent"]
    beginning = json.loads(json.loads(found.raw)["content"][0]["text"])["preview"]
    assert content == beginning | {
        "_callmux": {"truncated": True, "ref": "r_1", "tool": "callmux_get_result"}
    }
    for schema in (CLOSED, LEAST):
        found = reply_to(result, output_schema=schema)
        assert found is not None
        assert json.loads(found.raw)["structuredContent"] == value
    found = reply_to(result, output_schema=OPEN, ref="")
    assert found is not None
    assert "ref" not in json.loads(found.raw)["structuredContent"]["_callmux"]
    found = reply_to(result)
    assert found is not None
    assert "structuredContent" not in json.loads(found.raw)


def test_base64_in_structured_content_is_not_cut_under_a_schema() -> None:
    value = {"shot": {"mimeType": "image/png", "data": "A" * 90_000}}
    result = raw_of({"content": text(value), "structuredContent": value})
    found = reply_to(result, output_schema=b'{"type":"object"}')
    assert found is not None
    assert json.loads(found.raw)["structuredContent"] == value
    note = json.loads(json.loads(found.raw)["content"][0]["text"])["_callmux"]
    assert note["message"].startswith("Base64")
    assert found.remainders == ()


def test_an_error_stays_an_error_with_its_words_first() -> None:
    raw = raw_of({"content": text(BLOCK * 3000), "isError": True, "_meta": {"own": 1}})
    reply = reply_to(raw)
    assert reply is not None
    found = json.loads(reply.raw)
    words, _, rest = found["content"][0]["text"].partition("\n[...TRUNCATED")
    assert found["isError"] is True
    assert "callmux_get_result ref r_1" in rest
    assert found["_meta"]["own"] == 1
    assert found["_meta"][META_KEY]["ref"] == "r_1"
    assert words + "".join(page["data"] for page in pages(raw, reply, 65136)) == BLOCK * 3000


def test_an_error_of_several_texts_goes_on_at_each() -> None:
    raw = raw_of({"content": text("short", "e" * 90_000, "f" * 90_000), "isError": True})
    reply = reply_to(raw, ref="")
    assert reply is not None
    assert json.loads(reply.raw)["content"][0]["text"] == "short"
    assert [place.path for place in reply.remainders] == ["content.1.text", "content.2.text"]
    assert json.loads(reply.raw)["_meta"][META_KEY]["retained"] is False


def test_all_of_the_data_has_a_path_that_can_be_given() -> None:
    """Where an item alone is too large, it is read first, and then the items behind it."""
    rows = [{"t": "x" * 90_000}, *range(100)]
    raw = raw_of({"content": text(rows)})
    reply = reply_to(raw)
    assert reply is not None
    assert [place.path for place in reply.remainders] == ["0.t", "."]
    item, rest = pages(raw, reply, 98_000)
    begun = json.loads(json.loads(reply.raw)["content"][0]["text"])["preview"]
    assert begun[0]["t"] + item["data"] == rows[0]["t"]
    assert begun[1:] + rest["data"] == rows[1:]


def test_places_lead_to_what_is_cut() -> None:
    value = {"a.b": {"[c": "x" * 90_000}}
    raw = raw_of({"content": text(value)})
    reply = reply_to(raw)
    assert reply is not None
    (place,) = reply.remainders
    assert follow(json.dumps(value).encode(), ["a.b", "[c"]) is not None
    assert pages(raw, reply, 200_000)[0]["offset"] == place.offset
