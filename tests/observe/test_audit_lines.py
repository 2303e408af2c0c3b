"""Each fact is one line of JSON, with the documented fields and nothing that could break or fake a line."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.guard.principal import Principal
from callmux.observe import audit_lines
from callmux.observe.audit_lines import dropped_line, line_of
from callmux.observe.facts import (
    ApprovalAnswered,
    ApprovalAsked,
    CallEnded,
    Denied,
    HttpEnded,
    LimitReached,
    RequestEnded,
    ServersManaged,
)
from callmux.timestamps import iso

ALICE = Principal(kind="oidc_jwt", id="alice", subject="a-1", scopes=("read",))
BOB = Principal(kind="bearer", id="ops")


def read(fact: Any, most: int = 4096) -> Any:
    line = line_of(1.5, fact, most, ())
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    return json.loads(line)


def http(**more: Any) -> HttpEnded:
    given: dict[str, Any] = {
        "request_id": "r-1",
        "method": "POST",
        "path": "/mcp",
        "route": "/mcp",
        "status": 200,
        "seconds": 0.0034,
        "peer": "127.0.0.1",
    }
    return HttpEnded(**{**given, **more})


def test_the_line_of_an_http_request_has_the_fields_of_the_original_and_a_time() -> None:
    assert read(http(principal=BOB, body=b'{"jsonrpc":"2.0"}')) == {
        "event": "http_request",
        "time": "1970-01-01T00:00:01.500Z",
        "requestId": "r-1",
        "method": "POST",
        "path": "/mcp",
        "status": 200,
        "durationMs": 3,
        "remoteIp": "127.0.0.1",
        "principal": {"kind": "bearer", "id": "ops"},
        "payload": {"jsonrpc": "2.0"},
    }


def test_a_principal_adds_what_it_has_and_a_body_that_is_no_json_is_left_out() -> None:
    line = read(http(principal=ALICE, body=b"{"))
    assert line["principal"] == {"kind": "oidc_jwt", "id": "alice", "subject": "a-1", "scopes": ["read"]}
    assert "payload" not in line
    assert "principal" not in read(http())


def test_a_call_has_its_target_its_outcome_and_who_asked() -> None:
    """Weak spot L47 of callmux (npm)."""
    fact = CallEnded(
        server="git",
        method="tools/call",
        target="log",
        spelled="git__log",
        within="callmux_parallel",
        outcome="failed",
        code="tool_call_failed",
        category="timeout",
        attempts=2,
        seconds=1.25,
        waited=0.25,
        sent=10,
        received=20,
        session_id="s",
        request_id="r-1",
        principal=BOB,
    )
    assert read(fact) == {
        "event": "call",
        "time": "1970-01-01T00:00:01.500Z",
        "httpRequestId": "r-1",
        "sessionId": "s",
        "principal": {"kind": "bearer", "id": "ops"},
        "server": "git",
        "tool": "log",
        "calledAs": "git__log",
        "within": "callmux_parallel",
        "outcome": "failed",
        "code": "tool_call_failed",
        "category": "timeout",
        "attempts": 2,
        "durationMs": 1250,
        "queuedMs": 250,
        "requestBytes": 10,
        "resultBytes": 20,
    }


@pytest.mark.parametrize(
    ("fact", "shown"),
    [
        (
            RequestEnded(method="prompts/get", name="p", outcome="failed", code="-32602", seconds=0.5),
            {"event": "request", "method": "prompts/get", "name": "p", "outcome": "failed", "code": "-32602"},
        ),
        (
            Denied(
                rule="authorization.rules[2]", server="git", target="push", spelled="git__push", tier="write"
            ),
            {"event": "denied", "rule": "authorization.rules[2]", "tool": "push", "calledAs": "git__push"},
        ),
        (
            ApprovalAsked(question="q1", how="elicitation", calls=("git: push",)),
            {"event": "approval_asked", "question": "q1", "how": "elicitation", "calls": ["git: push"]},
        ),
        (
            ApprovalAnswered(question="q1", answer="refused", how="terminal", seconds=2.0),
            {"event": "approval_answered", "answer": "refused", "how": "terminal", "durationMs": 2000},
        ),
        (
            LimitReached(limit="principalMaxInFlight", request_id="r", peer="10.0.0.1", retry_seconds=3),
            {"event": "limit_reached", "httpRequestId": "r", "remoteIp": "10.0.0.1", "retryAfterSeconds": 3},
        ),
        (
            ServersManaged(action="patch_server", server="gh", by="management:ops", error="no"),
            {"action": "patch_server", "server": "gh", "by": "management:ops", "error": "no"},
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_other_fact_has_a_line_of_its_own(fact: Any, shown: dict[str, Any]) -> None:
    line = read(fact)
    assert shown.items() <= line.items()
    assert "requestId" not in line


def test_dropped_lines_are_a_line() -> None:
    assert json.loads(dropped_line(0.0, 7))["lines"] == 7


@pytest.mark.parametrize("where", ["path", "request_id", "method"])
def test_a_secret_in_what_a_client_wrote_is_hidden(where: str) -> None:
    secret = "ghp_0123456789abcdefghij"
    assert secret not in json.dumps(read(http(**{where: f"x/{secret}"})))


HOSTILE = 'a\r\n{"event":"http_request"}\x1b[2J\x7f\x85\x9b\u2028\u2029\u202e\u2066\x00b'


@pytest.mark.parametrize(
    "fact",
    [
        http(path=HOSTILE, route=""),
        http(body=json.dumps({HOSTILE: HOSTILE}).encode()),
        Denied(rule="r", server="s", target=HOSTILE, spelled=HOSTILE),
        RequestEnded(method=HOSTILE, name=HOSTILE, client=HOSTILE, seconds=0),
        CallEnded(server="s", method="resources/read", target=HOSTILE, spelled=HOSTILE, seconds=0),
        CallEnded(server="s", method="tools/call", target=HOSTILE, spelled=HOSTILE, seconds=0),
        http(principal=Principal(kind="oidc_jwt", id=HOSTILE, groups=(HOSTILE,))),
    ],
    ids=lambda fact: type(fact).__name__,
)
def test_nothing_that_a_client_writes_breaks_fakes_or_moves_a_line(fact: Any) -> None:
    line = line_of(0.0, fact, 4096, ())
    text = line.decode()
    assert text.splitlines() == [text[:-1]]
    assert not [c for c in text[:-1] if ord(c) < 32 or 127 <= ord(c) < 160 or ord(c) in range(0x2028, 0x202F)]
    json.loads(line)


@given(st.text(alphabet=st.characters()), st.text())
def test_any_text_makes_one_line(path: str, name: str) -> None:
    for fact in (http(path=path, route=""), RequestEnded(method=name, name=path, seconds=0)):
        text = line_of(0.0, fact, 100, ()).decode()
        assert len(text.splitlines()) == 1
        json.loads(text)


def test_half_a_surrogate_pair_can_be_written() -> None:
    assert read(http(path="/\ud800", route=""))["path"] == "/?"


def test_the_docs_list_every_field() -> None:
    text = (Path(__file__).parents[2] / "docs" / "observability.md").read_text("utf-8")
    lines = [c for c in vars(audit_lines).values() if isinstance(c, type) and c.__name__.startswith("_")]
    for line in lines:
        config = getattr(line, "__struct_config__", None)
        for field in getattr(line, "__struct_encode_fields__", ()):
            assert f"`{field}`" in text, field
        if config is not None and config.tag and not config.tag.startswith("_"):
            assert f"`{config.tag}`" in text


@given(st.floats(0, 4_000_000_000))
def test_a_time_is_written_as_everywhere(at: float) -> None:
    line = json.loads(dropped_line(at, 1))
    moments = [datetime.fromisoformat(text) for text in (line["time"], iso(at))]
    assert abs(moments[0] - moments[1]) <= timedelta(milliseconds=1)
    assert len(line["time"]) == len(iso(at))


def test_an_id_of_ours_stands_in_the_line_as_it_is() -> None:
    ours = str(uuid4())
    call = CallEnded(
        server="s", method="tools/call", target="t", spelled="t", outcome="ok", seconds=0.1, request_id=ours
    )
    assert read(call)["httpRequestId"] == ours
