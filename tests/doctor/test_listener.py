"""What is found in a running listener."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from callmux import __version__
from callmux.bridge.endpoint import read_endpoint
from callmux.doctor.listener import (
    ListenerAnswer,
    ListenerReport,
    Unanswered,
    examine_listener,
    listener_lines,
)

URL = "http://h:1"
SESSION = "5f1e0c9a-secret-rest-of-it-0123"


class FakeListener:
    """Answers as a healthy listener does, unless told otherwise."""

    def __init__(self, **answers: Any) -> None:
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []
        self.cwd: str | None = "/repo"
        self.answers: dict[str, Any] = {
            "/health": (200, {"status": "ok", "version": __version__}),
            "/ready": (200, {"status": "ok"}),
            "initialize": (200, {"result": {"protocolVersion": "2025-11-25"}}),
            "notifications/initialized": (202, None),
            "tools/list": (200, {"result": {"tools": [{"name": "a"}, {"name": "callmux_status"}]}}),
            "tools/call": None,
            "DELETE": (200, None),
        }
        self.answers |= {key.replace("__", "/"): value for key, value in answers.items()}

    def __call__(
        self, method: str, path: str, headers: Mapping[str, str], message: dict[str, Any] | None = None
    ) -> ListenerAnswer:
        self.requests.append((method, path, dict(headers), message))
        key = message["method"] if message else path if method == "GET" else method
        said = self.answers[key]
        if key == "tools/call" and said is None:
            sessions = [{"id": "other", "cwd": "/"}, {"id": SESSION[:24], "cwd": self.cwd}]
            said = (200, status({"status": "ok", "listener": {"sessions": sessions}}))
        if isinstance(said, str):
            raise Unanswered(said)
        code, body = said
        more = {"mcp-session-id": SESSION} if key == "initialize" and code == 200 else {}
        text = body.encode() if isinstance(body, str) else b"" if body is None else json.dumps(body).encode()
        return ListenerAnswer(code, more, text)


def status(payload: Any, **more: Any) -> dict[str, Any]:
    return {"result": {"content": [{"type": "text", "text": json.dumps(payload)}], **more}}


def examined(listener: FakeListener, cwd: str | None = None) -> ListenerReport:
    return examine_listener(
        URL,
        read_endpoint(f"{URL}/mcp"),
        listener,
        {"Authorization": "Bearer hunter2"},
        credentials="the token of --token was sent",
        cwd=cwd,
    )


def test_a_healthy_listener() -> None:
    listener = FakeListener()
    report = examined(listener)
    assert (report.ok, report.issues, report.warnings) == (True, [], [])
    assert (report.mcp_url, report.health_url) == ("http://h:1/mcp", "http://h:1/health")
    assert (report.version, report.tool_count) == (__version__, 2)
    text = "\n".join(listener_lines(report))
    assert "Initialize: HTTP 200 session=5f1e0c9a\n" in text
    assert "hunter2" not in text
    assert all(headers["Authorization"] == "Bearer hunter2" for _, _, headers, _ in listener.requests)


def test_the_session_is_ended() -> None:
    """C9: the original leaves one behind for each run."""
    for more in ({}, {"tools__list": (500, None)}, {"tools__call": "it hangs"}):
        listener = FakeListener(**more)
        examined(listener)
        method, target, headers, _ = listener.requests[-1]
        assert (method, target, headers["mcp-session-id"]) == ("DELETE", "/mcp", SESSION)


@pytest.mark.parametrize(
    ("answers", "issue"),
    [
        ({"__health": "nothing listens"}, "nothing listens"),
        (
            {"__health": (401, {"error": "Unauthorized"})},
            "/health returned HTTP 401 (Unauthorized): the token",
        ),
        ({"__ready": (503, {"downstream": None})}, "/ready returned HTTP 503: it is busy"),
        (
            {"__ready": (503, {"downstream": {"failedServers": [{"name": "a", "error": "it crashed"}]}})},
            'server "a" does not work: it crashed; try "callmux server test a" there',
        ),
        (
            {"__ready": (503, {"downstream": {"servers": [{"name": "b", "state": "reconnecting"}]}})},
            'server "b" does not work: it is reconnecting',
        ),
        ({"__ready": "no answer within 10 s"}, "no answer within 10 s"),
        ({"initialize": (401, None)}, "initialize returned HTTP 401: the token of --token was sent. Give a"),
        ({"initialize": (404, None)}, "initialize returned HTTP 404: correct the path"),
        ({"initialize": (302, None)}, "it redirects"),
        ({"initialize": (405, None)}, "what answers there is not MCP"),
        ({"__ready": "it hangs", "initialize": "it hangs"}, "it hangs"),
        (
            {
                "__ready": (
                    503,
                    {
                        "downstream": {
                            "servers": [{"name": "a", "state": "connected"}, {"name": "b", "state": "x"}]
                        }
                    },
                )
            },
            'server "b" does not work: it is x',
        ),
        ({"initialize": (200, "<html>")}, "initialize failed: the answer is not a JSON-RPC message"),
        ({"initialize": (200, {"error": {"message": "no"}})}, "initialize failed: no"),
        ({"tools__list": (200, {"error": {"message": "denied"}})}, "tools/list failed: denied"),
        ({"tools__list": (403, None)}, "tools/list failed: HTTP 403"),
        ({"tools__call": (200, {"result": {}})}, None),
    ],
)
def test_what_is_wrong_is_named(answers: dict[str, Any], issue: str | None) -> None:
    report = examined(FakeListener(**answers))
    assert report.ok is (issue is None)
    if issue is not None:
        assert len(report.issues) == 1
        assert report.issues[0].startswith(issue) or issue in report.issues[0]
        assert f"Issue: {report.issues[0]}" in listener_lines(report)
    assert "hunter2" not in str(report.issues)


def test_an_error_of_the_status_tool_is_an_issue() -> None:
    """C9: the original does not look."""
    denied = status({"error": {"code": "authorization_denied"}}, isError=True)
    report = examined(FakeListener(tools__call=(200, denied)))
    assert not report.ok
    assert "callmux_status failed" in report.issues[0]
    assert "authorization_denied" in report.issues[0]


def test_the_directory_that_the_listener_sees() -> None:
    assert examined(FakeListener(), "/repo").ok
    wrong = FakeListener()
    wrong.cwd = "/elsewhere"
    assert 'sees the directory "/elsewhere"' in examined(wrong, "/repo").issues[0]
    assert wrong.requests[0][2]["x-callmux-cwd"] == "/repo"
    missing = FakeListener(tools__call=(200, status({"status": "ok"})))
    assert "does not list this session" in examined(missing, "/repo").issues[0]
    assert "CWD: /repo" in listener_lines(examined(FakeListener(), "/repo"))


@pytest.mark.parametrize(
    ("answers", "warning"),
    [
        ({"__health": (200, {"status": "ok", "version": "0.0.1"})}, "version 0.0.1, this command"),
        ({"__health": (200, "hello")}, "is this a callmux listener"),
        ({"__ready": (404, None)}, "no /ready"),
        ({"tools__list": (200, {"result": {"tools": []}})}, "exposeMetaTools"),
        ({"DELETE": "it hangs"}, "could not be ended: it hangs"),
    ],
)
def test_what_works_and_is_odd_is_a_warning(answers: dict[str, Any], warning: str) -> None:
    report = examined(FakeListener(**answers))
    assert report.ok
    assert warning in report.warnings[0]
    assert f"Warning: {report.warnings[0]}" in listener_lines(report)


def test_a_listener_that_gives_no_session_is_none() -> None:
    class Sessionless(FakeListener):
        def __call__(self, *asked: Any) -> ListenerAnswer:
            answer = super().__call__(*asked)
            return ListenerAnswer(answer.status, {}, answer.body)

    listener = Sessionless()
    report = examined(listener)
    assert report.issues == ["initialize returned no mcp-session-id: is the path of --url /mcp?"]
    assert "Initialize: HTTP 200 session=none" in listener_lines(report)
    assert listener.requests[-1][3]["method"] == "initialize"


def test_what_a_listener_leaves_out_is_no_issue() -> None:
    answers = {"__health": (200, {"status": "ok"}), "initialize": (200, {"result": {}})}
    listener = FakeListener(**answers)
    report = examined(listener)
    assert (report.ok, report.issues, report.warnings) == (True, [], [])
    assert not any(line.startswith("Version:") for line in listener_lines(report))
    assert "mcp-protocol-version" not in listener.requests[-1][2]


def test_an_answer_of_the_status_tool_may_be_structured() -> None:
    listed = {"status": "ok", "listener": {"sessions": [{"id": SESSION[:24], "cwd": "/repo"}]}}
    answer = {"result": {"content": [], "structuredContent": listed}}
    assert examined(FakeListener(tools__call=(200, answer)), "/repo").ok


def test_what_it_shares_with_others_and_cannot_is_an_issue() -> None:
    listener = {"state": {"connected": True, "problem": "state.key is another one"}, "cluster": {"nodes": []}}
    report = examined(FakeListener(tools__call=(200, status({"listener": listener}))))
    assert report.issues == ["what it shares with other listeners (state): state.key is another one"]
    fine = {"state": {"connected": True}, "cluster": {"nodes": []}}
    assert examined(FakeListener(tools__call=(200, status({"listener": fine})))).ok
