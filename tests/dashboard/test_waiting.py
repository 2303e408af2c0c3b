"""What waits for a person."""

from __future__ import annotations

from pathlib import Path

import pytest

from callmux.dashboard.waiting import LONGEST, WaitingForPeople, about
from callmux.guard.approvals import Asker, Need, Ruling, Subject
from callmux.observe.facts import SignInNeeded
from tests.management.place import Place
from tests.support import FakeClock, real_loop


@real_loop()
async def test_a_sign_in_waits_until_its_server_is_up_or_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = {"a": {"command": "a"}, "bad": {"command": "bad"}}
    place = Place(tmp_path, monkeypatch, servers=servers)
    await place.host.runtime.settled()
    waiting = WaitingForPeople(place.host, FakeClock().clock)
    for server in ("a", "bad", "gone", "bad"):
        place.host.bus.publish(SignInNeeded(server=server))
    (one,) = waiting.shown(whole=False)["signIns"]
    assert (one["server"], one["command"]) == ("bad", "callmux login bad")
    await place.close()


def test_what_is_shown_of_a_question_to_everybody_is_cut_and_has_no_arguments() -> None:
    shown = about({"id": "q", "client": "c" * 1000, "leftSeconds": 1.5, "calls": [{"arguments": "x"}]})
    assert shown == {"id": "q", "client": "c" * LONGEST, "leftSeconds": 1.5}


@real_loop()
async def test_calls_are_shown_with_arguments_to_those_who_decide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch)
    waiting = WaitingForPeople(place.host, FakeClock().clock)
    assert waiting.shown(whole=True) == {"approvals": [], "signIns": []}
    ruled: list[Ruling] = []
    subjects = [
        ("tools/call", "drop"),
        ("prompts/get", "p"),
        *[("resources/read", f"r{n}") for n in range(60)],
    ]
    needs = [
        Need(subject=Subject("a", method, name, "d"), tier="destroy", arguments=b'{"x":"secret-words"}')
        for method, name in subjects
    ]
    asker = Asker(session=waiting, client="me\x1b[31m")
    place.host.desk.approval().approvals.put(needs, asker, 60.0, ruled.append)
    (question,) = waiting.shown(whole=False)["approvals"]
    assert question["calls"][:2] == ["a: drop (destroy)", "a: p (destroy)"]
    assert "secret-words" not in str(question)
    assert question["more"]
    assert question["command"] == f"callmux approve {question['id']}"
    (whole,) = waiting.shown(whole=True)["approvals"]
    assert "secret-words" in str(whole["details"])
    assert waiting.answer(question["id"], "deny") is False
    assert [(ruling.allowed, ruling.by) for ruling in ruled] == [(False, "dashboard")]
    await place.close()
