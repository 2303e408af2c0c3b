"""Tries of tools: a session for each browser, for as long as it is used."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from callmux.dashboard import trials as module
from callmux.dashboard.trials import Answer, ServerAnswer, ToolTrials
from callmux.guard.principal import Principal
from callmux.session.request import Request
from tests.management.place import Place
from tests.support import FakeClock, real_loop, until
from tests.upstream.fake_link import SILENCE

PARAMS = b'{"name":"t","arguments":{}}'
OPS, DEV = (Principal(kind="bearer", id=id) for id in ("ops", "dev"))


@real_loop()
async def test_each_browser_has_a_session_of_its_own_until_it_is_idle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, time = Place(tmp_path, monkeypatch), FakeClock()
    await place.host.runtime.settled()
    trials = ToolTrials(place.host, time.clock)
    before = len(place.host.sessions)
    for owner, principal in (("a", OPS), ("a", OPS), ("b", DEV), ("a", DEV)):
        answer = await trials.run(owner, principal, PARAMS, "rid", elsewhere=False)
        assert answer.shown()["status"] == "ok"
    assert repr(trials) == "ToolTrials(2 sessions)"
    assert len(place.host.sessions) == before + 2
    time.advance(module.IDLE_SECONDS + 1)
    trials._look_after()
    await until(lambda: repr(trials) == "ToolTrials(0 sessions)", "the end of the sessions")
    assert len(place.host.sessions) == before
    await place.close()


@real_loop()
async def test_browsers_that_sign_in_again_and_again_leave_few_sessions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_SESSIONS", 2)
    place, time = Place(tmp_path, monkeypatch), FakeClock()
    await place.host.runtime.settled()
    trials = ToolTrials(place.host, time.clock)
    before = len(place.host.sessions)
    timers = set()
    for owner in ("a", "b", "a", "c"):
        time.advance(1)
        await trials.run(owner, OPS, PARAMS, "rid", elsewhere=False)
        timers.add(trials._timer)
    assert len(timers) == 1
    assert list(trials._clients) == ["a", "c"]
    assert len(place.host.sessions) == before + 2
    await asyncio.gather(*(trials.run("a", DEV, PARAMS, "rid", elsewhere=False) for _ in range(3)))
    assert len(place.host.sessions) == before + 2
    await place.close()


@real_loop()
async def test_a_session_that_ends_answers_what_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, time = Place(tmp_path, monkeypatch), FakeClock()
    await place.host.runtime.settled()
    link = place.links["a"]
    link.script["tools/call"] = lambda params: SILENCE
    trials = ToolTrials(place.host, time.clock)
    waiting = asyncio.ensure_future(trials.run("a", None, PARAMS, "rid", elsewhere=False))
    await until(lambda: link.ids.get("tools/call"), "the call")
    time.advance(2 * module.IDLE_SECONDS)
    await trials.sweep()
    assert not waiting.done()
    await trials.forget("a")
    found = (await waiting).shown()
    assert (found["status"], found["agent"]) == ("error", None)
    assert b"has ended" in bytes(found["error"])
    assert place.host.bus.witnesses == {}
    await place.close()


@real_loop()
async def test_what_servers_say_beside_the_answer_is_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch)
    await place.host.runtime.settled()
    link = place.links["a"]
    link.script["tools/call"] = lambda params: SILENCE
    trials = ToolTrials(place.host, FakeClock().clock)
    begun: list[Request] = []
    waiting = asyncio.ensure_future(trials.run("a", None, PARAMS, "rid", elsewhere=False, begun=begun.append))
    await until(lambda: link.ids.get("tools/call"), "the call")
    client = trials._clients["a"]
    number = int(begun[0].id)
    for line in (
        b'{"id":%d,"method":"ping"}' % number,
        b'{"method":"notifications/message"}',
        b'{"id":99,"result":{}}',
    ):
        client._take(line)
    assert not waiting.done()
    client._take(b'{"id":%d,"result":{"isError":true}}' % number)
    client._take(b'{"id":%d,"result":{}}' % number)
    assert (await waiting).shown()["status"] == "tool_error"
    await place.close()


def test_a_result_that_is_too_large_is_counted_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SHOWN", 4)
    heard = ServerAnswer("a", "t", b'{"a":1}', 0.5, "server")
    shown = Answer(None, None, [heard], 1, 1.0).shown()
    assert shown["server"] == {"bytes": 7, "tooLarge": True}
    assert Answer(None, None, [ServerAnswer("a", "t", None, 0.5, "server")], 1, 1.0).shown()["server"] is None
