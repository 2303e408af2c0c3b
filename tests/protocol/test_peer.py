"""What both peers have in common."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from callmux.protocol.jsonrpc import Batch, parse
from callmux.protocol.peer import Kinds, cancellation

KINDS = Kinds(
    requests={"ping": "ping"},
    notifications={"notifications/cancelled": "cancelled"},
    request="request",
    notification="notification",
    reply="reply",
    malformed="malformed",
)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ({"id": 1, "method": "ping"}, "ping"),
        ({"method": "ping"}, "notification"),
        ({"method": "notifications/cancelled"}, "cancelled"),
        ({"id": 1, "method": "notifications/cancelled"}, "request"),
        ({"id": 1, "method": "x"}, "request"),
        ({"method": "x"}, "notification"),
        ({"id": 1, "result": {}}, "reply"),
        ({"id": 1, "error": {"code": 1, "message": "no"}}, "reply"),
        ({"id": 1, "method": 5}, "malformed"),
    ],
)
def test_a_method_counts_as_itself_only_in_the_form_it_must_have(message: Any, kind: str) -> None:
    parsed = parse(json.dumps(message).encode())
    assert not isinstance(parsed, Batch)
    assert KINDS.of(parsed) == kind


@pytest.mark.parametrize(
    ("params", "about"),
    [
        ({"requestId": 7}, (7, b"null")),
        ({"requestId": "q", "reason": "no"}, ("q", b'"no"')),
        ({"requestId": "q", "reason": {"odd": 1}}, ("q", b'{"odd":1}')),
    ],
)
def test_a_cancellation_names_its_request(params: Any, about: tuple[int | str, bytes]) -> None:
    found = cancellation(Raw(json.dumps(params, separators=(",", ":")).encode()))
    assert found is not None
    assert (found.request_id, bytes(found.reason)) == about


@pytest.mark.parametrize("params", [None, b"{}", b'{"requestId":null}', b'{"requestId":1.5}', b"[]", b"x"])
def test_one_that_names_none_is_about_nothing(params: bytes | None) -> None:
    assert cancellation(None if params is None else Raw(params)) is None
