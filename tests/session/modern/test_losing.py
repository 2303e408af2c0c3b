"""A client that lost the connection asks again: a read goes on, a write is not made twice unaware."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from msgspec import Raw

from callmux.plan import Plan
from callmux.rings.ring import Job
from callmux.session.facts import Said
from callmux.session.modern import losing
from callmux.session.modern.losing import DOUBT_SECONDS, GRACE_SECONDS
from callmux.session.modern.request import ModernRequest
from callmux.session.request import Request
from callmux.session.session import Session
from tests.session.modern.desk import FORM, Desk
from tests.support import context

PLAN = Plan(name="x", calls=())


class Lossy(Desk):
    """Clients whose connections break; a call answers its number once `go` is set.

    Attributes:
        harmless: Whether calls are.
    """

    def __init__(self) -> None:
        super().__init__()
        self.harmless = True
        self.go = asyncio.Event()
        self.begun = 0
        self.sent_on = True
        self.process.runtime = self
        self.router = self
        self.work = self.carry_out

    def is_harmless(self, plan: Plan) -> bool:
        return self.harmless

    async def carry_out(self, request: Request) -> Any:
        self.begun += 1
        kind = Job if self.sent_on else Unsent
        request.job = kind(context=context(), plan=PLAN, task=asyncio.current_task())
        number = self.begun
        await self.go.wait()
        return {"content": [], "n": number}

    async def asked(self, id: Any, session: Session | None = None, **given: Any) -> Request:
        """A request in flight."""
        self.asks(id, session=session, **given)
        await asyncio.sleep(0.01)
        return next(one for one in (session or self.session).requests if one.id == id)


class Unsent(Job):
    """A call that waits for its turn."""

    number: int = 0


async def test_an_equal_request_takes_the_place_of_the_lost_one() -> None:
    desk = Lossy()
    lost = await desk.asked(1, progressToken="a")
    assert lost.lose()
    assert not lost.lose(), "it is lost already"
    assert list(desk.session.requests) == []
    other = desk.comes()
    desk.asks(2, session=other, progressToken="b")
    await asyncio.sleep(0.01)
    lost.notify("notifications/progress", b'{"progressToken":"a","progress":1}')
    desk.go.set()
    assert (await desk.answer(2))["n"] == 1
    assert (desk.begun, desk.cancelled) == (1, 0)
    assert desk.over == 2, "neither session is held any more"
    assert [told["progressToken"] for told in desk.told_of("notifications/progress")] == ["b"]


async def test_an_answer_that_came_meanwhile_is_kept_for_a_moment() -> None:
    desk = Lossy()
    lost = await desk.asked(1)
    lost.lose()
    desk.go.set()
    await asyncio.sleep(1)
    assert (await desk.result(2))["n"] == 1
    assert desk.begun == 1
    assert (await desk.result(3))["n"] == 2, "it is given once"


async def test_nobody_who_asks_for_something_else_gets_it() -> None:
    desk = Lossy()
    lost = await desk.asked(1)
    assert lost.lose()
    desk.go.set()
    others: tuple[dict[str, Any], ...] = (
        {"params": {"name": "y"}},
        {"params": {"name": "x", "arguments": {"a": 1}}},
        {"capabilities": {}},
        {"said": Said(cwd="/elsewhere")},
        {"callmux/cwd": "/elsewhere"},
        {"io.modelcontextprotocol/clientInfo": {"name": "another"}},
    )
    for id, given in enumerate(others, 2):
        assert (await desk.result(id, **given))["n"] == id, given
    assert (await desk.result(9, params={"name": "x", "_meta": {}}))["n"] == 1


async def test_after_a_moment_it_is_cancelled() -> None:
    desk = Lossy()
    (await desk.asked(1)).lose()
    await asyncio.sleep(GRACE_SECONDS + 1)
    assert (desk.cancelled, desk.over) == (1, 1)
    desk.go.set()
    assert (await desk.result(2))["n"] == 2


async def test_a_write_is_cancelled_and_the_next_equal_one_is_told_so_once() -> None:
    desk = Lossy()
    desk.harmless = False
    lost = await desk.asked(1)
    assert not lost.lose()
    lost.cancel("the client has left")
    desk.go.set()
    told = await desk.result(2)
    error = json.loads(told["content"][0]["text"])["error"]
    assert told["isError"]
    assert error["code"] == "tool_call_failed"
    assert (error["details"]["executionState"], error["details"]["safeToRetry"]) == ("unknown", False)
    assert desk.begun == 1
    assert (await desk.result(3))["n"] == 2, "whoever knows may call"


async def test_a_write_that_was_not_sent_or_is_long_past_is_made_like_any_other() -> None:
    desk = Lossy()
    desk.harmless, desk.sent_on = False, False
    assert not (await desk.asked(1)).lose()
    desk.go.set()
    assert (await desk.result(2))["n"] == 2
    desk.sent_on = True
    desk.go.clear()
    assert not (await desk.asked(3)).lose()
    await asyncio.sleep(DOUBT_SECONDS + 1)
    desk.go.set()
    assert "n" in await desk.result(4)


async def test_a_question_waits_until_its_client_is_there_again() -> None:
    desk = Lossy()

    async def work(request: Request) -> Any:
        request.job = Job(context=context(), plan=PLAN, task=asyncio.current_task())
        await desk.go.wait()
        return json.loads(await request.ask("elicitation/create", json.dumps(FORM).encode()))

    desk.work = work
    lost = await desk.asked(1)
    lost.lose()
    desk.go.set()
    await asyncio.sleep(1)
    assert desk.sent == []
    told = await desk.result(2)
    (key,) = told["inputRequests"]
    state = {
        "name": "x",
        "requestState": told["requestState"],
        "inputResponses": {key: {"action": "decline"}},
    }
    assert (await desk.result(3, params=state))["action"] == "decline"


async def test_a_request_that_waits_for_answers_of_its_client_is_not_lost() -> None:
    desk = Lossy()

    async def work(request: Request) -> Any:
        await request.ask("elicitation/create", json.dumps(FORM).encode())

    desk.work = work
    desk.asks(1)
    await asyncio.sleep(0)
    (request,) = desk.session.requests
    await desk.answer(1)
    assert not request.lose()


@pytest.mark.parametrize(("method", "goes_on"), [("resources/read", True), ("resources/list", False)])
async def test_other_requests_go_on_where_they_may_take_long_and_do_no_harm(
    method: str, goes_on: bool
) -> None:
    desk = Lossy()
    lost = await desk.asked(1, method=method)
    assert lost.lose() is goes_on


async def test_what_cannot_be_compared_or_told_apart_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Lossy()
    lost = await desk.asked(1)
    assert isinstance(lost, ModernRequest)
    lost.stripped = Raw(b'{"a":%b%b}' % (b"[" * 500, b"]" * 500))
    assert not lost.lose()
    assert (await desk.asked(2)).lose()
    again = desk.comes()
    desk.asks(3, session=again)
    await asyncio.sleep(0.01)
    assert (await desk.asked(4, params={"name": "y"}, session=again)).lose()
    monkeypatch.setattr(losing, "MOST", 1)
    assert not (await desk.asked(5, params={"name": "z"})).lose()
    desk.harmless = False
    for id, name in ((6, "a"), (7, "b")):
        assert not (await desk.asked(id, params={"name": name})).lose()
    desk.go.set()
    assert "n" in await desk.result(8, params={"name": "a"}), "the oldest are forgotten"
    assert (await desk.result(9, params={"name": "b"}))["isError"]


async def test_a_client_that_has_left_for_good_leaves_nothing_nor_does_the_process() -> None:
    desk = Lossy()
    (await desk.asked(1)).lose()
    await desk.serving.closed(desk.comes())
    assert desk.cancelled == 0
    await desk.serving.closed(desk.session)
    await asyncio.sleep(0.01)
    assert desk.cancelled == 1
    other = desk.comes()
    (await desk.asked(1, session=other)).lose()
    desk.harmless = False
    lost = await desk.asked(2, session=other, params={"name": "y"})
    assert not lost.lose()
    lost.cancel(None)
    assert repr(desk.serving._losing) == "Losing(1 go on, 1 in doubt)"
    await desk.serving.close()
    await asyncio.sleep(0.01)
    assert repr(desk.serving._losing) == "Losing(0 go on, 0 in doubt)"
    assert desk.cancelled == 3
