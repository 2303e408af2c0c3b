"""Tasks in both forms, and who says that they have them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from callmux.protocol import tasks
from callmux.protocol.extensions import TASKS
from callmux.protocol.jsonrpc import read_error

HANDLE = {"resultType": "task", "taskId": "t", "status": "working", "pollIntervalMs": 50}


def raw(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_a_handle_in_place_of_a_result_is_told_from_all_other_results() -> None:
    found = tasks.handle(raw(HANDLE))
    assert found is not None
    assert (found.task_id, found.status, found.poll_interval_ms) == ("t", "working", 50)
    others: tuple[dict[str, Any], ...] = (
        {"content": []},
        {**HANDLE, "resultType": "complete"},
        {**HANDLE, "taskId": 5},
        {"resultType": "task", "taskIds": []},
        {"resultType": 5, "taskId": "t"},
    )
    for other in others:
        assert tasks.handle(raw(other)) is None, other


def test_a_task_that_was_asked_for_is_told_from_all_other_results() -> None:
    found = tasks.made(raw({"task": {"taskId": "t", "status": "working", "ttl": None}}))
    assert found is not None
    assert found.task_id == "t"
    others: tuple[dict[str, Any], ...] = ({"content": []}, {"task": {}}, {"x": "task", "y": {"task": 1}})
    for other in others:
        assert tasks.made(raw(other)) is None, other


@pytest.mark.parametrize(
    ("tool", "support"),
    [
        ({"name": "a", "execution": {"taskSupport": "required"}}, "required"),
        ({"name": "a", "execution": {"taskSupport": "optional"}}, "optional"),
        ({"name": "a", "execution": {"taskSupport": 5}}, None),
        ({"name": "a", "description": '"taskSupport"'}, None),
        ({"name": "taskSupport", "execution": None, "taskSupport": 1}, None),
        ({"name": "a"}, None),
    ],
)
def test_a_tool_says_whether_it_is_a_task(tool: Any, support: str | None) -> None:
    assert tasks.support(raw(tool)) == support


def test_the_extension_is_declared_once_and_beside_others() -> None:
    assert not tasks.declares(b"{}")
    assert not tasks.declares(raw({"experimental": {TASKS: {}}}))
    assert not tasks.declares(raw({"extensions": [TASKS]}))
    others = raw({"roots": {}, "extensions": {"x/y": {"a": 1}}})
    both = tasks.declared(others)
    assert tasks.declares(both)
    assert json.loads(both) == {"roots": {}, "extensions": {"x/y": {"a": 1}, TASKS: {}}}
    assert json.loads(tasks.declared(both)) == json.loads(both)
    assert tasks.declares(rb'{"extensions":{"io.modelcontextprotocol\/tasks":{}}}')


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        ({"code": -32021, "data": {"requiredCapabilities": {"extensions": {TASKS: {}}}}}, True),
        ({"code": -32021, "data": {"requiredCapabilities": {"extensions": {"x/y": {}}}}}, False),
        ({"code": -32021, "data": {"requiredCapabilities": {"roots": {}}}}, False),
        ({"code": -32021, "data": 5}, False),
        ({"code": -32021}, False),
        ({"code": -32602, "data": {"requiredCapabilities": {"extensions": {TASKS: {}}}}}, False),
    ],
)
def test_a_refusal_says_whether_the_extension_is_what_is_missing(error: Any, wanted: bool) -> None:
    assert tasks.is_wanted(read_error(Raw(raw({"message": "no", **error})))) is wanted


def test_what_is_no_task_cannot_be_read() -> None:
    with pytest.raises(ValueError, match="a task cannot be read"):
        tasks.read(b"{}")


def test_a_status_says_which_task_is_over() -> None:
    assert [
        tasks.ended(raw({"taskId": "t", "status": one})) for one in ("completed", "failed", "cancelled")
    ] == ["t"] * 3
    assert tasks.ended(raw({"taskId": "t", "status": "working"})) is None
    assert tasks.ended(b"[]") is None
