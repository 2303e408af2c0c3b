"""Requests that were given up: when all of them are answered, whoever asked is told."""

from __future__ import annotations

import pytest

from callmux.protocol import unanswered
from callmux.protocol.unanswered import Unanswered


def test_whoever_asks_is_told_once_all_that_was_open_is_answered() -> None:
    open_ones, told = Unanswered(), list[str]()
    open_ones.given_up("p", 1)
    open_ones.given_up("q", 1)
    open_ones.once_answered(lambda: told.append("first"))
    open_ones.given_up("p", 2)
    open_ones.once_answered(lambda: told.append("second"))
    open_ones.answered("p", 1)
    open_ones.answered("p", 1)
    open_ones.answered("q", 1)
    assert told == ["first"]
    open_ones.answered("p", 2)
    assert told == ["first", "second"]
    assert repr(open_ones) == "Unanswered(0, 0 asking)"


def test_where_nothing_is_open_nobody_is_told() -> None:
    open_ones, told = Unanswered(), list[int]()
    open_ones.once_answered(lambda: told.append(1))
    for id in (1, "1", None):
        open_ones.answered("p", id)
    assert told == []


def test_what_ends_with_its_connection_is_never_answered() -> None:
    open_ones, told = Unanswered(), list[int]()
    open_ones.given_up("p", 1)
    open_ones.given_up("q", 1)
    open_ones.once_answered(lambda: told.append(1))
    open_ones.gone("p")
    open_ones.answered("q", 1)
    assert told == []
    assert repr(open_ones) == "Unanswered(0, 0 asking)"


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unanswered, "MOST", 3)
    open_ones = Unanswered()
    for id in range(9):
        open_ones.given_up("p", id)
        open_ones.once_answered(lambda: None)
    assert repr(open_ones) == "Unanswered(3, 3 asking)"


def test_what_begins_after_somebody_asked_holds_that_answer_up_no_more() -> None:
    open_ones, told = Unanswered(), list[int]()
    open_ones.gone("p")
    open_ones.given_up("p", 1)
    open_ones.once_answered(lambda: told.append(1))
    open_ones.gone("q")
    open_ones.answered("p", 1)
    assert told == [1]
