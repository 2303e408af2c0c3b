"""The short reply to a result over a limit."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.rings.shield.compact import Limits
from callmux.rings.shield.reply import passes, shorten
from callmux.rings.shield.shortening import META_KEY, Shortening

LIMITS = Limits(65536, 8192, 50)
ROWS = [{"id": n, "name": f"row {n}", "text": "lorem ipsum dolor sit amet " * 4} for n in range(200)]


def text(*values: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": v if isinstance(v, str) else json.dumps(v)} for v in values]


def order(**more: Any) -> Shortening:
    facts: dict[str, Any] = {"limits": LIMITS, "tool": "rows", "server": "db", "ref": "r_1"}
    return Shortening(**facts | more)


def reply(result: dict[str, Any], **more: Any) -> dict[str, Any] | None:
    """The reply, which is never larger than the result."""
    raw = json.dumps(result).encode()
    found = shorten(raw, order(**more))
    if found is None:
        return None
    assert len(found.raw) < len(raw)
    value: dict[str, Any] = json.loads(found.raw)
    return value


def payload(result: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What the only text of the reply says; nothing is said twice."""
    found = reply(result, **more)
    assert found is not None
    assert "structuredContent" not in found
    value: dict[str, Any] = json.loads(found["content"][0]["text"])
    return value


def test_the_fields_clients_know() -> None:
    found = payload({"content": text(ROWS)})
    note = found["_callmux"]
    assert list(note) == [
        *("truncated", "ref", "tool", "server", "originalBytes", "previewBytes", "shape", "retrieval"),
        "message",
    ]
    assert (note["truncated"], note["ref"], note["tool"], note["server"]) == (True, "r_1", "rows", "db")
    assert (note["shape"]["type"], note["shape"]["total"]) == ("array", 200)
    arguments = {"ref": "r_1", "offset": 0, "limit": 50}
    assert note["retrieval"]["tool"] == "callmux_get_result"
    assert note["retrieval"]["arguments"] == arguments
    assert note["retrieval"]["viaCallmuxCall"] == {
        "tool": "callmux_call",
        "arguments": {"tool": "callmux_get_result", "arguments": arguments},
    }
    assert set(note["retrieval"]["supports"]) == {"path", "offset", "limit", "fields", "search"}
    assert "r_1" in note["message"]
    assert "viaCallmuxCall" in note["message"]
    assert note["previewBytes"] == len(msgspec.json.encode(found["preview"]))


def test_json_in_a_text_is_trimmed_as_json() -> None:
    """It was cut in the middle of a token; 120 short rows were not noticed at all.

    Weak spot W21 of callmux (npm).
    """
    preview = payload({"content": text(ROWS)})["preview"]
    assert preview[0] == ROWS[0]
    assert preview[-1]["totalItems"] == 200
    short = [{"id": n, "name": "x"} for n in range(120)]
    assert len(json.dumps(short)) < 8192
    assert payload({"content": text(short)})["_callmux"]["shape"]["total"] == 120


def test_what_is_far_too_large_still_has_a_preview() -> None:
    """Weak spot W21 of callmux (npm)."""
    value = {"head": 1, "rows": [{"t": "x" * 5000, "n": n} for n in range(500)]}
    preview = payload({"content": text(value)})["preview"]
    assert preview["head"] == 1
    assert preview["rows"][0]["n"] == 0
    assert len(json.dumps(preview)) < 9000


@pytest.mark.parametrize(
    "result",
    [
        {"content": text([{"i": n, "r": "x" * 10} for n in range(60)])},
        {"content": text("x" * 8193)},
        {"content": text(ROWS[:120])},
        {
            "content": text({"list": [{"id": n} for n in range(60)]}),
            "structuredContent": {"list": [{"id": 1}] * 60},
        },
        {"content": text('\\"' * 5000)},
        {"content": text("\U0001f600" * 9000)},
        {"content": text("x" * 9000), "isError": True},
        {"content": text(*["y" * 900] * 60)},
        {"content": [], "structuredContent": {str(n): "v" * 900 for n in range(90)}},
    ],
)
def test_a_reply_is_never_larger_and_worth_it(result: dict[str, Any]) -> None:
    """The preview went out twice, with 1.7 kB around each. Weak spot W7 of callmux (npm)."""
    raw = json.dumps(result, ensure_ascii=False).encode()
    found = shorten(raw, order())
    assert found is None or len(found.raw) <= 0.76 * len(raw)


def test_what_cannot_become_smaller_goes_out_as_it_is() -> None:
    """Weak spot W7 of callmux (npm)."""
    small = {"content": text({"list": list(range(60))})}
    assert reply(small) is None


