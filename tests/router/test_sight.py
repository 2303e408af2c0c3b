"""What is left of the whole for one client, and what is said where nothing is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callmux.config.check import check_document
from callmux.errors import AuthorizationDenied, CallmuxError, ToolNotFound
from callmux.guard.principal import Principal
from callmux.guard.rights import Permissions
from callmux.plan import ToolCall
from callmux.protocol.shapes import Tool
from callmux.router.names import Names
from callmux.router.routing import Routing
from callmux.router.sight import Sight
from callmux.upstream.catalogue import Catalogue, ServerTools
from callmux.upstream.inventory.offer import Item
from callmux.upstream.resources import Place, ResourceIndex, ServerResources
from tests.support import context

ANN = Principal(kind="bearer", id="ann")
EVE = Principal(kind="bearer", id="eve")
RECIPES = {
    "fine": {"mode": "call", "tool": "a__get"},
    "mixed": {"mode": "parallel", "calls": [{"tool": "a__get"}, {"tool": "put", "server": "b"}]},
    "lost": {"mode": "pipeline", "steps": [{"tool": "nowhere"}]},
}


class Whole:
    """Everything there is: two servers with the same tools, prompts and resources, and one that is silent."""

    def __init__(self) -> None:
        tools = [Tool(json.dumps({"name": name}).encode()) for name in ("get", "put", "both")]
        self._catalogue = Catalogue(
            [
                ServerTools(server="a", tools=tools, listed=True),
                ServerTools(server="b", tools=tools, listed=True),
                ServerTools(server="c"),
            ]
        )
        prompts = [Tool(b'{"name":"ask"}')]
        self._prompts = Catalogue([ServerTools(server=s, tools=prompts) for s in "ab"], noun="prompt")
        listed = [Item(f"x:{s}", b'{"uri":"x:%b"}' % s.encode()) for s in "ab"]
        self._resources = ResourceIndex(
            [ServerResources(server=s, resources=[i], serves=True) for s, i in zip("ab", listed, strict=True)]
        )

    def catalogue(self) -> Catalogue:
        return self._catalogue

    def narrowed(self, kinds: Any) -> Catalogue:
        return self._catalogue

    def kinds(self, capabilities: bytes) -> Any:
        return ()

    def prompts(self) -> Catalogue:
        return self._prompts

    def resources(self) -> ResourceIndex:
        return self._resources


def sight(*rules: Any, default: str = "deny") -> Sight:
    document = {
        "servers": {name: {"command": "x"} for name in "abc"},
        "recipes": RECIPES,
        "authorization": {"defaultEffect": default, "rules": list(rules)},
    }
    checked = check_document(document)
    assert checked.errors == []
    permissions = Permissions(checked.config, authorized=True)
    whole: Any = Whole()
    routing = Routing(checked.config)
    find = Names(whole.catalogue, routing).find
    return Sight(permissions, whole, routing, find, checked.config.recipes, lambda name: name != "c")


MADE = sight({"effect": "allow", "principals": ["bearer:ann"], "tools": ["a__*"]})


def test_tools_prompts_and_resources_are_those_that_may_be_used() -> None:
    rights = MADE.rights_of(ANN, "")
    assert [entry.emitted for entry in MADE.tools(rights, ()).entries] == ["a__get", "a__put", "a__both"]
    assert [entry.emitted for entry in MADE.prompts(rights).entries] == ["a__ask"]
    assert MADE.part(rights, "prompts")[0] == [b'{"name":"a__ask"}']
    assert MADE.part(rights, "resources")[0] == [b'{"uri":"x:a"}']
    assert MADE.tools(rights, ()) is MADE.tools(rights, ())


def test_servers_are_those_of_which_anything_may_be_used_and_the_silent_ones_that_may_have_it() -> None:
    assert MADE.servers(MADE.rights_of(ANN, "")) == {"a"}
    assert MADE.servers(MADE.rights_of(EVE, "")) == frozenset()
    wide = sight({"effect": "allow", "tools": ["b__x:*", "c__*"]})
    assert wide.servers(wide.rights_of(ANN, "")) == {"b", "c"}


def test_recipes_are_those_all_of_whose_calls_may_be_made() -> None:
    assert list(MADE.recipes(context(principal=ANN))) == ["fine"]
    everything = sight({"effect": "allow"})
    assert list(everything.recipes(context(principal=ANN))) == ["fine", "mixed"]


@pytest.mark.parametrize("kind", ["prompts", "resources"])
def test_where_rules_leave_nothing_that_is_said(kind: str) -> None:
    with pytest.raises(AuthorizationDenied, match="no rule of authorization allows it"):
        MADE.part(MADE.rights_of(EVE, ""), kind)


def test_places_are_those_that_may_be_read() -> None:
    rights = MADE.rights_of(ANN, "")
    both = [Place("b", "y:"), Place("a", "y:")]
    assert MADE.places(rights, both) == [Place("a", "y:")]
    assert MADE.places(rights, []) == []
    with pytest.raises(AuthorizationDenied) as caught:
        MADE.places(rights, both[:1])
    assert caught.value.details["tool"] == "b__y:"


def test_a_kept_result_needs_the_right_to_every_tool_it_is_from() -> None:
    MADE.check_sources(context(principal=ANN), [("a", "get"), ("a", "gone")])
    for sources in ([("a", "get"), ("b", "get")], [("gone", "get")], [("b", "gone")]):
        with pytest.raises(AuthorizationDenied):
            MADE.check_sources(context(principal=ANN), sources)


@pytest.mark.parametrize(
    ("tool", "known"), [("gte", "a__get"), ("both", "a__both"), ("a__gte", "a__get"), ("b__get", "a__get")]
)
def test_errors_about_names_name_what_their_reader_may_know(tool: str, known: str) -> None:
    whole = Whole().catalogue()
    try:
        whole.find(tool, None)
    except CallmuxError as error:
        found: CallmuxError = error
    else:
        found = ToolNotFound("it is there, but not for everybody")
    said = MADE.error(ToolCall(spelling=tool), context(principal=ANN), found)
    assert known in said.message + str(said.details)
    assert "b__" not in said.message.replace(tool, "")
    assert '"b"' not in said.message


def test_a_list_without_tools_of_servers_has_a_note_or_is_refused() -> None:
    rights = MADE.rights_of(EVE, "")
    part = MADE.tools(rights, ())
    note = MADE.note(rights, part, proxied=True, alone=False)
    assert note is not None
    assert "authorization_default_deny" in note
    with pytest.raises(AuthorizationDenied):
        MADE.note(rights, part, proxied=True, alone=True)
    some = MADE.rights_of(ANN, "")
    assert MADE.note(some, MADE.tools(some, ()), proxied=True, alone=True) is None


def test_tasks_are_those_of_servers_that_may_be_used() -> None:
    assert MADE.with_tasks(MADE.rights_of(ANN, ""), ["a", "b"]) == ["a"]
    assert MADE.with_tasks(MADE.rights_of(EVE, ""), []) == []
    with pytest.raises(AuthorizationDenied):
        MADE.with_tasks(MADE.rights_of(EVE, ""), ["a", "b"])


def test_what_is_kept_is_forgotten_with_the_lists() -> None:
    made = sight({"effect": "allow"})
    rights = made.rights_of(ANN, "")
    before = made.tools(rights, ())
    made.forget()
    assert made.tools(rights, ()) is not before
