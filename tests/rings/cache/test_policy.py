"""Which calls only read, which may be cached, and which two are the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from callmux import names
from callmux.config.check import check_document
from callmux.context import Scope
from callmux.plan import ToolCall
from callmux.protocol.shapes import Result, Tool
from callmux.rings.cache.policy import LARGEST_ARGUMENTS, ReusePolicy, canonical, is_whole
from callmux.rings.call import Call
from callmux.rings.route import KEPT, CachingVerdict
from callmux.stores.cache import Key
from tests.support import planned

NEITHER = CachingVerdict(False, False, False)
SHARED = CachingVerdict(True, True, False)
BOTH = CachingVerdict(True, True, True)
ALONE = CachingVerdict(True, False, False)


def policy(**document: Any) -> ReusePolicy:
    servers = {"a": {"command": "x"}, "b": {"command": "x", "prefix": "bb"}}
    checked = check_document({"cacheTtlSeconds": 60, "servers": servers, **document})
    assert checked.errors == []
    return ReusePolicy(checked.config)


def tool(name: str = "get", **hints: Any) -> Tool:
    return Tool(json.dumps({"name": name, "annotations": hints}).encode())


READER = tool("get", readOnlyHint=True)


def call(
    which: Tool | None = READER,
    server: str = "a",
    *,
    arguments: bytes | None = None,
    method: str = "tools/call",
    spelled: str | None = None,
    safe: bool = False,
    scope: Scope | None = None,
    **asked: Any,
) -> Call:
    name = which.name if which is not None else "get"
    raw = None if arguments is None else Raw(arguments)
    return planned(
        server=server,
        method=method,
        target=name,
        asked=ToolCall(spelling=spelled or name, **asked),
        arguments=raw,
        tool=which,
        seconds=1,
        deadline=1,
        safe=safe,
        scope=scope,
    )


def judged(rules: ReusePolicy, which: Tool | None = READER, server: str = "a") -> CachingVerdict:
    """The verdict for a tool under all its names."""
    name = which.name if which is not None else "get"
    prefixes = {"a": None, "b": "bb"}
    return rules.verdict(server, which, names.spellings(server, name, prefixes[server]))


@pytest.mark.parametrize(
    ("hints", "expected"),
    [
        ({}, NEITHER),
        ({"readOnlyHint": True}, BOTH),
        ({"readOnlyHint": "true"}, NEITHER),
        ({"idempotentHint": True}, NEITHER),
        ({"readOnlyHint": False, "idempotentHint": True}, NEITHER),
    ],
)
def test_annotations_say_what_reads(hints: dict[str, Any], expected: CachingVerdict) -> None:
    """A write that may be repeated is still a write."""
    assert judged(policy(), tool("get", **hints)) == expected


def test_an_age_is_told_where_either_level_wants_it() -> None:
    assert not judged(policy()).aged
    assert judged(policy(cachePolicy={"tellAge": True})).aged
    own = {"a": {"command": "x", "cachePolicy": {"tellAge": True}}, "b": {"command": "x"}}
    assert [judged(policy(servers=own), server=name).aged for name in "ab"] == [True, False]


def test_a_name_is_no_signal() -> None:
    assert judged(policy(), tool("get_item")) == NEITHER


@pytest.mark.parametrize(
    ("general", "own", "reader", "writer"),
    [
        ({}, {}, BOTH, NEITHER),
        ({"allowTools": ["create"]}, {}, SHARED, BOTH),
        ({}, {"allowTools": ["create"]}, SHARED, BOTH),
        ({"allowTools": ["*"]}, {}, BOTH, BOTH),
        ({"allowTools": ["*"], "denyTools": ["get"]}, {}, ALONE, BOTH),
        ({"allowTools": ["*"]}, {"denyTools": ["a__*"]}, ALONE, ALONE),
        ({"denyTools": ["get"]}, {"allowTools": ["get"]}, ALONE, NEITHER),
        ({"denyTools": ["create"]}, {}, BOTH, NEITHER),
    ],
)
def test_lists_of_both_levels_count_and_deny_wins(
    general: dict[str, Any], own: dict[str, Any], reader: CachingVerdict, writer: CachingVerdict
) -> None:
    rules = policy(cachePolicy=general, servers={"a": {"command": "x", "cachePolicy": own}})
    assert judged(rules) == reader
    assert judged(rules, tool("create")) == writer


def test_a_servers_lists_are_for_that_server() -> None:
    rules = policy(
        servers={"a": {"command": "x"}, "b": {"command": "x", "cachePolicy": {"allowTools": ["create"]}}}
    )
    assert judged(rules, tool("create"), "b") == BOTH
    assert judged(rules, tool("create"), "a") == NEITHER


@pytest.mark.parametrize("denied", ["get", "b__get", "bb__get", "*__get", "odd"])
def test_a_tool_is_meant_however_it_is_spelled(denied: str) -> None:
    """Weak spot W17 of callmux (npm)."""
    rules = policy(cachePolicy={"denyTools": [denied]})
    assert judged(rules, server="b") == (BOTH if denied == "odd" else ALONE)


def test_the_last_part_of_a_qualified_name_matches_a_pattern() -> None:
    rules = policy(cachePolicy={"allowTools": ["list_*"]})
    assert judged(rules, tool("list_issues")) == BOTH


def test_a_tool_that_nobody_has_listed_may_write() -> None:
    assert judged(policy(cachePolicy={"allowTools": ["*"]}), None) == NEITHER


def test_other_requests_are_never_shared() -> None:
    """Reading a resource is no write; a method that we do not know may be one."""
    names = ["prompts/get", "a__prompts/get"]
    assert policy().of_method("a", "prompts/get", names, safe=True) == ALONE
    assert policy().of_method("a", "x/y", ["x/y"], safe=False) == NEITHER


def test_reads_of_resources_may_be_kept_where_anything_is() -> None:
    def judged(**more: Any) -> CachingVerdict:
        names = ["resources/read", "a__resources/read"]
        return policy(**more).of_method("a", "resources/read", names, safe=True)

    assert judged() == KEPT
    assert judged(cacheTtlSeconds=0) == ALONE
    assert judged(cachePolicy={"denyTools": ["a__resources/*"]}) == ALONE


def test_caching_is_off_by_default() -> None:
    assert policy().caches
    assert not policy(cacheTtlSeconds=0).caches


def test_the_spelling_of_a_call_makes_no_difference_to_its_key() -> None:
    """Weak spot W17 of callmux (npm)."""
    rules = policy()
    keys = {
        rules.key(call(server="b", spelled=spelled, arguments=arguments, timeout_ms=ms), 0)
        for spelled, arguments, ms in [
            ("bb__get", b'{"a":1,"b":{"x":1,"y":[1,2]}}', None),
            ("b__get", b'{ "b" : {"y":[1,2],"x":1}, "a":1 }', 5),
            ("get", b'{"b":{"x":1,"y":[ 1, 2 ]},"a":1}', 9),
        ]
    }
    assert keys == {Key("b", "get", b'{"a":1,"b":{"x":1,"y":[1,2]}}')}


@pytest.mark.parametrize(
    "other",
    [
        {"arguments": b'{"a":[2,1]}'},
        {"arguments": b'{"a":[1,2],"b":null}'},
        {"arguments": b'{"a":[1.0,2]}'},
        {"arguments": b"{}"},
        {"arguments": None},
        {"server": "b"},
        {"which": tool("other", readOnlyHint=True)},
        {"scope": Scope(cwd="/there")},
    ],
)
def test_what_differs_is_another_call(other: dict[str, Any]) -> None:
    rules = policy()
    first = rules.key(call(arguments=b'{"a":[1,2]}', scope=Scope(cwd="/here")), 0)
    second = call(**{"arguments": b'{"a":[1,2]}', "scope": Scope(cwd="/here"), **other})
    assert rules.key(second, 0) != first


def test_directory_credentials_and_client_are_part_of_the_key() -> None:
    rules = policy()
    scopes = (
        None,
        Scope(cwd="/s"),
        Scope(cwd="/c"),
        Scope(headers=(("authorization", "alice"),)),
        Scope(headers=(("authorization", "bob"),)),
    )
    keys = [*(rules.key(call(scope=scope), 0) for scope in scopes), rules.key(call(), 1)]
    assert len(set(keys)) == len(keys)
    assert "alice" not in repr(keys)
    # What was asked for decides nothing: a server may serve all directories alike.
    assert rules.key(call(cwd="/x", scope=Scope(cwd="/s")), 0) == keys[1]


@pytest.mark.parametrize(
    "more",
    [
        {"extra": {"task": Raw(b"{}")}},
        {"extra": {"_meta": Raw(b"{}"), "requestState": Raw(b'"x"')}},
        {"force_reconnect": True},
        {"arguments": b'{"a":'},
        {"arguments": b'{"a":"' + b"x" * LARGEST_ARGUMENTS + b'"}'},
    ],
)
def test_some_calls_are_like_no_other(more: dict[str, Any]) -> None:
    assert policy().key(call(**more), 0) is None


def test_a_call_that_is_to_be_made_anew_has_the_place_of_an_equal_one() -> None:
    rules = policy()
    assert rules.key(call(force_reconnect=True), 0, anew=True) == rules.key(call(), 0)
    assert rules.key(call(force_reconnect=True, extra={"task": Raw(b"{}")}), 0, anew=True) is None


def test_meta_does_not_make_a_call_another() -> None:
    """Clients put a progress token and an id of their own into every request."""
    rules = policy()
    with_meta = call(meta=Raw(b'{"progressToken":7}'))
    assert rules.key(with_meta, 0) == rules.key(call(), 0)


@pytest.mark.parametrize("digits", [b"1.50", b"12345678901234567890123", b"1e400", b"0.1000000000000000055"])
def test_digits_stay_as_they_are(digits: bytes) -> None:
    assert canonical(b'{"n":' + digits + b"}") == b'{"n":' + digits + b"}"


def test_long_arguments_are_compared_by_their_digest() -> None:
    one, other = (canonical(b'{"a":"' + b"x" * 5000 + end + b'"}') for end in (b"1", b"2"))
    assert one is not None
    assert other is not None
    assert len(one) == 33
    assert one != other


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), _VALUES, max_size=5))
def test_equal_arguments_have_one_spelling(value: dict[str, Any]) -> None:
    def shuffled(part: Any) -> Any:
        if isinstance(part, dict):
            return {k: shuffled(v) for k, v in reversed(part.items())}
        return [shuffled(v) for v in part] if isinstance(part, list) else part

    spelled = [
        json.dumps(value, separators=(",", ":"), ensure_ascii=False),
        json.dumps(shuffled(value), indent=3),
    ]
    first, second = (canonical(text.encode("utf-8", "surrogatepass")) for text in spelled)
    assert first == second


@pytest.mark.parametrize(
    ("raw", "whole"),
    [
        (b'{"content":[]}', True),
        (b'{"content":[],"isError":false}', True),
        (b'{"content":[],"isError":true}', False),
        (b'{"content":[],"resultType":"complete"}', True),
        (b'{"resultType":"input_required"}', False),
        (b'["resultType"]', False),
        (b'{"content":[{"type":"text","text":"\\"resultType\\""}]}', True),
    ],
)
def test_only_whole_answers_are_kept(raw: bytes, whole: bool) -> None:
    assert is_whole(Result(raw)) is whole
