"""No name is both a request and a notification; what is declared says which requests there are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callmux.protocol.methods import CAPABILITIES, HARMLESS, REQUESTS, SUBSCRIBE, declared


def test_notifications_are_named_so_and_requests_are_not() -> None:
    assert all(name.startswith("notifications/") for name in HARMLESS)
    assert not any(name.startswith("notifications/") for name in REQUESTS)


def test_only_requests_depend_on_what_is_declared() -> None:
    assert CAPABILITIES.keys() <= REQUESTS


@pytest.mark.parametrize(
    ("capabilities", "found"),
    [
        ({}, {"tools"}),
        ({"tools": {}, "prompts": None}, {"tools"}),
        ({"resources": {}}, {"resources"}),
        ({"resources": {"subscribe": True}}, {"resources", SUBSCRIBE}),
        ({"resources": {"subscribe": False}}, {"resources"}),
        (
            {"extensions": {"io.modelcontextprotocol/ui": {}}},
            {"extensions", "resources", "io.modelcontextprotocol/ui"},
        ),
        ({"extensions": {"com.example/x": {}}}, {"extensions", "com.example/x"}),
        ([], {"tools"}),
    ],
)
def test_what_is_declared(capabilities: Any, found: set[str]) -> None:
    assert declared(json.dumps(capabilities).encode()) == found
