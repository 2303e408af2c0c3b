"""Tasks are found again by whom they were told to, and by nobody else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from callmux.protocol.shapes import Result
from callmux.session.session import Session
from callmux.session.tasks import RemoteTasks


def session() -> Session:
    handler: Any = None
    return Session(handler, lambda line: None)


def created(id: str) -> Result:
    return Result(json.dumps({"task": {"taskId": id, "status": "working"}}).encode())


def params(id: Any) -> Raw:
    return Raw(json.dumps({"taskId": id}).encode())


def raw(id: str) -> bytes:
    return json.dumps({"taskId": id, "n": 1.5}).encode()


def test_a_task_is_found_at_the_server_that_made_it() -> None:
    tasks, one, two = RemoteTasks(), session(), session()
    tasks.note(one, "a", created("1"))
    tasks.note(one, "b", created("2"))
    tasks.note(two, "b", created("1"))
    assert [tasks.server_of(one, params(id)) for id in "12"] == ["a", "b"]
    assert [tasks.server_of(two, params(id)) for id in "12"] == ["b", None]


def test_the_status_of_a_task_is_for_its_owner() -> None:
    tasks, one, two = RemoteTasks(), session(), session()
    tasks.note(one, "a", created("1"))
    tasks.note(two, "b", created("1"))
    assert tasks.owner_of("a", params("1")) is one
    assert tasks.owner_of("b", params("1")) is two
    assert tasks.owner_of("c", params("1")) is None


@pytest.mark.parametrize(
    "given", [None, Raw(b"{}"), Raw(b'{"taskId":7}'), Raw(b"[]"), Raw(b'{"taskId":null}')]
)
def test_params_without_a_task_name_none(given: Raw | None) -> None:
    tasks, one = RemoteTasks(), session()
    tasks.note(one, "a", created("7"))
    assert tasks.server_of(one, given) is None
    assert tasks.owner_of("a", given) is None


@pytest.mark.parametrize("body", [b"{}", b'{"task":{}}', b'{"task":1}', b'{"content":[]}', b"[]"])
def test_a_result_without_a_task_is_not_noted(body: bytes) -> None:
    tasks, one = RemoteTasks(), session()
    tasks.note(one, "a", Result(body))
    assert tasks.server_of(one, params("")) is None


def test_a_listing_shows_what_is_ones_own() -> None:
    tasks, one, two = RemoteTasks(), session(), session()
    tasks.note(one, "a", created("1"))
    tasks.note(two, "a", created("2"))
    listing = [("a", raw("1")), ("a", raw("2")), ("b", raw("1")), ("a", b"{}")]
    assert tasks.listed(one, listing, only=False) == [raw("1")]
    assert tasks.listed(two, listing, only=False) == [raw("2")]


def test_the_only_session_owns_everything_and_learns_of_it() -> None:
    tasks, one = RemoteTasks(), session()
    assert tasks.listed(one, [("a", raw("1")), ("b", raw("2"))], only=True) == [raw("1"), raw("2")]
    assert [tasks.server_of(one, params(id)) for id in "12"] == ["a", "b"]


def test_a_session_that_is_over_leaves_nothing() -> None:
    tasks, one, two = RemoteTasks(), session(), session()
    tasks.note(one, "a", created("1"))
    tasks.note(two, "a", created("2"))
    tasks.forget(one)
    assert tasks.server_of(one, params("1")) is None
    assert tasks.owner_of("a", params("1")) is None
    assert tasks.server_of(two, params("2")) == "a"
