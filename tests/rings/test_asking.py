"""How a question ends, and that nothing is done unless it ends with a yes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from callmux.clock import Clock
from callmux.config.check import check_document
from callmux.errors import ApprovalUnavailable
from callmux.guard.principal import Principal
from callmux.observe.facts import ApprovalAnswered, ApprovalAsked
from callmux.protocol.jsonrpc import parse
from callmux.rings.asking import RELOADED
from callmux.session.facts import Said
from tests.approval.place import ASK, FORM, Ledger, Place, accept, code_of, place
from tests.interaction.bench import bench
from tests.interaction.raw_server import Json
from tests.support import real_loop, settle, until


def error(result: Json) -> Json:
    found: Json = result["structuredContent"]["error"]
    return found


@real_loop()
async def test_a_client_without_forms_waits_for_a_terminal() -> None:
    async with place("write", capabilities={}) as here:
        here.host.desk.reachable = True
        call = here.client.send("tools/call", {"name": "write", "arguments": {"x": 1}})
        await until(here.waiting, "a question")
        (waiting,) = here.waiting()
        assert waiting["calls"] == [
            {"server": "led", "tool": "write", "tier": "write", "arguments": '{"x":1}'}
        ]
        assert waiting["client"] == "test"
        assert here.effects == []
        answer = here.host.desk.answer(waiting["id"], "once")
        assert answer["allowed"] is True
        assert not (await call)["result"].get("isError")
        assert here.effects == [("write", {"x": 1})]
        assert here.asked == []
        assert here.waiting() == []


@real_loop()
async def test_a_terminal_may_answer_for_a_client_that_shows_the_form_too() -> None:
    """Whoever is first decides; the other question is withdrawn."""

    async with place("write") as here:
        here.host.desk.reachable = True
        call = here.client.send("tools/call", {"name": "write"})
        question = await here.question()
        here.host.desk.answer(here.waiting()[0]["id"], "deny")
        assert code_of((await call)["result"]) == "approval_denied"
        told = await here.client.told("notifications/cancelled")
        assert told["requestId"] == question["id"]
        here.client.reply(question["id"], result=accept("once"))
        await settle()
        assert here.effects == []


@real_loop()
async def test_where_nobody_can_be_asked_the_call_is_refused_at_once() -> None:
    async with place("write", capabilities={}) as here:
        result = await here.client.call("write")
        assert code_of(result) == "approval_unavailable"
        assert "callmux approve" in error(result)["message"]
        assert error(result)["details"] == {
            "server": "led",
            "tool": "write",
            "calls": 1,
            "executionState": "not_started",
        }


@real_loop()
@pytest.mark.parametrize("reachable", [True, False])
async def test_a_client_that_answers_its_question_with_an_error_counts_as_one_without_forms(
    reachable: bool,
) -> None:
    async with place("write") as here:
        here.host.desk.reachable = reachable
        call = here.client.send("tools/call", {"name": "write"})
        question = await here.question()
        here.client.reply(question["id"], error={"code": -32601, "message": "no"})
        if reachable:
            await settle()
            here.host.desk.answer(here.waiting()[0]["id"], "once")
            assert not (await call)["result"].get("isError")
            assert len(here.effects) == 1
        else:
            assert code_of((await call)["result"]) == "approval_unavailable"
            assert here.effects == []


@real_loop()
@pytest.mark.parametrize("way", ["direct", "parallel"])
@pytest.mark.parametrize("forms", [True, False])
async def test_a_question_that_nobody_answers_ends_in_its_own_time(way: str, forms: bool) -> None:
    capabilities = FORM if forms else {}
    async with place("write", capabilities=capabilities, approvalTimeoutMs=50) as here:
        here.host.desk.reachable = True
        if way == "direct":
            result = await here.client.call("write", {})
        else:
            result = await here.client.call("callmux_parallel", {"calls": [{"tool": "write"}]})
        assert code_of(result) == "approval_timeout"
        assert error(result)["details"]["waitedMs"] == 50
        assert "callmux approve" in error(result)["message"]
        assert here.effects == []
        assert here.waiting() == []
        if forms:
            assert (await here.client.told("notifications/cancelled"))["requestId"]


class Moving:
    """A clock that somebody moves."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self.wall_ahead = 0.0

    def clock(self) -> Clock:
        loop = asyncio.get_running_loop()
        return Clock(lambda: loop.time() + self.ahead, lambda: 1e9 + self.wall_ahead)


@real_loop()
@pytest.mark.parametrize("jump", [-1e6, 1e6])
async def test_setting_the_clock_of_the_machine_changes_nothing(jump: float) -> None:
    moving = Moving()
    async with place("write", clock=moving.clock()) as here:
        call = here.client.send("tools/call", {"name": "write"})
        question = await here.question()
        moving.wall_ahead = jump
        await settle()
        here.client.reply(question["id"], result=accept("once"))
        assert not (await call)["result"].get("isError")


