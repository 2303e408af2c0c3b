"""What callmux itself answers is rendered as asked for; nothing of a server's result is lost by it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import toons
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from callmux.errors import InvalidArguments
from callmux.observe.bus import Bus
from callmux.observe.facts import ResultShortened
from callmux.plan import Plan, ToolCall
from callmux.protocol.shapes import Result, Told, Tool
from callmux.rings.envelope import failure, success
from callmux.rings.formatting import Formatting, formatted
from callmux.upstream.catalogue import Catalogue, ServerTools
from tests.support import context, names_of, own_route, play, through

ROWS = [{"id": n, "name": f"row {n}", "state": "open"} for n in range(40)]
IMAGE = {"type": "image", "data": "AAAA", "mimeType": "image/png"}


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def text(value: Any, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": value if isinstance(value, str) else compact(value), **more}


def catalogue() -> Catalogue:
    tools = [Tool(b'{"name":"plain"}'), Tool(b'{"name":"bound","outputSchema":{"type":"object"}}')]
    return Catalogue([ServerTools(server="a", tools=tools, listed=True)])


def shown(
    result: Result | dict[str, Any],
    wanted: str | None = None,
    *,
    name: str = "callmux_call",
    tool: str = "plain",
    default: str = "json",
    bus: Bus | None = None,
) -> dict[str, Any]:
    """The result as it goes out."""
    given = result if isinstance(result, Result) else Result(compact(result).encode())

    async def proceed(plan: Plan, around: Any) -> Result:
        return given

    stage = Formatting(default, names_of(catalogue()).find, bus)
    plan = Plan(name=name, calls=(ToolCall(spelling=tool),), output_format=wanted)
    value: dict[str, Any] = json.loads(play(through(stage, plan, context(), proceed, own_route(name))).raw)
    return value


def untouched(result: dict[str, Any], wanted: str, **more: Any) -> bool:
    return shown(result, wanted, **more) == result


def test_json_is_the_default_and_changes_nothing() -> None:
    result = success({"rows": ROWS})
    assert shown(result, name="callmux_parallel") == json.loads(result.raw)
    assert shown(result, "json", name="callmux_parallel", default="toon") == json.loads(result.raw)


@pytest.mark.parametrize(
    "how", [{"wanted": "toon"}, {"default": "toon"}, {"wanted": "toon", "default": "auto"}]
)
def test_toon_is_text_alone(how: dict[str, Any]) -> None:
    """A client that gets both shows the structured one, and nothing would be gained."""
    payload = {"status": "completed", "rows": ROWS[:3]}
    result = shown(success(payload), name="callmux_parallel", **how)
    assert result.keys() == {"content"}
    assert toons.loads(result["content"][0]["text"]) == payload


def test_auto_decides_by_size() -> None:
    assert shown(success({"rows": ROWS}), "auto", name="callmux_parallel").keys() == {"content"}
    small = success({"rows": ROWS[:2]})
    assert shown(small, "auto", name="callmux_parallel") == json.loads(small.raw)


def test_errors_stay_json() -> None:
    error = failure(InvalidArguments("no", field="x"))
    assert shown(error, "toon") == json.loads(error.raw)
    assert untouched({"content": [text({"a": 1})], "isError": True}, "toon")


def test_what_takes_no_format_has_none() -> None:
    result = success({"cleared": 1})
    assert shown(result, "toon", name="callmux_cache_clear") == json.loads(result.raw)
    assert shown(result, default="toon", name="callmux_cache_clear") == json.loads(result.raw)


@pytest.mark.parametrize("wanted", ["toon", "auto"])
def test_a_direct_tool_is_never_touched(wanted: str) -> None:
    """Not its text, and not the structured content that its schema promises.

    Weak spot W5 of callmux (npm).
    """
    assert untouched({"content": [text(ROWS)], "structuredContent": {"rows": ROWS}}, wanted, name="plain")
    assert untouched({"content": [text("words")], "structuredContent": {}}, wanted, name="a__plain")


def test_the_json_text_of_a_server_is_rendered() -> None:
    result = shown({"content": [text(ROWS[:2])]}, "toon")
    assert result == {"content": [text("[2]{id,name,state}:\n  0,row 0,open\n  1,row 1,open")]}


@pytest.mark.parametrize("words", ["words", "42", '"quoted"', "null", "{broken", "", "[1, 2", "{ } and more"])
def test_a_text_that_is_no_object_or_list_stays(words: str) -> None:
    assert untouched({"content": [text(words)]}, "toon")


@pytest.mark.parametrize("wanted", ["toon", "auto"])
def test_other_items_and_members_stay_where_they_are(wanted: str) -> None:
    """Weak spot W33 of callmux (npm)."""
    marked = text(ROWS, annotations={"audience": ["user"]}, _meta={"k": 1})
    given = {"_meta": {"m": 1}, "content": [text("before"), IMAGE, marked, text("after")], "odd": 7}
    result = shown(given, wanted)
    assert result["content"][0] == text("before")
    assert result["content"][1] == IMAGE
    assert result["content"][3] == text("after")
    assert result["content"][2] | {"text": ""} == marked | {"text": ""}
    assert toons.loads(result["content"][2]["text"]) == ROWS
    assert (result["_meta"], result["odd"]) == ({"m": 1}, 7)


def test_auto_that_decides_against_it_changes_nothing() -> None:
    """Weak spot W33 of callmux (npm)."""
    pretty = json.dumps({"a": [1, 2, 3], "b": "x" * 600}, indent=2)
    assert untouched({"content": [text(pretty), IMAGE]}, "auto")


def test_structured_content_is_rendered_in_place_of_its_copy() -> None:
    payload = {"rows": ROWS}
    spelled = json.dumps(payload, indent=2)
    given = {"content": [IMAGE, text(spelled), text("prose")], "structuredContent": payload}
    result = shown(given, "toon")
    assert result.keys() == {"content"}
    assert result["content"][::2] == [IMAGE, text("prose")]
    assert toons.loads(result["content"][1]["text"]) == payload


def test_structured_content_without_a_copy_comes_first_and_prose_stays() -> None:
    given = {"content": [text("Found 40 rows."), text({"other": 1})], "structuredContent": {"rows": ROWS}}
    result = shown(given, "toon")
    assert result.keys() == {"content"}
    assert toons.loads(result["content"][0]["text"]) == {"rows": ROWS}
    assert result["content"][1:] == given["content"]


def test_a_declared_output_schema_is_never_broken() -> None:
    """Weak spot W5 of callmux (npm)."""
    payload = {"rows": ROWS}
    result = shown({"content": [text(payload)], "structuredContent": payload}, "toon", tool="a__bound")
    assert result["structuredContent"] == payload
    assert toons.loads(result["content"][0]["text"]) == payload
    assert untouched({"content": [text("prose")], "structuredContent": payload}, "toon", tool="bound")


def test_an_answer_about_several_calls_is_callmuxs_own() -> None:
    result = shown(success({"rows": ROWS}), "toon", name="callmux_parallel", tool="bound")
    assert "structuredContent" not in result


def test_what_toon_cannot_say_stays_json() -> None:
    raw = b'{"content":[{"type":"text","text":"x"}],"structuredContent":{"n":0.12345678901234567890}}'
    assert shown(Result(raw), "toon") == json.loads(raw)
    assert untouched({"content": [text('{"n":0.12345678901234567890}')]}, "toon")


@pytest.mark.parametrize(
    "result",
    [
        {"content": []},
        {"content": "odd"},
        {"content": [7, {"type": "text"}, {"type": "text", "text": 7}, {"text": "{}"}]},
        {"content": [{"type": "text", "text": "x"}], "structuredContent": None},
        {},
    ],
)
def test_odd_results_pass(result: dict[str, Any]) -> None:
    assert untouched(result, "toon")
    assert untouched(result, "auto")


def test_a_tool_that_has_gone_meanwhile_promises_nothing() -> None:
    result = shown({"content": [], "structuredContent": {"a": 1}}, "toon", tool="gone")
    assert result == {"content": [text("a: 1")]}


def test_who_listens_hears_what_toon_saved() -> None:
    bus = Bus()
    heard: list[Any] = []
    bus.subscribe(ResultShortened, heard.append)
    shown(success({"rows": ROWS}), "toon", name="callmux_parallel", bus=bus)
    shown(success({"rows": ROWS}), "json", name="callmux_parallel", bus=bus)
    assert [(fact.how, fact.tool, fact.before > fact.after) for fact in heard] == [
        ("toon", "callmux_parallel", True)
    ]


def several(*spoken: str) -> Result:
    """The answer of a fan-out whose calls said this."""
    results = [Result(compact({"content": [text(one)]}).encode()) for one in spoken]
    entries = [
        {"call": {"tool": "plain"}, "ok": True, "result": Raw(compact(one).encode())} for one in spoken
    ]
    counts = {"totalDurationMs": 1, "succeeded": len(spoken), "failed": 0, "failedIndexes": []}
    payload = {"status": "completed", "results": entries, **counts}
    made = success(payload)
    made.told = Told(payload, results, made.raw)
    return made


def test_plain_shows_several_results_as_they_came() -> None:
    result = shown(several('say "hi"\n'), "plain", name="callmux_parallel")
    assert [one["text"] for one in result["content"]][1:] == ["\n=== [0] plain: 9 bytes\n", 'say "hi"\n']
    assert "structuredContent" not in result


@pytest.mark.parametrize("wanted", ["plain", "shortest"])
def test_what_tells_of_one_result_or_none_has_no_plain_form(wanted: str) -> None:
    small = success({"ok": True})
    if wanted == "plain":
        assert shown(small, wanted, name="callmux_status") == json.loads(small.raw)
    assert untouched({"content": [text("words\n"), IMAGE], "structuredContent": {"a": 1}}, wanted)
    assert untouched({"content": [text({"a": 1})], "isError": True}, wanted)


def test_a_page_of_a_text_is_plain_too() -> None:
    page = success({"ref": "r_1", "data": "a\nb"})
    assert shown(page, "plain", name="callmux_get_result")["content"][1] == text("a\nb")
    assert shown(page, "plain", name="callmux_status") == json.loads(page.raw)


def test_an_answer_too_large_to_render_stays_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callmux.rings.toon.LARGEST", 10)
    made = several("a", "b")
    for wanted in ("plain", "shortest"):
        assert shown(made, wanted, name="callmux_batch") == json.loads(made.raw)


def test_shortest_takes_the_form_of_fewest_tokens() -> None:
    """Prose costs least plain, a table as TOON, and what gains nothing stays JSON."""
    prose = shown(several("one\ntwo\n" * 200), "shortest", name="callmux_parallel")
    assert prose["content"][2]["text"] == "one\ntwo\n" * 200
    table = shown(success({"rows": ROWS}), "shortest", name="callmux_search_tools")
    assert toons.loads(table["content"][0]["text"]) == {"rows": ROWS}
    exact = Result(b'{"content":[{"type":"text","text":"[0.10000000000000000001]"}]}')
    assert shown(exact, default="shortest") == json.loads(exact.raw)


def test_who_listens_hears_which_form_was_taken() -> None:
    bus = Bus()
    heard: list[Any] = []
    bus.subscribe(ResultShortened, heard.append)
    shown(several("words\n" * 50), "plain", name="callmux_parallel", bus=bus)
    shown(several("words\n" * 50), "shortest", name="callmux_parallel", bus=bus)
    shown(success({"rows": ROWS}), "shortest", name="callmux_status", bus=bus)
    assert [fact.how for fact in heard] == ["plain", "plain", "toon"]
    assert all(fact.before > fact.after for fact in heard)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["a", "error", "results", "steps"]), inner, max_size=3)
    ),
)
"""Structured content may be any JSON value (MCP 2026-07-28, schema, CallToolResult)."""


@given(JSON)
def test_any_structured_content_that_a_tool_promises_stays(value: Any) -> None:
    raw = compact({"content": [text(value)], "structuredContent": value}).encode()
    kept = formatted(Result(raw), lambda raw: f"rendered: {bytes(raw)!r}", keep_structured=True)
    assert json.loads(kept.raw)["structuredContent"] == value
    left = formatted(Result(raw), lambda raw: f"rendered: {bytes(raw)!r}", keep_structured=False)
    assert "structuredContent" not in json.loads(left.raw) or value is None
