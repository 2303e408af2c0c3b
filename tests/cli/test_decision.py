"""A person at the terminal says whether calls may be made."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import pytest

from callmux.cli.decision import decided, reply_to
from callmux.guard.approvals import Asker, Need, Question, Subject
from callmux.guard.question import form
from callmux.shell.message import parse


def asked(arguments: bytes = b'{"repo":"x"}', **more: Any) -> dict[str, Any]:
    """The question as it comes from a listener."""
    need = Need(subject=Subject("gh", "tools/call", "delete", "d"), tier="destroy", arguments=arguments)
    question = Question(
        id="a1",
        needs=[need],
        asker=Asker(session=object(), directory="/p"),
        choices=["once", "session", "project", "deny"],
        since=0.0,
        until=1.0,
        ruled=lambda ruling: None,
    )
    params = json.loads(form(question))
    whole = {"jsonrpc": "2.0", "id": 7, "method": "elicitation/create", "params": params, **more}
    found: dict[str, Any] = parse(json.dumps(whole))
    return found


def types(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


@pytest.mark.parametrize(
    ("typed", "result"),
    [
        (["y"], {"action": "accept", "content": {"decision": "once"}}),
        (["P"], {"action": "accept", "content": {"decision": "project"}}),
        (["n"], {"action": "decline"}),
        (["", "yes", "s", " y "], {"action": "accept", "content": {"decision": "once"}}),
        ([], {"action": "decline"}),
    ],
)
def test_what_is_typed_is_the_answer(
    typed: list[str], result: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    types(monkeypatch, *typed)
    assert json.loads(reply_to(asked())) == {"jsonrpc": "2.0", "id": 7, "result": result}
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(
        "callmux: may this call be made?\n1. gh: delete (destroy)\n"
        '   {"repo":"x"}\nAllow? (y this time, p for this project, n refuse) '
    )


@pytest.mark.parametrize(
    "more",
    [
        {"method": "roots/list"},
        {"params": {}},
        {"params": []},
        {"params": {"message": "?", "requestedSchema": {"properties": {"name": {"type": "string"}}}}},
        {"params": {"message": "?", "requestedSchema": {"properties": {"decision": {"type": "string"}}}}},
        {"params": {"requestedSchema": {"properties": {"decision": {"enum": ["once"]}, "b": {}}}}},
    ],
)
def test_any_other_question_is_refused_and_not_shown(
    more: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert json.loads(reply_to(asked(**more)))["error"]["code"] == -32601
    assert capsys.readouterr() == ("", "")


def test_a_ping_is_answered() -> None:
    assert json.loads(reply_to(asked(method="ping")))["result"] == {}


def test_a_listener_cannot_play_with_the_screen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    types(monkeypatch, "n")
    question = asked()
    question["params"]["message"] = "harmless\x1b[2K\rreally?"
    reply_to(question)
    assert "\x1b" not in capsys.readouterr().err


def test_a_decision_may_be_left_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    types(monkeypatch, "")
    assert decided(["once", "deny"], "Enter later") is None
    types(monkeypatch)
    assert decided(["once", "deny"], "Enter later") is None
    types(monkeypatch, "s", "y")
    assert decided(["once", "deny"], "Enter later") == "once"