@real_loop()
async def test_a_yes_that_comes_after_a_long_sleep_of_the_machine_is_too_late() -> None:
    moving = Moving()
    async with place("write", clock=moving.clock()) as here:
        call = here.client.send("tools/call", {"name": "write"})
        question = await here.question()
        moving.ahead = 3600.0
        here.client.reply(question["id"], result=accept("session"))
        assert code_of((await call)["result"]) == "approval_timeout"
        assert here.effects == []


@real_loop()
@pytest.mark.parametrize("way", ["direct", "parallel", "pipeline"])
async def test_a_call_that_is_cancelled_while_it_waits_is_never_made(way: str) -> None:
    async with place("write") as here:
        name, arguments = {
            "direct": ("write", {}),
            "parallel": ("callmux_parallel", {"calls": [{"tool": "write"}]}),
            "pipeline": (
                "callmux_pipeline",
                {"steps": [{"tool": "read"}, {"tool": "write", "inputMapping": {"a": "$text"}}]},
            ),
        }[way]
        here.client.send("tools/call", {"name": name, "arguments": arguments}, id="gone")
        question = await here.question()
        here.client.notify("notifications/cancelled", {"requestId": "gone"})
        assert (await here.client.told("notifications/cancelled"))["requestId"] == question["id"]
        here.client.reply(question["id"], result=accept("once"))
        await settle()
        assert "write" not in [name for name, _ in here.effects]
        assert here.waiting() == []
        assert "gone" not in here.client.raw


@real_loop()
async def test_a_client_that_leaves_takes_its_questions_with_it() -> None:
    async with place("write") as here:
        here.host.desk.reachable = True
        here.client.send("tools/call", {"name": "write"})
        await here.question()
        id = here.waiting()[0]["id"]
        await here.client.leave()
        await settle()
        assert here.waiting() == []
        with pytest.raises(ApprovalUnavailable):
            here.host.desk.answer(id, "once")
        assert here.effects == []


def document(here: Place, **more: Any) -> Any:
    checked = check_document({"servers": here.bench.entries, **more})
    assert not checked.errors
    return checked.config


@real_loop()
@pytest.mark.parametrize("way", ["direct", "parallel", "pipeline"])
async def test_a_reload_ends_what_waits(way: str) -> None:
    async with place("write") as here:
        steps = [{"tool": "read"}, {"tool": "write", "inputMapping": {"a": "$text"}}]
        name, arguments = {
            "direct": ("write", {}),
            "parallel": ("callmux_parallel", {"calls": [{"tool": "write"}]}),
            "pipeline": ("callmux_pipeline", {"steps": steps}),
        }[way]
        call = here.client.send("tools/call", {"name": name, "arguments": arguments})
        await here.question()
        await here.host.reload(document(here, approve=["write"]))
        result = (await call)["result"]
        if way == "pipeline":
            result = result["structuredContent"]["steps"][1]["result"]
        assert code_of(result) == "approval_unavailable"
        assert RELOADED in error(result)["message"]
        assert "write" not in [name for name, _ in here.effects]
        # The new configuration asks anew.
        here.person("once")
        assert not (await here.client.call("write")).get("isError")


@real_loop()
async def test_a_pipeline_of_the_old_configuration_asks_nobody_after_a_reload() -> None:
    async with place("write") as here:
        gate = asyncio.Event()
        do = here.server.handlers["tools/call"]

        async def slow(call: Any) -> Any:
            if call.params["name"] == "read":
                await gate.wait()
            return do(call)

        here.server.answers("tools/call", slow)
        here.person("once")
        steps = [{"tool": "read"}, {"tool": "write", "inputMapping": {"a": "$text"}}]
        call = here.client.send("tools/call", {"name": "callmux_pipeline", "arguments": {"steps": steps}})
        await here.server.peer.asked("tools/call")
        await here.host.reload(document(here, approve=["write"]))
        gate.set()
        payload = (await call)["result"]["structuredContent"]
        assert code_of(payload["steps"][1]["result"]) == "approval_unavailable"
        assert here.asked == []


@real_loop()
async def test_a_reload_that_is_refused_ends_nothing() -> None:
    async with place("write") as here:
        call = here.client.send("tools/call", {"name": "write"})
        question = await here.question()
        servers = {**here.bench.entries, "broken": {"command": "/no/such/program"}}
        broken = check_document({"servers": servers, "strictStartup": True}).config
        with pytest.raises(Exception, match="broken"):
            await here.host.reload(broken)
        here.client.reply(question["id"], result=accept("once"))
        assert not (await call)["result"].get("isError")


@real_loop()
async def test_a_server_that_is_restarted_ends_what_waits_for_it() -> None:
    async with place("write") as here:
        call = here.client.send("tools/call", {"name": "write"})
        await here.question()
        await here.host.restart("led", "for a test")
        result = (await call)["result"]
        assert code_of(result) == "approval_unavailable"
        assert 'server "led" was restarted' in error(result)["message"]
        assert here.effects == []


