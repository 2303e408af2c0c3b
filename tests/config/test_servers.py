"""Server entries."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import structs

from callmux.config.check import check_server
from callmux.config.oauth import OAuth
from callmux.config.servers import TRANSPORTS, HttpServer, StdioServer, divided, signs_in_each


def test_an_entry_becomes_the_server_its_keys_describe() -> None:
    local, _, _ = check_server({"command": "npx", "args": ["-y"], "alwaysLoad": ["t"]}, "servers.a")
    remote, _, _ = check_server({"url": "http://h", "headers": {"A": "b"}}, "servers.a")
    assert local == StdioServer(command="npx", args=("-y",), always_load=("t",))
    assert remote == HttpServer(url="http://h", headers={"A": "b"})


def test_absent_and_empty_tool_lists_differ() -> None:
    """All tools, and none."""
    assert StdioServer(command="x").tools is None
    server, _, _ = check_server({"command": "x", "tools": []}, "servers.a")
    assert server is not None
    assert server.tools == ()


def test_a_denied_tool_is_not_exposed_even_where_it_is_allowed() -> None:
    server, _, _ = check_server({"command": "x", "tools": ["a", "b"], "denyTools": ["b"]}, "servers.a")
    assert server is not None
    assert [tool for tool in "abc" if server.exposes(tool)] == ["a"]
    assert [tool for tool in "abc" if StdioServer(command="x", deny_tools=("b",)).exposes(tool)] == ["a", "c"]


def test_a_tier_is_one_of_three_words() -> None:
    server, problems, _ = check_server({"command": "x", "tiers": {"get_*": "read", "b": "kill"}}, "servers.a")
    assert problems == ['servers.a.tiers.b must be "read", "write", or "destroy"']
    server, problems, _ = check_server({"command": "x", "tiers": {"get_*": "read"}}, "servers.a")
    assert (server and server.tiers, problems) == ({"get_*": "read"}, [])


def test_entries_are_written_as_they_were_read() -> None:
    entry = {"command": "x", "callTimeoutMs": 5, "cachePolicy": {"denyTools": ["y"]}}
    server, _, _ = check_server(entry, "servers.a")
    assert msgspec.json.decode(msgspec.json.encode(server)) == entry


@pytest.mark.parametrize("kind", sorted(TRANSPORTS))
def test_a_command_is_no_remote_server(kind: str) -> None:
    _, problems, _ = check_server({"command": "x", "type": kind}, "servers.a")
    assert problems == [
        f'servers.a.type is "{kind}", but the server has a command: use "stdio", or "url" instead'
    ]
    assert check_server({"command": "x", "type": "stdio"}, "servers.a")[1:] == ([], [])


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"url": "http://h", "type": "stdio"}, 'type is "stdio", but the server has a URL'),
        (
            {"url": "http://h", "type": "sse", "transport": "streamable-http"},
            'type is "sse", but transport is "streamable-http": remove one of them',
        ),
        ({"command": "x", "url": "http://h"}, 'cannot have both "command" and "url"'),
        ({"command": ["x", "-y"]}, "command must be a string: put the program into"),
        ({}, 'must have either "command" (stdio) or "url" (http/sse)'),
    ],
)
def test_an_entry_that_may_mean_two_servers_or_none_is_refused(entry: dict[str, Any], problem: str) -> None:
    server, problems, _ = check_server(entry, "servers.a")
    assert server is None
    assert problem in problems[0]


def test_principals_have_sign_ins_of_their_own_where_nothing_else_is_said() -> None:
    own = HttpServer(url="https://a/mcp", oauth=OAuth())
    assert not signs_in_each(own)
    assert signs_in_each(divided(own))
    shared = structs.replace(own, sign_in="shared")
    assert divided(shared) == shared
    assert not signs_in_each(divided(HttpServer(url="https://a/mcp")))
    program = StdioServer(command="x")
    assert divided(program) == program
    assert not signs_in_each(program)


@pytest.mark.parametrize(
    "more",
    [
        {"headers": {"AUTHORIZATION": "Bearer x"}},
        {"forward_headers": ("authorization",)},
        {"oauth": OAuth(grant="client_credentials", client_id="me", client_secret="s")},
    ],
)
def test_where_there_are_credentials_already_nobody_signs_in(more: dict[str, Any]) -> None:
    entry: dict[str, Any] = {"url": "https://a/mcp", "oauth": OAuth(), **more}
    assert not signs_in_each(divided(HttpServer(**entry)))