def test_the_limits_of_a_text() -> None:
    assert reply({"content": text("x" * 8192)}) is None
    found = payload({"content": text("x" * 20_000)})
    assert found["preview"] == "x" * 8192 + "\n[...TRUNCATED: 11808 more chars]"
    assert found["_callmux"]["shape"]["totalChars"] == 20_000
    assert payload({"content": text("x" * 8193)})["preview"].startswith("x" * 1000)


def test_the_byte_limit_of_the_whole() -> None:
    rows = {"content": text([{"id": n, "t": "word " * 20} for n in range(30)])}
    assert reply(rows) is None
    found = payload(rows, limits=Limits(1000, 8192, 50))
    assert found["_callmux"]["shape"]["total"] == 30


def test_structured_content_is_the_data_and_is_previewed_once() -> None:
    value = {"meta": {"k": 1}, "items": ROWS}
    found = payload({"content": text(value), "structuredContent": value})
    assert found["_callmux"]["shape"]["suggestedPath"] == "items"
    assert found["_callmux"]["retrieval"]["arguments"]["path"] == "items"
    assert found["preview"]["items"][0] == ROWS[0]


def test_several_texts_are_previewed_one_by_one() -> None:
    found = payload({"content": text("a" * 9000, "short")})
    assert found["preview"]["content"][1]["text"] == "short"
    assert "TRUNCATED" in found["preview"]["content"][0]["text"]


def test_media_go_out_whole_and_do_not_count() -> None:
    """Weak spot W6 of callmux (npm)."""
    picture = {"type": "image", "mimeType": "image/png", "data": "A" * 200_000}
    assert reply({"content": [picture]}) is None
    assert reply({"content": [*text("small"), picture]}) is None
    sound = {"type": "audio", "mimeType": "audio/wav", "data": "B" * 100_000}
    blob = {"type": "resource", "resource": {"uri": "a://b", "blob": "C" * 100_000}}
    found = reply({"content": [*text("x" * 20_000), picture, sound, blob]})
    assert found is not None
    assert found["content"][1:] == [picture, sound, blob]


def test_a_long_embedded_text_is_cut_in_its_place() -> None:
    page = {"type": "resource", "resource": {"uri": "a://b", "text": "x" * 100_000}}
    found = reply({"content": [page]})
    assert found is not None
    assert found["content"][1]["resource"]["uri"] == "a://b"
    assert found["content"][1]["resource"]["text"].endswith("more chars]")


def test_content_under_an_output_schema_still_fits_it() -> None:
    """It was replaced, and clients refused the reply. Weak spot W5 of callmux (npm)."""
    value = {"rows": ROWS}
    result = {"content": text(value), "structuredContent": value}
    open_schema = b'{"type":"object","properties":{"rows":{"type":"array"}},"required":["rows"]}'
    found = reply(result, output_schema=open_schema)
    assert found is not None
    assert found["structuredContent"]["rows"] == ROWS[:50]
    assert found["structuredContent"]["_callmux"] == {
        "truncated": True,
        "ref": "r_1",
        "tool": "callmux_get_result",
    }
    closed_schema = b'{"type":"object","properties":{"rows":{"type":"array"}},"additionalProperties":false}'
    found = reply(result, output_schema=closed_schema)
    assert found is not None
    assert found["structuredContent"] == value
    assert json.loads(found["content"][0]["text"])["_callmux"]["ref"] == "r_1"


def test_closed_content_with_a_short_text_goes_out_whole() -> None:
    """Weak spot W5 of callmux (npm)."""
    schema = b'{"type":"object","additionalProperties":false,"properties":{"rows":{}}}'
    assert (
        reply({"content": text("200 rows"), "structuredContent": {"rows": ROWS}}, output_schema=schema)
        is None
    )


def test_a_long_error_stays_an_error_with_its_words_first() -> None:
    """Weak spot W20 of callmux (npm)."""
    found = reply({"content": text("e" * 200_000), "isError": True})
    assert found is not None
    assert found["isError"] is True
    shown = found["content"][0]["text"]
    assert shown.startswith("e" * 8000)
    assert shown.endswith("more chars: callmux_get_result ref r_1]")
    assert found["_meta"][META_KEY]["ref"] == "r_1"


def test_an_error_with_fields_keeps_them() -> None:
    """Weak spot W20 of callmux (npm)."""
    value = {"error": {"code": "tool_call_failed", "message": "m" * 100_000}}
    found = reply({"content": text(value), "structuredContent": value, "isError": True})
    assert found is not None
    shown = json.loads(found["content"][0]["text"])
    assert shown["error"]["code"] == "tool_call_failed"
    assert shown["_callmux"]["ref"] == "r_1"


def test_an_error_of_several_texts() -> None:
    found = reply({"content": text("short", "e" * 200_000), "isError": True})
    assert found is not None
    assert found["content"][0]["text"] == "short"
    assert len(found["content"][1]["text"]) < 9000


