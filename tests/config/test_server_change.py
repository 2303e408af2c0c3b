"""What `server add` and `server set` make of an entry."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.config.check import check_server
from callmux.config.server_change import ServerChange, changed_entry, new_entry
from callmux.errors import UsageError

ALL = {"command": "x", "args": ["1"], "env": {"A": "1"}, "envRefs": {"B": "env:B"}, "tools": ["a", "b"]}


def after(entry: dict[str, Any], **change: Any) -> dict[str, Any]:
    result = changed_entry(entry, ServerChange(**change)).entry
    assert check_server(result, "servers.s")[1] == []
    return result


@pytest.mark.parametrize(
    ("change", "different"),
    [
        ({"tools": ("z",)}, {"tools": ["z"]}),
        ({"tools": ()}, {"tools": []}),
        ({"add_tools": ("c", "a", "c"), "remove_tools": ("b",)}, {"tools": ["a", "c"]}),
        ({"tools": ("z",), "add_tools": ("y",), "clear_tools": True}, {"tools": None}),
        ({"env": {"B": "2"}}, {"env": {"A": "1", "B": "2"}, "envRefs": None}),
        ({"env_refs": {"A": "env:A"}}, {"env": None, "envRefs": {"B": "env:B", "A": "env:A"}}),
        ({"env": {"C": "3"}, "remove_env": ("A", "B", "C")}, {"env": None, "envRefs": None}),
        ({"env": {"C": "3"}, "clear_env": True}, {"env": {"C": "3"}, "envRefs": None}),
        ({"cwd": "/d"}, {"cwd": "/d"}),
        ({"cwd": "/d", "clear_cwd": True}, {"cwd": None}),
        ({"command": ("y",)}, {"command": "y", "args": None}),
        ({"command": ("y", "")}, {"command": "y", "args": [""]}),
        ({"cache_allow": ("g*",), "cache_deny": ()}, {"cachePolicy": {"allowTools": ["g*"]}}),
        ({"call_timeout_ms": 9}, {"callTimeoutMs": 9}),
        ({"request_body_max_bytes": 0}, {"requestBodyMaxBytes": 0}),
        ({"prefix": ""}, {"prefix": ""}),
        ({"max_concurrency": 2, "cwd_mode": "global"}, {"maxConcurrency": 2, "cwdMode": "global"}),
        ({"disabled": True}, {"disabled": True}),
        ({"deny_tools": ("d", "e", "d"), "allow_tools": ("e",)}, {"denyTools": ["d"]}),
        ({"allow_tools": ("d",)}, {}),
        ({"disabled": False}, {}),
    ],
)
def test_what_is_asked_for_changes(change: dict[str, Any], different: dict[str, Any]) -> None:
    expected = {key: value for key, value in {**ALL, **different}.items() if value is not None}
    assert after(ALL, **change) == expected


def test_keys_that_the_command_does_not_know_stay() -> None:
    """C1: the original builds the entry anew from a list of keys."""
    rest = {
        "alwaysLoad": ["a"],
        "prefix": "p",
        "maxConcurrency": 3,
        "maxScopedClients": 2,
        "responseShield": {"enabled": False},
        "schemaCompression": {"mode": "off"},
        "requireSessionCwd": True,
        "somethingOfTomorrow": {"k": [1]},
    }
    assert after({**ALL, **rest}, cwd="/x") == {**ALL, **rest, "cwd": "/x"}


def test_clearing_the_cache_policy_comes_before_new_lists() -> None:
    entry = {"command": "x", "cachePolicy": {"allowTools": ["a"], "denyTools": ["b"]}}
    assert after(entry, clear_cache_policy=True) == {"command": "x"}
    changed = after(entry, clear_cache_policy=True, cache_deny=("c",))
    assert changed == {"command": "x", "cachePolicy": {"denyTools": ["c"]}}


def test_headers_of_a_url_server() -> None:
    entry = {"url": "http://h", "headers": {"Authorization": "a", "X-A": "1"}}
    assert after(entry, headers={"authorization": "b"})["headers"] == {"X-A": "1", "authorization": "b"}
    assert after(entry, remove_headers=("AUTHORIZATION",))["headers"] == {"X-A": "1"}
    assert "headers" not in after(entry, remove_headers=("authorization", "x-a"))
    assert after(entry, forward_headers=("X-B",), transport="sse", url="http://i") == {
        "url": "http://i",
        "headers": entry["headers"],
        "forwardHeaders": ["X-B"],
        "transport": "sse",
    }


def test_taking_out_the_last_tool_does_not_expose_all() -> None:
    """C7: in the original the key goes, and with it the limit."""
    changed = changed_entry({"command": "x", "tools": ["a"]}, ServerChange(remove_tools=("a",)))
    assert changed.entry == {"command": "x", "tools": []}
    assert "exposes no tools now" in changed.remarks[0]


@pytest.mark.parametrize(
    ("entry", "change", "remark"),
    [
        ({"command": "x"}, ServerChange(remove_tools=("a",)), "--deny-tool switches a tool off"),
        ({"command": "x"}, ServerChange(add_tools=("a",)), "only the tools of its whitelist"),
        ({"command": "x", "tools": ["a"]}, ServerChange(clear_tools=True), "all of its tools are exposed"),
    ],
)
def test_what_a_change_means_for_visibility_is_said(
    entry: dict[str, Any], change: ServerChange, remark: str
) -> None:
    assert remark in changed_entry(entry, change).remarks[0]


@pytest.mark.parametrize(
    ("entry", "change", "message"),
    [
        ({"url": "http://h"}, ServerChange(env={"A": "1"}), "--env has no meaning here.*at a URL"),
        ({"url": "http://h"}, ServerChange(cwd="/"), "--cwd has no meaning"),
        ({"url": "http://h"}, ServerChange(command=("x",)), "a command has no meaning"),
        ({"command": "x"}, ServerChange(headers={"A": "1"}), "--header has no meaning.*by a command"),
        ({"command": "x"}, ServerChange(url="http://h"), "--url has no meaning"),
    ],
)
def test_what_has_no_meaning_for_the_kind_of_server_is_refused(
    entry: dict[str, Any], change: ServerChange, message: str
) -> None:
    """C7: the original says "updated" and changes nothing."""
    with pytest.raises(UsageError, match=message):
        changed_entry(entry, change)


def test_a_new_server_has_a_command_or_a_url() -> None:
    assert new_entry(ServerChange(command=("x", "1"), tools=("t",))).entry == {
        "command": "x",
        "args": ["1"],
        "tools": ["t"],
    }
    assert new_entry(ServerChange(url="http://h", tools=("t",))).remarks == []
    assert new_entry(ServerChange(url="http://h", tools=())).remarks != []
    for change in (ServerChange(), ServerChange(command=("x",), url="http://h")):
        with pytest.raises(UsageError):
            new_entry(change)


def test_nothing_asked_for() -> None:
    assert ServerChange().asks_for_nothing()
    assert not ServerChange(tools=()).asks_for_nothing()
    assert not ServerChange(disabled=False).asks_for_nothing()
