"""Tasks are found again by whom they were told to, and by nobody else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from callmux.session.session import Session
from callmux.session.tasks import RemoteTasks


def session() -> Session:
    handler: Any = None
    return Session(handler, lambda line: None)


def created(id: str) -> bytes:
    return json.dumps({"task": {"taskId": id, "status": "working"}}).encode()


def server_of(tasks: RemoteTasks, session: Session, given: Raw | None) -> str | None:
    found = tasks.find(session, given)
    return None if found is None else found[0]


def params(id: Any) -> Raw:
    return Raw(json.dumps({"taskId": id}).encode())


def raw(id: str) -> bytes:
    return json.dumps({"taskId": id, "n": 1.5}).encode()


def test_a_task_is_found_at_the_server_that_made_it() -> None:
    tasks, one, two = RemoteTasks(), session(), session()
    tasks.note(one, "a", created("1"))
    tasks.note(one, "b", created("2"))
    tasks.note(two, "b", created("1"))
    assert [server_of(tasks, one, params(id)) for id in "12"] == ["a", "b"]
    assert [server_of(tasks, two, params(id)) for id in "12"] == ["b", None]


@pytest.mark.parametrize(
    "given", [None, Raw(b"{}"), Raw(b'{"taskId":7}'), Raw(b"[]"), Raw(b'{"taskId":null}')]
)
def test_params_without_a_task_name_none(given: Raw | None) -> None:
    tasks, one = RemoteTasks(), session()
    tasks.note(one, "a", created("7"))
    assert server_of(tasks, one, given) is None


@pytest.mark.parametrize("body", [b"{}", b'{"task":{}}', b'{"task":1}', b'{"content":[]}', b"[]"])
def test_a_result_without_a_task_is_not_noted(body: bytes) -> None:
    tasks, one = RemoteTasks(), session()
    tasks.note(one, "a", (body))
    assert server_of(tasks, one, params("")) is None


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
    assert [server_of(tasks, one, params(id)) for id in "12"] == ["a", "b"]


def test_a_session_that_is_over_leaves_nothing() -> None:
    tasks, one, two = RemoteTasks(), session(), session()
    tasks.note(one, "a", created("1"))
    tasks.note(two, "a", created("2"))
    tasks.forget(one)
    assert server_of(tasks, one, params("1")) is None
    assert server_of(tasks, two, params("2")) == "a"


def test_equal_ids_of_two_servers_are_told_apart_and_found_again() -> None:
    tasks, one, two = RemoteTasks(), session(), session()
    assert tasks.note(one, "a", created("1")) == created("1")
    renamed = json.loads(tasks.note(one, "b", created("1")))
    assert renamed == {"task": {"taskId": "b:1", "status": "working"}}
    assert tasks.note(two, "b", created("1")) == created("1")
    assert tasks.note(one, "b", created("1")) == json.dumps(renamed, separators=(",", ":")).encode()
    server, own, _ = tasks.find(one, Raw(b'{"taskId":"b:1","x":1.50}')) or ("", Raw(b""), None)
    assert (server, bytes(own)) == ("b", b'{"taskId":"1","x":1.50}')
    assert server_of(tasks, one, params("1")) == "a"
    assert server_of(tasks, two, params("b:1")) is None
    assert bytes(tasks.shown(one, "b", Raw(raw("1")))) == b'{"taskId":"b:1","n":1.5}'
    assert bytes(tasks.shown(one, "a", Raw(raw("1")))) == raw("1")
    related = {"_meta": {"io.modelcontextprotocol/related-task": {"taskId": "1"}, "k": 1}, "x": [1]}
    shown = json.loads(bytes(tasks.shown(one, "b", Raw(json.dumps(related).encode()))))
    assert shown["_meta"] == {"io.modelcontextprotocol/related-task": {"taskId": "b:1"}, "k": 1}
    both = [("a", raw("1")), ("b", raw("1"))]
    ids = [json.loads(task)["taskId"] for task in tasks.listed(one, both, only=False)]
    assert ids == ["1", "b:1"]


def test_an_id_that_looks_like_a_renamed_one_stays_apart() -> None:
    tasks, one = RemoteTasks(), session()
    tasks.note(one, "a", created("b:1"))
    tasks.note(one, "a", created("1"))
    assert json.loads(tasks.note(one, "b", created("1")))["task"]["taskId"] == "b:b:1"
    assert server_of(tasks, one, params("b:1")) == "a"
    tasks.forget(one)
    assert server_of(tasks, one, params("1")) is None
    assert tasks.note(one, "b", created("1")) == created("1")
