"""What is shown of a configuration, and what may be sent back."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.errors import InvalidArguments
from callmux.management.shown import restored, shown_document, shown_entry

ENTRY = {
    "command": "srv",
    "args": ["--token", "hunter2secret", "--port", 80],
    "env": {"B": "two-secret", "A": "${NAMED}"},
    "envRefs": {"C": "env:C"},
    "tools": ["t"],
    "disabled": False,
    "oauth": {"clientSecret": "very-secret", "clientId": "me", "other": [{"apiKey": "k"}, 1]},
}
WEB = {"url": "https://joe:pass-word-1@x.example/mcp", "headers": {"X": "value-of-x"}}


def test_secrets_are_hidden_and_names_of_secrets_are_not() -> None:
    shown = shown_entry(ENTRY)
    assert shown == {
        "command": "srv",
        "args": ["--token", "[redacted]", "--port", "80"],
        "env": {"A": "${NAMED}", "B": "[redacted]"},
        "envRefs": {"C": "env:C"},
        "tools": ["t"],
        "disabled": False,
        "oauth": {"clientSecret": "[redacted]", "clientId": "me", "other": [{"apiKey": "[redacted]"}, 1]},
    }
    assert list(shown["env"]) == ["A", "B"]
    assert shown_entry(WEB) == {
        "url": "https://[redacted]@x.example/mcp",
        "headers": {"X": "[redacted]"},
    }
    assert shown_entry("nonsense") == "nonsense"
    assert shown_entry({"env": 1}) == {"env": 1}


def test_a_whole_document_has_its_servers_under_one_name() -> None:
    tokens = [{"id": "a", "hash": "scrypt$x"}, {"id": "b", "token": "t"}, {"id": "c", "tokenRef": "env:T"}]
    document = {
        "mcpServers": {"a": WEB},
        "auth": {"mode": "bearer", "tokens": tokens},
        "cacheTtlSeconds": 5,
        "openTelemetry": {"endpoint": "http://joe:pass-word-1@c.example"},
    }
    shown = shown_document(document)
    assert list(shown["servers"]) == ["a"]
    assert shown["auth"]["tokens"] == [
        {"id": "a", "hash": "[redacted]"},
        {"id": "b", "token": "[redacted]"},
        {"id": "c", "tokenRef": "env:T"},
    ]
    assert shown["cacheTtlSeconds"] == 5
    assert "pass-word-1" not in str(shown)
    assert shown_document({"servers": 1}) == {"servers": {}}


def test_what_was_shown_is_what_it_stood_for() -> None:
    for entry in (ENTRY, WEB):
        shown: dict[str, Any] = shown_entry(entry)
        back = restored(shown, entry)
        assert {**back, "args": [str(word) for word in back.get("args", [])]} == {
            **entry,
            "args": [str(word) for word in entry.get("args", [])],  # type: ignore[attr-defined]
        }
    moved = {**shown_entry(ENTRY), "args": ["--port", "81", "--token", "[redacted]"]}
    assert restored(moved, ENTRY)["args"] == ["--port", "81", "--token", "hunter2secret"]


@pytest.mark.parametrize(
    ("entry", "before", "place"),
    [
        ({"env": {"NEW": "[redacted]"}}, ENTRY, "env.NEW"),
        ({"env": {"A": "[redacted]"}}, None, "env.A"),
        ({"args": ["x[redacted]"]}, ENTRY, "args[0]"),
        ({"url": "https://[redacted]@other.example/"}, WEB, "url"),
        ({"env": {"A": "[redacted]"}}, {"env": 1}, "env.A"),
        ({"args": ["[redacted]"]}, {"args": 1}, "args[0]"),
    ],
)
def test_what_is_hidden_and_was_never_there_is_refused(entry: Any, before: Any, place: str) -> None:
    with pytest.raises(InvalidArguments) as refused:
        restored(entry, before)
    assert refused.value.details["field"] == place
