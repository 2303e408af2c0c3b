"""One question for all calls of a plan, before any of them is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callmux.guard.approvals import Need, Subject
from callmux.rings.approving import Grants
from tests.approval.place import Place, accept, code_of, place
from tests.support import FakeClient, real_loop

RECIPES: dict[str, Any] = {
    "both": {
        "mode": "parallel",
        "calls": [
            {"tool": "write", "arguments": {"x": {"$param": "x"}}},
            {"tool": "destroy", "arguments": {"x": 2}},
        ],
    }
}
STEPS = [
    {"tool": "read"},
    {"tool": "write", "arguments": {"a": 1}, "inputMapping": {"n": "$json.n"}},
]


async def make(place: Place, way: str) -> Any:
    """Makes two calls that need approval, in one request."""
    calls = [{"tool": "write", "arguments": {"x": 1}}, {"tool": "destroy", "arguments": {"x": 2}}]
    if way == "parallel":
        return await place.client.call("callmux_parallel", {"calls": calls})
    if way == "batch":
        items = [{"arguments": {"x": 1}}, {"arguments": {"x": 2}}]
        return await place.client.call("callmux_batch", {"tool": "write", "items": items})
    if way == "pipeline":
        return await place.client.call("callmux_pipeline", {"steps": calls})
    return await place.client.call("callmux_recipe_run", {"recipe": "both", "arguments": {"x": 1}})


WAYS = ["parallel", "batch", "pipeline", "recipe"]


@real_loop()
@pytest.mark.parametrize("way", WAYS)
async def test_all_calls_of_a_plan_are_one_question(way: str) -> None:
    async with place("write", recipes=RECIPES) as here:
        here.person("once")
        result = await make(here, way)
        assert not result.get("isError"), result
        assert len(here.effects) == 2
        (message,) = here.asked
        assert "these 2 calls" in message
        assert '{"x":1}' in message
        assert '{"x":2}' in message
        # What was allowed once is asked again.
        await make(here, way)
        assert len(here.asked) == 2


@real_loop()
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "answer",
    [accept("deny"), {"action": "decline"}, {"action": "cancel"}, accept("yes"), {"action": "accept"}],
)
async def test_what_is_no_clear_yes_refuses_all_of_a_plan(way: str, answer: Any) -> None:
    async with place("write", recipes=RECIPES) as here:
        here.person(answer)
        assert code_of(await make(here, way)) == "approval_denied"
        assert here.effects == []


@real_loop()
async def test_only_what_needs_approval_is_in_the_question() -> None:
    async with place("destroy") as here:
        here.person("once")
        calls = [{"tool": tool} for tool in ("read", "write", "destroy")]
        await here.client.call("callmux_parallel", {"calls": calls})
        (message,) = here.asked
        assert "destroy (destroy)" in message
        assert "write" not in message
        assert len(here.effects) == 3


@real_loop()
async def test_a_plan_without_such_calls_asks_nothing() -> None:
    async with place("destroy") as here:
        await here.client.call("callmux_parallel", {"calls": [{"tool": "read"}, {"tool": "write"}]})
        assert here.asked == []
        assert len(here.effects) == 2


@real_loop()
async def test_a_step_that_is_fed_from_a_result_is_asked_when_its_arguments_are_known() -> None:
    async with place("write") as here:
        here.person("once")
        await here.client.call("callmux_pipeline", {"steps": STEPS})
        (message,) = here.asked
        assert '{"a":1,"n":1}' in message
        assert here.effects[1] == ("write", {"a": 1, "n": 1})
        steps = [{"tool": "destroy"}, *STEPS[1:]]
        await here.client.call("callmux_pipeline", {"steps": steps})
        assert len(here.asked) == 3
        assert "destroy" in here.asked[1]
        assert '"n":3' in here.asked[2]


@real_loop()
async def test_a_refused_step_ends_its_pipeline() -> None:
    async with place("write") as here:
        here.person("once", "deny")
        result = await here.client.call(
            "callmux_pipeline", {"steps": [{"tool": "destroy"}, *STEPS[1:], {"tool": "read"}]}
        )
        payload = result["structuredContent"]
        assert payload["failedStep"] == 1
        assert code_of(payload["steps"][1]["result"]) == "approval_denied"
        assert [name for name, _ in here.effects] == ["destroy"]


@real_loop()
async def test_mappings_that_are_mere_texts_are_known_before() -> None:
    async with place("write") as here:
        here.person("once")
        steps = [{"tool": "read"}, {"tool": "write", "inputMapping": {"n": "five"}}]
        result = await here.client.call("callmux_pipeline", {"steps": steps})
        assert result["structuredContent"]["status"] == "completed"
        assert len(here.asked) == 1
        assert here.effects[-1] == ("write", {"n": "five"})


@real_loop()
async def test_what_was_allowed_for_the_session_is_not_asked_again_for_other_arguments() -> None:
    async with place("write") as here:
        here.person("session")
        await here.client.call("callmux_parallel", {"calls": [{"tool": "write", "arguments": {"x": 1}}]})
        await here.client.call("callmux_pipeline", {"steps": [{"tool": "destroy"}, *STEPS[1:]]})
        assert len(here.asked) == 2
        assert "write" not in here.asked[1]
        assert [name for name, _ in here.effects] == ["write", "destroy", "write"]


@real_loop()
async def test_references_are_shown_as_what_they_stand_for(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("what the file says")

    async with place("write", tmp_path=tmp_path, fileReferenceRoots=[str(tmp_path)]) as here:
        here.person("once")
        file = {"$file": str(tmp_path / "note.txt")}
        await here.client.call("callmux_batch", {"tool": "write", "items": [{"arguments": {"text": file}}]})
        assert "what the file says" in here.asked[0]
        assert here.effects == [("write", {"text": "what the file says"})]


@real_loop()
async def test_a_file_that_changes_while_its_call_waits_is_asked_about_again(tmp_path: Path) -> None:
    """What is allowed is what was shown."""
    note = tmp_path / "note.txt"
    note.write_text("harmless")

    async with place("write", tmp_path=tmp_path, fileReferenceRoots=[str(tmp_path)]) as here:

        def answer(message: Any) -> Any:
            if "harmless" in message["params"]["message"]:
                note.write_text("harmful")
                return accept("once")
            return accept("deny")

        here.client.answers["elicitation/create"] = answer
        items = [{"arguments": {"text": {"$file": str(note)}}}]
        result = await here.client.call("callmux_batch", {"tool": "write", "items": items})
        assert result["structuredContent"]["failed"] == 1
        assert here.effects == []


@real_loop()
async def test_calls_that_cannot_be_made_say_so_and_are_not_asked_about() -> None:
    async with place("write") as here:
        here.person("once")
        calls = [{"tool": "nothing_of_the_kind"}, {"tool": "write"}]
        result = await here.client.call("callmux_parallel", {"calls": calls})
        assert result["structuredContent"]["failedIndexes"] == [0]
        assert len(here.asked) == 1


@real_loop()
async def test_previews_ask_nobody() -> None:
    async with place("read", recipes=RECIPES) as here:
        shown = await here.client.call("callmux_dry_run", {"calls": [{"tool": "write"}]})
        assert shown["structuredContent"]["items"][0]["needsApproval"] is True
        await here.client.call("callmux_recipe_dry_run", {"recipe": "both", "arguments": {"x": 1}})
        await here.client.call("callmux_search_tools", {"query": "write"})
        assert here.asked == []
        assert here.effects == []


def test_a_call_is_granted_once_and_to_its_request_alone() -> None:
    grants, one, other = Grants(), FakeClient(), FakeClient()
    need = Need(subject=Subject("s", "tools/call", "t", "d"), tier="write", arguments=b"{}")
    grants.give(one, [need, need])
    assert not grants.take(other, need)
    assert [grants.take(one, need) for _ in range(3)] == [True, True, False]
    grants.give(one, [need])
    grants.drop(one)
    assert not grants.take(one, need)
    assert repr(grants) == "Grants(0 requests)"
