"""The client is greeted as the listener greets, and never told of what is between it and the bridge."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callmux.bridge.greeting import declared, for_nobody, of_listener
from callmux.router.greeting import greeting

BASE: dict[str, Any] = {"protocolVersion": "2025-11-25", "serverInfo": {"name": "files", "version": "1"}}


def shown(answer: dict[str, Any]) -> Any:
    return json.loads(of_listener(json.dumps(answer).encode()))


@pytest.mark.parametrize(
    "more",
    [
        {"capabilities": {"tools": {}}},
        {"capabilities": {"resources": {"subscribe": False}, "extensions": {"x/y": {"z": 1}}}},
        {"capabilities": {}, "instructions": "Be kind.", "_meta": {"a": 1}, "later": [1.5]},
        {"capabilities": {"experimental": {"theirs": {"n": 1}}}},
    ],
)
def test_what_the_listener_says_of_itself_is_what_the_client_hears(more: dict[str, Any]) -> None:
    assert shown({**BASE, **more}) == {**BASE, **more}


@pytest.mark.parametrize("others", [{}, {"theirs": {"n": 1}}])
def test_how_streams_are_named_is_nobody_elses_business(others: dict[str, Any]) -> None:
    answer = {**BASE, "capabilities": {"tools": {}, "experimental": {"callmux/requestStreams": {}, **others}}}
    expected = {"tools": {}, **({"experimental": others} if others else {})}
    assert shown(answer)["capabilities"] == expected


def test_null_is_not_passed_on() -> None:
    answer = {**BASE, "capabilities": {"tools": {}, "prompts": None}, "instructions": None}
    assert shown(answer) == {**BASE, "capabilities": {"tools": {}}}


def test_what_a_listener_declares_is_known_by_name() -> None:
    answer = {**BASE, "capabilities": {"tools": {}, "prompts": None, "resources": {"subscribe": True}}}
    assert declared(json.dumps(answer).encode()) == {"tools", "resources"}
    assert declared(b"{}") == set()


def test_without_a_listener_all_is_declared_that_one_may_have() -> None:
    answer = json.loads(for_nobody("2025-06-18"))
    assert answer["protocolVersion"] == "2025-06-18"
    assert answer["serverInfo"]["name"] == "callmux-bridge"
    listener = json.loads(greeting("2025-06-18", {}, complete=False, own=False))
    assert answer["capabilities"] == listener["capabilities"]
