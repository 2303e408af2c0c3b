"""What a rule may mean something by; and which of its names are certainly its own."""

from __future__ import annotations

import pytest

from callmux.guard.tiers import READ, WRITE
from callmux.guard.uris import MOST_LETTERS
from callmux.guard.wanted import ENDLESS, METHOD, OFFER, Namespace, literal

SPACE = Namespace({"a": "x", "b": None, "b__c": "", "d": "x"}, frozenset({"callmux_get_result"}))


@pytest.mark.parametrize(
    ("server", "name"),
    [
        ("a", "b__t"),
        ("b", "b__c__t"),
        ("a", "b__c__t"),
        ("b", "x__t"),
        ("d", "x__t"),
        ("a", "callmux_get_result"),
    ],
)
def test_a_name_that_may_be_another_servers_is_not_its_own(server: str, name: str) -> None:
    assert SPACE.own(server, [name]) == ()


@pytest.mark.parametrize(
    ("server", "name"),
    [
        ("a", "a__t"),
        ("a", "x__t"),
        ("a", "t"),
        ("a", "z__t"),
        ("b", "b__t"),
        ("b__c", "b__c__t"),
        ("d", "d__t"),
    ],
)
def test_a_name_of_nobody_else_is(server: str, name: str) -> None:
    assert SPACE.own(server, [name]) == (name,)


def test_an_offer_has_every_spelling_that_its_server_may_take_for_it() -> None:
    first, read = SPACE.offer("a", "file:///p/../s")
    assert (first.names, read.names) == (
        ("file:///p/../s", "a__file:///p/../s", "x__file:///p/../s"),
        ("file:///s", "a__file:///s", "x__file:///s"),
    )
    assert {first.kind, read.kind} == {OFFER}
    assert "a__file:///s" in SPACE.offer("a", "file:///s?q#f")[0].also


def test_another_method_is_judged_by_its_own_name() -> None:
    (wanted,) = SPACE.request("b", "x/y", "x/y")
    assert (wanted.names, wanted.tier, wanted.kind) == (("x/y", "b__x/y"), WRITE, METHOD)
    (wanted,) = SPACE.request("b", "prompts/get", "p")
    assert (wanted.names, wanted.tier, wanted.kind) == (("p", "b__p"), READ, OFFER)


@pytest.mark.parametrize(
    ("tool", "server", "name"),
    [("t", "a", "a__t"), ("a__t", "a", "a__t"), ("a__t", None, "a__t"), ("a__b__t", None, "a__b__t")],
)
def test_a_name_that_leads_nowhere_is_taken_as_it_stands(tool: str, server: str | None, name: str) -> None:
    assert literal(tool, server).names == (name,)


def test_a_thing_that_is_no_tool_is_spelled_with_its_server_and_its_prefix() -> None:
    assert {"a__p", "x__p"} <= set(SPACE.spelled("a", "p"))
    assert not {name for name in SPACE.spelled("b", "p") if name.startswith("x__")}


def test_names_of_a_server_begin_with_its_key_or_its_prefix() -> None:
    assert SPACE.prefixes_of("a") == ["a", "x"]
    assert SPACE.prefixes_of("b") == ["b"]
    assert SPACE.prefixes_of("b__c") == ["b__c"]


def test_a_name_without_end_has_no_spelling_that_a_rule_could_allow() -> None:
    (wanted,) = SPACE.offer("a", "x" * (MOST_LETTERS + 1))
    assert (wanted.names, wanted.kind) == ((), ENDLESS)
    assert SPACE.offer("a", "x" * MOST_LETTERS)[0].kind == OFFER
