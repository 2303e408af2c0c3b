"""Whole documents: every problem is named, with the path the file has."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.config.check import SectionKey, check_document, check_server, keys
from callmux.config.check import given as given_type
from callmux.config.model import Config
from callmux.config.servers import HttpServer, StdioServer

HASH = "scrypt$1024$8$1$b3BzLXNlY3JldDAxMjM0NQ$jJ9urypeY6jgTGudkge2CCfOyAiQJTw1Mi7glxNEAn0"


def errors(**document: Any) -> list[str]:
    return check_document({"servers": {}, **document}).errors


def server_errors(**entry: Any) -> list[str]:
    return check_document({"servers": {"a": {"command": "x", **entry}}}).errors


def test_an_empty_configuration_has_the_defaults() -> None:
    """Nothing needs to be said."""
    checked = check_document({"servers": {}})
    assert (checked.config, checked.format) == (Config(), "native")
    assert checked.errors == checked.warnings == []


@pytest.mark.parametrize("document", [None, [], "x", 5])
def test_a_document_that_is_no_object_is_refused(document: object) -> None:
    assert "one JSON object" in check_document(document).errors[0]


def test_exactly_one_of_servers_and_mcp_servers() -> None:
    both = check_document({"servers": {}, "mcpServers": {}})
    neither = check_document({"other": 1})
    assert both.errors == ['Invalid config: specify either "servers" or "mcpServers", not both']
    assert neither.errors == ["Invalid config: expected { servers: {...} } or { mcpServers: {...} }"]
    assert check_document({"servers": []}).errors == ["servers must be an object"]
    assert check_document({"servers": None, "mcpServers": {}}).format == "mcpCompatible"


def test_all_problems_are_reported_at_once() -> None:
    """The original stops at the first."""
    checked = check_document(
        {
            "mcpServers": {"x": {"command": "c", "env": {"K": 1}, "args": ["a", 2]}, "y": {}},
            "cacheTtlSeconds": -1,
            "auth": {"mode": "bearer", "tokens": [{"id": "a"}]},
        }
    )
    assert checked.errors == [
        "cacheTtlSeconds must be a non-negative integer",
        'auth.tokens[0] must include one of "hash", "hashRef", "token", or "tokenRef"',
        "mcpServers.x.args[1] must be a string",
        "mcpServers.x.env.K must be a string",
        'mcpServers.y must have either "command" (stdio) or "url" (http/sse)',
    ]


def test_null_is_not_absent() -> None:
    """But for `maxAttempts`, where it means for ever."""
    assert errors(callTimeoutMs=None) == ["callTimeoutMs must be a positive integer"]
    assert errors(auth=None) == ["auth must be an object"]
    assert errors(reconnectPolicy={"maxAttempts": None}) == []


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"metaOnly": True, "exposeMetaTools": False}, "mutually exclusive"),
        ({"auth": {}}, 'auth.mode must be "bearer" or "oidc_jwt"'),
        ({"auth": 5}, "auth must be an object"),
        ({"auth": {"mode": "bearer"}}, "auth.tokens must be an array"),
        ({"auth": {"mode": "bearer", "tokens": []}}, "auth.tokens must contain at least one token"),
        (
            {"auth": {"mode": "bearer", "tokens": [{"id": "a", "hash": HASH, "token": "t"}]}},
            'auth.tokens[0] must include exactly one of "hash", "hashRef", "token", or "tokenRef"',
        ),
        ({"auth": {"mode": "bearer", "tokens": [{"id": "a", "hash": "x"}]}}, "must be a valid scrypt hash"),
        (
            {"auth": {"mode": "oidc_jwt", "issuer": "i", "audience": "a", "jwksUri": "http://i/j"}},
            "auth.jwksUri must use https",
        ),
        ({"authorization": {}}, "authorization.rules must be an array"),
        ({"authorization": {"rules": []}}, "authorization.rules must contain at least one rule"),
        ({"authorization": {"rules": [{"effect": "x"}]}}, 'rules[0].effect must be "allow" or "deny"'),
        ({"abuseControls": {"cidrAllowlist": ["host"]}}, "must be valid CIDR or IP values"),
        ({"metrics": {"path": " "}}, "metrics.path must be a non-empty string"),
        ({"management": {"auth": {"mode": "oidc_jwt"}}}, "only supports bearer mode"),
        ({"recipes": []}, "recipes must be an object"),
        ({"recipes": {" ": {"mode": "call", "tool": "x"}}}, "recipe names must be non-empty strings"),
        (
            {"recipes": {"r": {"mode": "loop"}}},
            'recipes.r.mode must be "call", "parallel", "batch", or "pipeline"',
        ),
        ({"recipes": {"broken": {"mode": "batch", "tool": "x"}}}, "recipes.broken.items must be an array"),
        (
            {"recipes": {"r": {"mode": "batch", "tool": "x", "items": [{}]}}},
            "items[0].arguments must be an object",
        ),
        (
            {"recipes": {"r": {"mode": "pipeline", "steps": []}}},
            "recipes.r.steps must contain at least one step",
        ),
        ({"recipes": {"r": {"mode": "call", "tool": "x", "cwd": "rel"}}}, "must be an absolute path"),
    ],
)
def test_global_rules(document: dict[str, Any], message: str) -> None:
    assert message in "; ".join(errors(**document))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"url": "http://y"}, 'servers.a cannot have both "command" and "url"'),
        ({"command": ""}, 'servers.a must have either "command"'),
        ({"command": 5}, 'servers.a must have either "command"'),
        ({"type": "http"}, 'servers.a.type is "http", but the server has a command'),
        ({"responseShield": {"maxStoredResults": 5}}, "is only supported in global responseShield"),
        ({"envRefs": {"A": "x"}}, "servers.a.envRefs.A must use env:<NAME> or file:<PATH>"),
        ({"requireSessionCwd": "yes"}, "requireSessionCwd must be a boolean"),
        ({"tools": "t"}, "servers.a.tools must be an array of strings"),
        ({"env": []}, "servers.a.env must be an object of string values"),
    ],
)
def test_server_rules(entry: dict[str, Any], message: str) -> None:
    assert message in "; ".join(server_errors(**entry))


@pytest.mark.parametrize("kind", ["streamable-http", "sse"])
def test_type_and_transport_must_agree(kind: str) -> None:
    other = {"sse": "streamable-http", "streamable-http": "sse"}[kind]
    _, problems, _ = check_server({"url": "u", "type": kind, "transport": other}, "servers.a")
    assert problems == [f'servers.a.type is "{kind}", but transport is "{other}": remove one of them']
    _, problems, _ = check_server({"url": "u", "type": "stdio"}, "servers.a")
    assert "has a URL" in problems[0]


@pytest.mark.parametrize(("kind", "transport"), [("http", "streamable-http"), ("sse", "sse"), (None, None)])
def test_type_sets_the_transport(kind: str | None, transport: str | None) -> None:
    server, problems, _ = check_server({"url": "u", **({"type": kind} if kind else {})}, "servers.a")
    assert isinstance(server, HttpServer)
    assert (server.transport, problems) == (transport, [])


def test_values_are_tidied() -> None:
    """Whole floats, header names, paths, duplicates and a delay below the first one."""
    config = check_document(
        {
            "servers": {
                "a": {"url": "u", "forwardHeaders": ["Authorization", "authorization"], "prefix": ""}
            },
            "callTimeoutMs": 5.0,
            "dashboard": {"path": "ops"},
            "reconnectPolicy": {"initialDelayMs": 500, "maxDelayMs": 5},
        }
    ).config
    server = config.servers["a"]
    assert isinstance(server, HttpServer)
    assert (server.forward_headers, server.prefix) == (("authorization",), "")
    assert config.call_timeout_ms == 5
    assert isinstance(config.call_timeout_ms, int)
    assert config.dashboard.path == "/ops"
    assert config.reconnect_policy.max_delay_ms == 500


def test_unknown_keys_are_warnings_with_the_nearest_known_one() -> None:
    checked = check_document(
        {
            "$schema": "s",
            "_note": 1,
            "servers": {"a": {"command": "x", "tols": []}, "b": {"url": "u", "env": {}, "type": "remote"}},
            "maxConcurency": 5,
            "somethingElse": 1,
        }
    )
    assert checked.errors == []
    assert checked.warnings == [
        'maxConcurency is not known and ignored: did you mean "maxConcurrency"?',
        "somethingElse is not known and ignored",
        'servers.a.tols is not known and ignored: did you mean "tools"?',
        'servers.b.type is ignored: callmux knows stdio, http, streamable-http, sse (it is "remote")',
        "servers.b.env is ignored: it has no meaning for this kind of entry",
    ]


def test_a_single_server_is_checked_alone() -> None:
    server, problems, warnings = check_server({"command": "x", "timeout": 5}, "servers.a")
    assert isinstance(server, StdioServer)
    assert problems == []
    assert warnings == ['servers.a.timeout is not known and ignored: did you mean "callTimeoutMs"?']


def test_keys_leave_internal_fields_out() -> None:
    """No file can mark a server as broken."""
    assert "problem" not in keys(StdioServer)
    assert keys(StdioServer)["command"].required


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from([*keys(Config), *keys(StdioServer), "mode", "x"]), inner)
        ),
        max_leaves=20,
    )
)
def test_no_document_breaks_the_check(document: object) -> None:
    """Whatever a file holds, the answer is a configuration or a list of problems."""
    for candidate in (
        document,
        {"servers": {"a": document}},
        {"recipes": document, "auth": document, "servers": {}},
    ):
        assert isinstance(check_document(candidate).errors, list)


def test_an_empty_list_that_counts_as_none_leaves_the_default() -> None:
    auth = {"mode": "oidc_jwt", "issuer": "https://i/", "audience": "a", "algorithms": []}
    checked = check_document({"servers": {}, "auth": auth})
    assert checked.errors == []
    assert checked.config.auth is not None
    assert getattr(checked.config.auth, "algorithms", None) == ("RS256",)


def test_what_works_and_is_probably_not_meant_is_a_warning() -> None:
    checked = check_document({"servers": {}, "approve": ["writes"]})
    assert checked.errors == []
    assert [warning.partition(" ")[0] for warning in checked.warnings] == ["approve[0]"]


def test_a_choice_of_types_stays_a_choice() -> None:
    assert given_type(int | str) == int | str
    assert given_type(int | None) is int
    assert given_type(int) is int


def test_a_preset_fills_in_what_the_document_leaves_out() -> None:
    assert check_document({"servers": {}, "preset": "lean"}).config.meta_only is True


def test_a_key_says_whose_it_is_and_one_that_a_section_does_not_have_is_none() -> None:
    assert repr(keys(Config)["metaOnly"]) == "SectionKey(Config.meta_only)"
    with pytest.raises(AttributeError, match="Config has no annotation for nothing"):
        assert SectionKey(Config, "nothing", required=False).is_internal