def test_meta_of_the_tool_stays() -> None:
    found = reply({"content": text(ROWS), "_meta": {"own": 1}})
    assert found is not None
    assert found["_meta"] == {"own": 1}


def test_what_is_too_large_to_keep_says_so() -> None:
    found = payload({"content": text(ROWS)}, ref="", server=None)
    note = found["_callmux"]
    assert note["retained"] is False
    assert not note.keys() & {"ref", "retrieval", "server"}
    assert found["preview"][0] == ROWS[0]


def test_where_previews_are_beginnings_a_result_within_its_limits_goes_out_as_it_is() -> None:
    limits = Limits(65536, 8192, 50, reads_on=True)
    assert reply({"content": text("x" * 8192)}, limits=limits) is None
    assert payload({"content": text("x" * 99_000)}, limits=limits)["preview"] == "x" * 8192


def test_digits_survive() -> None:
    raw = json.dumps({"content": text("[" + "12345678901234567890123," * 300 + "1]")}).encode()
    found = shorten(raw, order())
    assert found is not None
    assert b"12345678901234567890123,12345678901234567890123" in found.raw


def test_what_is_no_result_of_a_tool_is_left_alone() -> None:
    assert reply({"task": {"taskId": "x" * 100_000}}) is None


@pytest.mark.parametrize(
    "raw",
    [
        b'{"content":[{"type":"text","text":"' + b"\\ud800" * 20_000 + b'"}]}',
        b'{"content":[],"structuredContent":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"content":[],"structuredContent":{"a":"\xff' + b"x" * 100_000 + b'"}}',
        b'{"content":"' + b"x" * 100_000 + b'"}',
        b"[]",
    ],
)
def test_a_result_that_cannot_be_read_goes_out_as_it_is(raw: bytes) -> None:
    shorten(raw, order())


def several(*results: Any, key: str = "results", **more: Any) -> dict[str, Any]:
    """An answer to several calls, as the meta-tools give it."""
    entries = [{"index": n, "ok": True, "result": result} for n, result in enumerate(results)]
    answer = {"status": "completed", key: entries, "totalDurationMs": 1, **more}
    return {"content": text(json.dumps(answer)), "structuredContent": answer}


ISSUE = {"id": 1, "body": "x" * 1000}


@pytest.mark.parametrize("key", ["results", "steps"])
def test_several_results_pass_where_each_would_pass_alone(key: str) -> None:
    """Twelve calls one by one were read whole, and cut when made at once: an agent then read more."""
    answer = several(*[ISSUE] * 12, key=key)
    assert passes(json.dumps(answer).encode(), order(several=True))
    assert not passes(json.dumps(answer).encode(), order())
    assert len(answer["content"][0]["text"]) > 8192
    assert reply(answer, several=True) is None
    assert reply(answer) is not None
    assert reply(several(*["plain text " * 300] * 6, key=key), several=True) is None


@pytest.mark.parametrize(
    "answer",
    [
        several(ISSUE, "x" * 8193),
        several(ISSUE, {"body": "x" * 8193}),
        several(ISSUE, list(range(51))),
        several(ISSUE, {f"member {n}": "x" * 200 for n in range(40)}),
        several(*[ISSUE] * 51),
        several(*[ISSUE] * 40),
        {
            "content": text(json.dumps({"results": [ISSUE] * 12})),
            "structuredContent": {"results": [ISSUE] * 12},
        },
    ],
    ids=["text", "string", "array", "value", "many", "whole", "not ours"],
)
def test_several_results_are_cut_where_one_of_them_or_the_whole_is_too_large(answer: dict[str, Any]) -> None:
    assert reply(answer, several=True) is not None
    assert not passes(json.dumps(answer).encode(), order(several=True))


@pytest.mark.parametrize(
    "raw", [b"{}", b"[]", b'{"structuredContent":7}', b'{"structuredContent":{"results":[]}}']
)
def test_what_is_no_answer_to_several_calls_is_looked_at(raw: bytes) -> None:
    assert not passes(raw, order(several=True))


@pytest.mark.parametrize("text_of_it", ["[" + "a," * 99, '{"a": 1,' * 60, "[" + "1," * 60 + "\udcff]"])
def test_a_short_text_that_is_no_json_passes(text_of_it: str) -> None:
    assert reply({"content": text(text_of_it)}) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["a", "error", "results", "steps"]), inner, max_size=3)
    ),
)
"""Structured content may be any JSON value (MCP 2026-07-28, schema, CallToolResult)."""


@given(JSON, st.booleans())
def test_any_structured_content_is_shortened_or_stays(value: Any, several: bool) -> None:
    small = order(limits=Limits(60, 20, 2), several=several)
    raw = json.dumps({"content": text(value), "structuredContent": value}).encode()
    found = shorten(raw, small)
    assert found is None or json.loads(found.raw)["content"]
    assert not passes(raw, small) or shorten(raw, small) is None
