"""What a person is shown: all that is done, no secret, nothing that plays with the screen."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.guard.approvals import Asker, Need, Question, Subject
from callmux.guard.question import (
    ALL_LETTERS,
    LEAST_LETTERS,
    MOST_CALLS,
    READ_BYTES,
    arguments_of,
    choice_of,
    cut,
    form,
    lines_of,
    printable,
    shown,
)


def need(arguments: Any = None, **more: Any) -> Need:
    subject = Subject("gh", more.pop("method", "tools/call"), more.pop("target", "delete"), "d")
    raw = arguments if arguments is None or isinstance(arguments, bytes) else json.dumps(arguments).encode()
    return Need(subject=subject, tier="destroy", arguments=raw, **more)


def question(*needs: Need, directory: str | None = None) -> Question:
    return Question(
        id="a1",
        needs=needs,
        asker=Asker(session=object(), directory=directory),
        choices=["once", "session", "project", "deny"],
        since=0.0,
        until=1.0,
        ruled=lambda ruling: None,
    )


def text(arguments: Any) -> str:
    return arguments_of(need(arguments), 2000)


def test_a_form_asks_for_one_of_the_choices() -> None:
    asked = json.loads(form(question(need({"repo": "x"}), directory="/p")))
    assert asked["message"] == ('callmux: may this call be made?\n1. gh: delete (destroy)\n   {"repo":"x"}')
    schema = asked["requestedSchema"]
    decision = schema["properties"]["decision"]
    assert schema["required"] == ["decision"]
    assert decision["enum"] == ["once", "session", "project", "deny"]
    assert len(decision["enumNames"]) == 4
    assert "/p" in decision["enumNames"][2]
    # MCP 2025-11-25, client/elicitation: a form is a flat object of primitive values.
    assert {schema["type"], decision["type"]} == {"object", "string"}


@pytest.mark.parametrize(
    ("reply", "choice"),
    [
        (b'{"action":"accept","content":{"decision":"once"}}', "once"),
        (b'{"action":"accept","content":{"decision":"deny"}}', "deny"),
        (b'{"action":"accept","content":{"decision":"project"}}', "deny"),
        (b'{"action":"accept","content":{"decision":"ONCE"}}', "deny"),
        (b'{"action":"accept","content":{"decision":["once"]}}', "deny"),
        (b'{"action":"accept","content":{}}', "deny"),
        (b'{"action":"accept","content":null}', "deny"),
        (b'{"action":"accept"}', "deny"),
        (b'{"action":"decline","content":{"decision":"once"}}', "deny"),
        (b'{"action":"cancel"}', "deny"),
        (b'{"content":{"decision":"once"}}', "deny"),
        (b"{}", "deny"),
        (b"[]", "deny"),
        (b"true", "deny"),
        (b"[" * 100_000, "deny"),
    ],
)
def test_what_is_not_clearly_a_yes_is_a_no(reply: bytes, choice: str) -> None:
    assert choice_of(reply, ["once", "session", "deny"]) == choice


@given(st.binary())
def test_no_reply_whatever_it_is_allows_anything_by_accident(reply: bytes) -> None:
    assert choice_of(reply, ["once", "deny"]) == "deny" or b"once" in reply


def test_arguments_are_shown_as_they_are_sent() -> None:
    assert text({"a": [1, True, None, "b"]}) == '{"a":[1,true,null,"b"]}'
    # No digit is lost, and a member that stands twice is shown twice.
    assert text(b'{"n":12345678901234567890123,"f":1.10,"n":2}') == (
        '{"n":12345678901234567890123,"f":1.10,"n":2}'
    )
    assert text(None) == ""
    assert text("Grüße, 世界") == '"Grüße, 世界"'


@pytest.mark.parametrize(
    ("arguments", "hidden"),
    [
        ({"password": "hunter22"}, "hunter22"),
        ({"apiKey": 123456789}, "123456789"),
        ({"auth": {"user": "me", "list": ["deep-secret"]}}, "deep-secret"),
        ({"url": "https://me:hunter22@host/"}, "hunter22"),
        ({"header": "Authorization: Bearer abcdef0123456789"}, "abcdef0123456789"),
        ({"text": "ghp_0123456789abcdef0123456789abcdef0123"}, "0123456789abcdef0123456789"),
    ],
)
def test_secrets_are_hidden(arguments: Any, hidden: str) -> None:
    assert hidden not in text(arguments)
    assert "[redacted]" in text(arguments)


@pytest.mark.parametrize(
    "letter",
    [
        *("\x1b", "\x07", "\x9b", "\r", "\n", "\t", "\x7f", "\u202e", "\u2066", "\u200b", "\u00ad"),
        *("\ufeff", "\u2028", "\u00a0", "\u3164", "\u2800", "\ufe01", "\U000e0041", "\U000e0101"),
        *("\ud800", "\u034f"),
    ],
)
def test_nothing_moves_the_cursor_or_hides(letter: str) -> None:
    raw = json.dumps({"cmd": f"a{letter}b", f"k{letter}": 1}).encode()
    shown_as = [text(raw), *lines_of(question(need({}, target=f"t{letter}x", cwd=f"/d{letter}")))]
    assert not any(letter in line for line in shown_as)
    assert all("\n" not in line for line in shown_as)
    assert "\\" in shown_as[0]


@given(st.text())
def test_whatever_is_printed_is_one_printable_line(value: str) -> None:
    assert printable(value).isprintable()
    assert len(text({"a": value})) <= 2100
    assert text({"a": value}).isprintable()


def test_what_is_too_long_is_cut_in_the_middle_and_says_so() -> None:
    """What stands at the end is shown, too: nobody hides it behind a long text."""
    long = text({"a": "x" * 10_000, "z": "rm -rf"})
    assert len(long) < 2100
    assert long.endswith('"z":"rm -rf"}')
    assert "letters are not shown" in long
    assert cut("abc", 3) == "abc"


def test_very_large_arguments_are_not_read_as_a_whole() -> None:
    large = text(b'{"token":"hunter22","a":"' + b"x" * READ_BYTES + b'","z":"rm -rf"}')
    assert "hunter22" not in large
    assert large.endswith('"rm -rf"}')
    assert "bytes are not shown" in large
    assert len(large) < 2200


def test_nesting_without_end_is_shown_as_far_as_it_is_bearable() -> None:
    assert "nested too deeply" in text(b'{"a":' * 100 + b"1" + b"}" * 100)
    assert text(b"[" * 100_000).startswith("[[[")


def test_of_many_calls_the_first_are_shown_and_the_others_counted() -> None:
    needs = [need({"n": n, "x": "y" * 5000}) for n in range(MOST_CALLS + 5)]
    found = shown(question(*needs))
    assert len(found["calls"]) == MOST_CALLS
    assert found["more"] == {"gh: delete (destroy)": 5}
    assert lines_of(question(*needs))[-1] == "and 5 more of gh: delete (destroy)"
    letters = sum(len(call["arguments"]) for call in found["calls"])
    assert letters < ALL_LETTERS + MOST_CALLS * (LEAST_LETTERS + 100)


@pytest.mark.parametrize(
    ("method", "kind"),
    [("tools/call", "tool"), ("prompts/get", "prompt"), ("resources/read", "resource"), ("x/y", "method")],
)
def test_other_requests_than_calls_say_what_they_are(method: str, kind: str) -> None:
    (call,) = shown(question(need({"a": 1}, method=method, target="it", cwd="/d")))["calls"]
    assert call == {"server": "gh", kind: "it", "tier": "destroy", "arguments": '{"a":1}', "cwd": "/d"}
    (line, _) = lines_of(question(need({"a": 1}, method=method, target="it", cwd="/d")))
    assert line.endswith(" in /d")
    assert (method in line) == (kind != "tool")


def test_a_call_without_arguments_takes_one_line() -> None:
    assert lines_of(question(need(), need({"a": 1}))) == [
        "1. gh: delete (destroy)",
        "2. gh: delete (destroy)",
        '   {"a":1}',
    ]
