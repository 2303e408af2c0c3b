"""What a request without a handshake carries, and what its answers mean."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from callmux.protocol import stateless
from callmux.protocol.jsonrpc import ErrorObject
from callmux.protocol.stateless import InputRequest

OWN = stateless.own_meta(b'{"name":"c"}', b'{"roots":{}}', "info", "2026-07-28")
SAID = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "c"},
    "io.modelcontextprotocol/clientCapabilities": {"roots": {}},
    "io.modelcontextprotocol/logLevel": "info",
}
SUBSCRIBED = "io.modelcontextprotocol/subscriptionId"


def raw(value: Any) -> Raw:
    return Raw(json.dumps(value).encode())


def test_each_request_says_who_asks_and_what_the_client_can() -> None:
    assert json.loads(b"{%b}" % OWN) == SAID
    quiet = stateless.own_meta(b'{"name":"c"}', b"{}", None, "2026-07-28")
    assert "io.modelcontextprotocol/logLevel" not in json.loads(b"{%b}" % quiet)


@pytest.mark.parametrize(
    ("given", "token", "kept"),
    [
        (None, None, {}),
        (None, 7, {"progressToken": 7}),
        ({"x": 1}, None, {"x": 1}),
        ({"progressToken": "theirs"}, None, {}),
        ({"progressToken": "theirs", "traceparent": "00-1"}, 7, {"traceparent": "00-1", "progressToken": 7}),
        ({**SAID, "io.modelcontextprotocol/clientInfo": {"name": "other"}}, None, {}),
    ],
)
def test_the_meta_of_the_client_passes_but_for_what_is_ours(given: Any, token: Any, kept: Any) -> None:
    sent = stateless.meta(None if given is None else raw(given), token, OWN)
    assert json.loads(sent) == {**kept, **SAID}


def test_params_get_our_meta_and_further_members() -> None:
    sent = stateless.with_meta(b'{"uri":"a","_meta":{"x":1}}', 3, OWN, {"requestState": raw("s")})
    assert json.loads(sent) == {
        "uri": "a",
        "requestState": "s",
        "_meta": {"x": 1, "progressToken": 3, **SAID},
    }


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        ({}, "complete"),
        ({"resultType": "complete"}, "complete"),
        ({"resultType": None}, "complete"),
        ({"resultType": 5}, "complete"),
        ({"resultType": "task"}, "task"),
        ({"resultType": "input_required"}, "input_required"),
    ],
)
def test_a_result_is_complete_unless_it_says_otherwise(result: Any, kind: str) -> None:
    assert stateless.result_type(raw(result)) == kind


@given(
    st.dictionaries(
        st.text(max_size=4), st.sampled_from(['"resultType":"complete"', 1, None, {"resultType": "complete"}])
    ),
    st.booleans(),
    st.integers(0, 3),
)
def test_only_the_type_of_a_result_is_taken_off(members: dict[str, Any], spaced: bool, at: int) -> None:
    members.pop("resultType", None)
    items = list(members.items())
    items.insert(at, ("resultType", "complete"))
    text = json.dumps(dict(items), separators=None if spaced else (",", ":")).encode()
    assert json.loads(stateless.completed(text)) == members
    without = json.dumps(members).encode()
    assert stateless.completed(without) == without


def test_a_text_that_looks_like_the_type_stays() -> None:
    text = b'{"a":[{"resultType":"complete"}]}'
    assert stateless.completed(text) == text


def test_what_a_server_asks_is_read() -> None:
    wanted = stateless.read_input(
        b'{"inputRequests":{"a":{"method":"roots/list"}},"requestState":"s\\u0041","resultType":"input_required"}'
    )
    assert wanted.input_requests == {"a": InputRequest("roots/list")}
    assert wanted.request_state == Raw(b'"s\\u0041"')


@pytest.mark.parametrize("result", [{}, {"inputRequests": {}}, {"inputRequests": {"a": 1}}, []])
def test_a_question_that_asks_nothing_is_refused(result: Any) -> None:
    with pytest.raises(ValueError, match="asks for"):
        stateless.read_input(raw(result))


def test_a_discovery_says_what_an_initialize_says() -> None:
    read = stateless.read_discovery(
        raw(
            {
                "resultType": "complete",
                "supportedVersions": ["2027-01-01", "2026-07-28"],
                "capabilities": {"tools": {}},
                "instructions": "i",
                "ttlMs": 5,
                "cacheScope": "public",
                "more": 1,
                "none": None,
                "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "s", "version": "1"}},
            }
        )
    )
    assert read.protocol_version == "2026-07-28"
    assert json.loads(bytes(read.server_info)) == {"name": "s", "version": "1"}  # type: ignore[arg-type]
    assert (read.instructions, list(read.capabilities), read.others) == ("i", ["tools"], {"more": b"1"})


@pytest.mark.parametrize(
    "answer", [{}, {"supportedVersions": ["2025-11-25"]}, {"supportedVersions": "2026-07-28"}, None]
)
def test_an_answer_without_a_revision_of_ours_is_no_discovery(answer: Any) -> None:
    with pytest.raises(ValueError, match=r"revisions|cannot be read"):
        stateless.read_discovery(raw(answer))


def test_an_error_may_name_what_its_server_speaks() -> None:
    assert stateless.spoken_of(ErrorObject(-32022, "no", raw({"supported": ["2027-01-01"]}))) == [
        "2027-01-01"
    ]
    assert stateless.spoken_of(ErrorObject(-32022, "no", raw(["x"]))) == []
    assert stateless.spoken_of(ErrorObject(-32022, "no")) == []


@pytest.mark.parametrize(
    ("params", "id"), [({"_meta": {SUBSCRIBED: 4}}, 4), ({"_meta": {SUBSCRIBED: "4"}}, "4"), ({}, None)]
)
def test_a_notification_names_its_subscription(params: Any, id: Any) -> None:
    assert stateless.subscription_of(raw(params)) == id


def test_the_mark_of_a_subscription_is_taken_off() -> None:
    assert json.loads(bytes(stateless.without_subscription(raw({"uri": "a", "_meta": {SUBSCRIBED: 4}})))) == {
        "uri": "a"
    }
    kept = json.loads(bytes(stateless.without_subscription(raw({"_meta": {SUBSCRIBED: 4, "x": 1}}))))
    assert kept == {"_meta": {"x": 1}}
    plain = raw({"uri": "a"})
    assert stateless.without_subscription(plain) is plain


NOT_FOUND = raw({"uri": "a"})


def test_a_resource_that_is_not_there_has_the_code_of_earlier_revisions() -> None:
    error = ErrorObject(-32602, "Resource not found", NOT_FOUND)
    earlier = stateless.earlier_error("resources/read", error)
    assert earlier is not None
    assert json.loads(earlier) == {"code": -32002, "message": "Resource not found", "data": {"uri": "a"}}


@pytest.mark.parametrize(
    ("method", "error"),
    [
        ("tools/call", ErrorObject(-32602, "m", NOT_FOUND)),
        ("resources/read", ErrorObject(-32603, "m", NOT_FOUND)),
        ("resources/read", ErrorObject(-32602, "m")),
        ("resources/read", ErrorObject(-32602, "m", raw({"field": "uri"}))),
    ],
)
def test_any_other_error_means_the_same_in_every_revision(method: str, error: ErrorObject) -> None:
    assert stateless.earlier_error(method, error) is None


def test_a_visit_to_an_address_gets_a_name_for_clients_of_earlier_revisions() -> None:
    visit = {"mode": "url", "url": "https://x/", "message": "in"}
    sent = stateless.with_visit(Raw(json.dumps(visit).encode()), "v1")
    assert sent is not None
    assert json.loads(bytes(sent)) == {**visit, "elicitationId": "v1"}
    for other in ({"message": "who?"}, {"mode": "form"}, {**visit, "elicitationId": "own"}):
        assert stateless.with_visit(Raw(json.dumps(other).encode()), "v1") is None
    assert stateless.with_visit(None, "v1") is None
