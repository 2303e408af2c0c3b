"""What waits, who may answer, what is remembered, and until when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from callmux.errors import ApprovalUnavailable, InvalidArguments
from callmux.guard.approvals import (
    FORM,
    LATE,
    MOST_WAITING,
    TERMINAL,
    Approvals,
    Asker,
    Need,
    Nothing,
    Question,
    Ruling,
    Subject,
)

TOOL = Subject("s", "tools/call", "t", "d1")


class Session:
    """A client."""


class Kept:
    """Decisions for projects, in memory."""

    usable = True

    def __init__(self) -> None:
        self.kept: set[tuple[str, str, Subject]] = set()

    def knows(self, directory: str, principal: str, subject: Subject) -> bool:
        return (directory, principal, subject) in self.kept

    def add(self, directory: str, principal: str, subjects: Sequence[Subject]) -> None:
        self.kept.update((directory, principal, subject) for subject in subjects)


class Desk:
    """Approvals at a time that stands still."""

    def __init__(self) -> None:
        self.now = 100.0
        self.memory = Kept()
        self.approvals = Approvals(lambda: self.now, self.memory)
        self.ruled: list[Ruling] = []

    def put(self, asker: Asker, *needs: Need, seconds: float = 60.0) -> Question:
        return self.approvals.put(needs or [need()], asker, seconds, self.ruled.append)


def need(subject: Subject = TOOL, **more: Any) -> Need:
    return Need(subject=subject, tier="write", **more)


def asker(session: object | None = None, **more: Any) -> Asker:
    return Asker(session=session or Session(), **more)


@pytest.mark.parametrize(("choice", "allowed"), [("once", True), ("session", True), ("deny", False)])
@pytest.mark.parametrize("by", [FORM, TERMINAL])
def test_an_answer_ends_a_question(choice: str, allowed: bool, by: str) -> None:
    desk = Desk()
    question = desk.put(asker())
    ruling = Ruling(allowed, choice=choice, by=by)
    assert desk.approvals.answer(question.id, choice, by) == ruling
    assert desk.ruled == [ruling]
    assert not desk.approvals.waiting
    with pytest.raises(ApprovalUnavailable, match="nothing with the id"):
        desk.approvals.answer(question.id, "once")
    desk.approvals.end(question, LATE)
    assert desk.ruled == [ruling]


def test_what_is_allowed_once_is_not_remembered() -> None:
    desk, who = Desk(), asker(directory="/p")
    desk.approvals.answer(desk.put(who).id, "once")
    assert not desk.approvals.remembers(need(), who)


def test_what_is_allowed_for_a_session_holds_there_for_any_arguments() -> None:
    desk, session = Desk(), Session()
    desk.approvals.answer(desk.put(asker(session)).id, "session")
    assert desk.approvals.remembers(need(arguments=b'{"other":1}', cwd="/else"), asker(session))
    assert not desk.approvals.remembers(need(), asker())
    for other in ("t2", "d2"):
        changed = Subject("s", "tools/call", "t2" if other == "t2" else "t", "d1" if other == "t2" else other)
        assert not desk.approvals.remembers(need(changed), asker(session))


def test_what_is_allowed_for_a_project_holds_in_its_directory_for_everybody_of_the_same_name() -> None:
    desk = Desk()
    question = desk.put(asker(directory="/p", principal="bearer:a"))
    assert question.choices == ["once", "session", "project", "deny"]
    desk.approvals.answer(question.id, "project")
    assert desk.approvals.remembers(need(), asker(directory="/p", principal="bearer:a"))
    for other in (
        {"directory": "/q", "principal": "bearer:a"},
        {"directory": "/p"},
        {"principal": "bearer:a"},
    ):
        assert not desk.approvals.remembers(need(), asker(**other))


def test_a_session_that_somebody_else_uses_has_nothing_of_the_first() -> None:
    desk, session = Desk(), Session()
    desk.approvals.answer(desk.put(asker(session, principal="bearer:a")).id, "session")
    assert not desk.approvals.remembers(need(), asker(session, principal="bearer:b"))


def test_where_a_session_is_lent_for_a_request_nothing_is_allowed_for_it() -> None:
    desk = Desk()
    assert desk.put(asker(lasting=False)).choices == ["once", "deny"]
    question = desk.put(asker(lasting=False, directory="/p"))
    assert question.choices == ["once", "project", "deny"]
    with pytest.raises(InvalidArguments):
        desk.approvals.answer(question.id, "session")


def test_without_a_directory_or_a_place_there_is_no_choice_of_a_project() -> None:
    desk = Desk()
    assert "project" not in desk.put(asker()).choices
    nowhere = Approvals(lambda: 0.0)
    question = nowhere.put([need()], asker(directory="/p"), 1.0, lambda ruling: None)
    with pytest.raises(InvalidArguments, match='"project" is no choice here'):
        nowhere.answer(question.id, "project")
    assert question.id in nowhere.waiting
    assert not nowhere.reachable
    with pytest.raises(ApprovalUnavailable):
        Nothing().add("/p", "", [TOOL])


def test_an_answer_at_the_end_of_the_time_is_too_late() -> None:
    """The clock decides, whether or not anything has noticed that it moved on."""
    desk, session = Desk(), Session()
    question = desk.put(asker(session), seconds=60)
    desk.now = 160.0
    with pytest.raises(ApprovalUnavailable, match="too late"):
        desk.approvals.answer(question.id, "session")
    assert desk.ruled == [LATE]
    assert not desk.approvals.remembers(need(), asker(session))


def test_a_decision_for_longer_settles_what_waits_already() -> None:
    desk, session = Desk(), Session()
    first, second = desk.put(asker(session)), desk.put(asker(session), need(arguments=b"{}"))
    other = desk.put(asker(session), need(), need(Subject("s", "tools/call", "u", "d")))
    foreign = desk.put(asker())
    desk.approvals.answer(first.id, "session")
    assert second.id not in desk.approvals.waiting
    assert desk.ruled[-1] == Ruling(True, choice="session", by="remembered")
    assert {other.id, foreign.id} == set(desk.approvals.waiting)


def test_questions_are_withdrawn_for_a_server_or_all() -> None:
    desk = Desk()
    one = desk.put(asker(), need(), need(Subject("a", "tools/call", "t", "d")))
    desk.put(asker(), need(Subject("b", "tools/call", "t", "d")))
    desk.approvals.withdraw("it was restarted", "a")
    assert desk.ruled == [Ruling(False, withdrawn="it was restarted")]
    assert one.id not in desk.approvals.waiting
    desk.approvals.withdraw("read anew")
    assert [ruling.withdrawn for ruling in desk.ruled] == ["it was restarted", "read anew"]


def test_one_client_cannot_fill_the_desk() -> None:
    desk, session = Desk(), Session()
    for _ in range(MOST_WAITING):
        desk.put(asker(session))
    with pytest.raises(ApprovalUnavailable, match="too many"):
        desk.put(asker(session))
    desk.put(asker())
    assert repr(desk.approvals) == f"Approvals({MOST_WAITING + 1} waiting)"


def test_calls_are_equal_that_do_the_same() -> None:
    known = {
        need().exact,
        need(arguments=b"{}").exact,
        need(arguments=b'{"a":1}').exact,
        need(cwd="/a").exact,
        need(Subject("s", "tools/call", "u", "d1")).exact,
    }
    assert len(known) == 5
    assert need(arguments=b"{}").exact == need(arguments=b"{}").exact


def test_what_waits_can_be_shown() -> None:
    desk = Desk()
    desk.put(asker(client="c", principal="bearer:a", directory="/p"), seconds=60)
    desk.put(asker())
    desk.now += 1.5
    first, second = desk.approvals.shown(lambda question: {"calls": len(question.needs)})
    assert first.pop("id") != second.pop("id")
    assert first == {
        "client": "c",
        "principal": "bearer:a",
        "directory": "/p",
        "waitsSeconds": 1,
        "leftSeconds": 58,
        "choices": ["once", "session", "project", "deny"],
        "calls": 1,
    }
    assert "client" not in second


def test_without_a_place_nothing_is_known_of_a_project() -> None:
    assert not Nothing().knows("/p", "", TOOL)


def test_no_two_questions_that_wait_have_one_id(monkeypatch: pytest.MonkeyPatch) -> None:
    made = iter(["aaaaaa", "aaaaaa", "bbbbbb"])
    monkeypatch.setattr("callmux.guard.approvals.secrets.token_hex", lambda size: next(made))
    desk = Desk()
    assert [desk.put(asker()).id, desk.put(asker()).id] == ["aaaaaa", "bbbbbb"]