@real_loop()
async def test_an_end_of_the_process_ends_what_waits() -> None:
    async with place("write") as here:
        call = here.client.send("tools/call", {"name": "write"})
        await here.question()
        here.host.desk.withdraw("callmux is stopping")
        assert code_of((await call)["result"]) == "approval_unavailable"
        assert here.effects == []


@real_loop()
async def test_a_decision_for_the_project_holds_for_the_next_process(tmp_path: Path) -> None:
    env = {"XDG_STATE_HOME": str(tmp_path / "state"), "HOME": str(tmp_path)}
    async with place("write", env=env) as here:
        here.person("project")
        await here.client.call("write", {"x": 1})
        assert (
            "project"
            in (await here.question())["params"]["requestedSchema"]["properties"]["decision"]["enum"]
        )
    async with place("write", env=env) as here:
        await here.client.call("write", {"x": 2})
        assert here.asked == []
    here.server.schema = {"type": "object", "properties": {"y": {}}}
    async with place("write", env=env, server=here.server) as here:
        here.person("deny")
        assert code_of(await here.client.call("write", {"x": 2})) == "approval_denied"
        assert len(here.asked) == 1


@real_loop()
async def test_progress_says_what_to_do_where_the_client_shows_no_form() -> None:
    async with place("write", capabilities={}) as here:
        here.host.desk.reachable = True
        call = here.client.send("tools/call", {"name": "write", "_meta": {"progressToken": "p"}})
        told = await here.client.told("notifications/progress")
        id = here.waiting()[0]["id"]
        assert told["message"] == f"waits for a person's approval: callmux approve {id} in a terminal"
        here.host.desk.answer(id, "once")
        await call


@real_loop()
@pytest.mark.parametrize("action", ["accept", "decline"])
async def test_in_a_listener_each_client_is_asked_about_its_own_calls(action: str) -> None:
    server = Ledger()
    async with bench(server, single=False, approve=["write"]) as made:
        one, other = await made.greeted(capabilities=FORM), await made.greeted(capabilities=FORM)
        one.answers[ASK] = accept("session")
        other.answers[ASK] = {"action": action}
        assert not (await one.call("write", {"by": 1})).get("isError")
        assert code_of(await other.call("write", {"by": 2})) == "approval_denied"
        assert [len(one.asked), len(other.asked)] == [1, 1]
        assert server.effects == [("write", {"by": 1})]


@real_loop()
@pytest.mark.parametrize(
    ("how", "decision", "answer", "kept"),
    [
        ("elicitation", "once", "allowed", "call"),
        ("elicitation", "session", "allowed", "session"),
        ("elicitation", "deny", "refused", "call"),
        ("terminal", "once", "allowed", "call"),
        ("terminal", "deny", "refused", "call"),
        ("", "late", "timed_out", "call"),
        ("", "withdrawn", "cancelled", "call"),
        ("", "cancelled", "cancelled", "call"),
    ],
)
async def test_whoever_listens_hears_of_a_question_and_its_end(
    how: str, decision: str, answer: str, kept: str
) -> None:
    late: dict[str, Any] = {"approvalTimeoutMs": 50} if decision == "late" else {}
    async with place("write", capabilities={} if how == "terminal" else FORM, **late) as here:
        asked: list[ApprovalAsked] = []
        ended: list[ApprovalAnswered] = []
        here.host.bus.subscribe(ApprovalAsked, asked.append)
        here.host.bus.subscribe(ApprovalAnswered, ended.append)
        here.host.desk.reachable = True
        if how == "elicitation":
            here.person(decision)
        here.client.send("tools/call", {"name": "write"}, id="it")
        await until(lambda: asked, "a question")
        if how == "terminal":
            here.host.desk.answer(here.waiting()[0]["id"], decision)
        elif decision == "withdrawn":
            here.host.desk.withdraw("for a test")
        elif decision == "cancelled":
            here.client.notify("notifications/cancelled", {"requestId": "it"})
        await until(lambda: ended, "its end")
        assert asked[0].how == ("terminal" if how == "terminal" else "elicitation")
        assert asked[0].calls == ended[0].calls == ("led: write",)
        assert asked[0].question == ended[0].question
        assert (ended[0].answer, ended[0].how, ended[0].remembered) == (answer, how, kept)
        assert len(ended) == 1


@real_loop()
async def test_what_one_principal_allows_is_not_allowed_to_another() -> None:
    server = Ledger()
    async with bench(server, single=False, approve=["write"]) as made:
        client = await made.greeted(capabilities=FORM)
        client.answers[ASK] = accept("session")

        async def call(who: str, id: str) -> None:
            line = {"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "write"}}
            said = Said(principal=Principal(kind="bearer", id=who))
            client.session.receive(parse(json.dumps(line).encode()), said)
            answer = client._waiting[id] = asyncio.get_running_loop().create_future()
            assert not (await answer)["result"].get("isError")

        for who, asked in (("a", 1), ("a", 1), ("b", 2), ("b", 2)):
            await call(who, f"{who}{len(server.effects)}")
            assert len(client.asked) == asked
