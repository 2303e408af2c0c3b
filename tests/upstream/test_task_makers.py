"""Whose a task is, on one connection."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from callmux.upstream.task_makers import MOST, RELATED, TaskMakers
from tests.support import FakeClient

ANN: Any = FakeClient()
BOB: Any = FakeClient()


def note(makers: TaskMakers, client: Any, answer: bytes) -> bytes:
    makers.note(answer, client, 0)
    return answer


def created(id: str) -> bytes:
    return json.dumps({"task": {"taskId": id}}).encode()


def raw(value: Any) -> Raw:
    return Raw(json.dumps(value).encode())


def test_a_status_and_what_is_related_to_a_task_lead_to_its_maker() -> None:
    makers = TaskMakers()
    assert note(makers, ANN, created("1")) == created("1")
    note(makers, BOB, created("2"))
    assert makers.maker(raw({"taskId": "1"})) is ANN
    assert makers.maker(raw({"_meta": {RELATED: {"taskId": "2"}}})) is BOB
    assert repr(makers) == "TaskMakers(2, 2 kept)"


@pytest.mark.parametrize(
    "params",
    [None, Raw(b"{}"), Raw(b'{"taskId":1}'), Raw(b'{"taskId":null}'), Raw(b"[]"), Raw(b'{"_meta":1}'),
     Raw(b'{"taskId":"other"}')],
)  # fmt: skip
def test_where_no_known_task_is_named_there_is_no_maker(params: Raw | None) -> None:
    makers = TaskMakers()
    assert makers.maker(params) is None
    note(makers, ANN, created("1"))
    assert makers.maker(params) is None


@pytest.mark.parametrize("answer", [b"{}", b'{"task":{}}', b'{"task":1}', b"[]", b'{"content":[]}'])
def test_an_answer_that_names_no_task_is_none(answer: bytes) -> None:
    makers = TaskMakers()
    assert note(makers, ANN, answer) == answer
    assert repr(makers) == "TaskMakers(0, 0 kept)"


def test_who_leaves_takes_its_tasks_along() -> None:
    makers = TaskMakers()
    note(makers, ANN, created("1"))
    note(makers, BOB, created("2"))
    makers.forget(ANN)
    assert makers.maker(raw({"taskId": "1"})) is None
    assert makers.maker(raw({"taskId": "2"})) is BOB


def test_the_oldest_are_forgotten_first() -> None:
    makers = TaskMakers()
    for n in range(MOST + 5):
        note(makers, ANN, created(str(n)))
    assert repr(makers) == f"TaskMakers({MOST}, {MOST} kept)"
    assert makers.maker(raw({"taskId": "4"})) is None
    assert makers.maker(raw({"taskId": "5"})) is ANN


def said(**more: Any) -> bytes:
    return json.dumps({"task": {"taskId": "1", **more}}).encode()


@pytest.mark.parametrize(("ttl", "seconds"), [(60000, 60.0), (6e4, 60.0), (0, 0.0), (-5, 0.0)])
def test_a_task_holds_its_server_for_as_long_as_that_keeps_it(ttl: float, seconds: float) -> None:
    makers = TaskMakers()
    makers.note(said(ttl=ttl), ANN, 100)
    assert makers.holds(100) == (seconds > 0)
    assert makers.holds(100 + seconds - 0.01) or not seconds
    assert not makers.holds(100 + seconds)
    assert makers.maker(raw({"taskId": "1"})) is ANN


@pytest.mark.parametrize("more", [{}, {"ttl": None}, {"ttl": "long"}])
def test_one_without_an_end_holds_it_until_its_client_leaves(more: dict[str, Any]) -> None:
    makers = TaskMakers()
    makers.note(said(**more), ANN, 0)
    assert makers.holds(1e9)
    makers.forget(BOB)
    assert makers.holds(1e9)
    makers.forget(ANN)
    assert not makers.holds(0)


def test_one_of_the_extension_holds_it_for_its_time_or_until_what_came_of_it_is_fetched() -> None:
    makers = TaskMakers()
    makers.note_handle(b'{"resultType":"task","taskId":"1","ttlMs":1000}', 0)
    makers.note_handle(b'{"resultType":"task","taskId":"2","ttlMs":null}', 0)
    makers.note_handle(b'{"resultType":"task"}', 0)
    makers.fetched("1")
    assert makers.holds(0.9)
    assert makers.holds(1)
    makers.fetched("2")
    assert not makers.holds(1)


def test_one_that_nobody_but_callmux_knows_holds_it_until_it_is_over() -> None:
    makers = TaskMakers()
    makers.note(said(ttl=None), ANN, 0)
    makers.over("1")
    makers.over("1")
    assert not makers.holds(0)
