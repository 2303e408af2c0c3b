"""A persona is found by what the configuration wants and what the client calls itself."""

from __future__ import annotations

import re

import pytest

from callmux.cli.grammar import doctor
from callmux.cli.grammar.client import KINDS
from callmux.clients import editing
from callmux.config import kinds
from callmux.metatools.table import names
from callmux.router.personas import AUTO, NONE, TABLE, TAKES, Persona, named, persona_of

NAMES = tuple(persona.name for persona in TABLE)
CALL, SEARCH, STATUS = "callmux_call", "callmux_search_tools", "callmux_status"


def test_nothing_is_different_where_the_configuration_has_no_persona() -> None:
    assert persona_of(None, "claude-code") is None
    assert persona_of(NONE, "claude-code") is None


def test_auto_goes_by_what_the_client_calls_itself() -> None:
    for persona in TABLE:
        for client in persona.clients:
            assert persona_of(AUTO, client) is persona
    assert persona_of(AUTO, "some-other-client") is None
    assert persona_of(AUTO, None) is None
    assert persona_of(AUTO, "") is None


def test_auto_knows_some_clients_by_what_only_they_declare() -> None:
    codex = named("codex")
    declared = b'{"experimental":{"codex/auth-change":{}},"roots":{}}'
    assert persona_of(AUTO, "another-name-of-it", declared) is codex
    assert persona_of(AUTO, "claude-code", declared) is named("claude-code")
    for other in (b'{"experimental":{"x":{}}}', b'{"experimental":null}', b"{}", b'{"roots":{}}'):
        assert persona_of(AUTO, "another", other) is None
    assert persona_of(None, "another", declared) is None


@pytest.mark.parametrize("name", NAMES)
def test_a_named_persona_holds_for_every_client(name: str) -> None:
    found = persona_of(name, "claude-code")
    assert found is not None
    assert found.name == name
    assert persona_of(name, None) is found is named(name)


def test_a_persona_is_found_by_its_clients_too() -> None:
    assert named("codex-mcp-client") is named("codex")
    assert named("nobody") is None


def test_no_client_is_in_two_rows() -> None:
    clients = [client for persona in TABLE for client in persona.clients]
    assert len(clients) == len(set(clients))
    capabilities = [name for persona in TABLE for name in persona.declares]
    assert len(capabilities) == len(set(capabilities))
    assert len(NAMES) == len(set(NAMES))


def test_every_fact_has_a_place_and_a_date() -> None:
    sources = [source for persona in TABLE for source in persona.sources]
    assert sources
    for source in sources:
        assert source.what
        assert source.where
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", source.date)


def test_the_key_takes_every_persona() -> None:
    schema = kinds.Persona.__metadata__[0].schema  # type: ignore[attr-defined]
    assert schema["enum"] == [AUTO, NONE, *NAMES]


def test_doctor_knows_every_persona_and_what_other_commands_call_one() -> None:
    assert tuple(name for name in doctor.NAMES if name in NAMES) == NAMES
    others = {name for name in doctor.NAMES if name not in NAMES}
    assert others == {persona.entered_as for persona in TABLE if persona.entered_as}
    assert others <= set(KINDS)
    assert named("claude") is named("claude-code")


def test_a_client_is_called_by_one_name_in_every_command() -> None:
    for kind in KINDS:
        found = named(kind)
        assert found is None or editing.title(kind) == found.title


def test_whoever_runs_code_over_tools_is_listed_three() -> None:
    code = named("code")
    assert code is not None
    assert [tool for tool in names() if code.lists(tool, proxied=False)] == [
        "callmux_search_tools",
        "callmux_get_result",
        "callmux_call",
    ]


def test_whoever_is_listed_few_is_told_how_it_has_those_that_make_several_calls() -> None:
    tools = [{"name": name, "description": f"Is {name}."} for name in names()]
    code, gemini = named("code"), named("gemini")
    assert code is not None
    assert gemini is not None
    assert gemini.shown(tools, proxied=False) == tools
    search, page, call = code.shown(tools, proxied=False)
    assert [one["description"] for one in (search, page)] == [f"Is {one['name']}." for one in (search, page)]
    assert call["description"] == (
        "Is callmux_call: callmux_parallel {calls: [{tool, arguments}]}; "
        "callmux_pipeline {steps: [{tool, arguments}]} for calls in order; "
        "callmux_recipe_run {recipe, arguments}."
    )
    assert tools[names().index(CALL)]["description"] == "Is callmux_call."
    # Of what it may not call nothing is said.
    few = [tool for tool in tools if tool["name"] not in TAKES]
    assert code.shown(few, proxied=False)[-1]["description"] == "Is callmux_call."
    assert not TAKES.keys() - set(names())


def test_a_second_search_is_listed_only_where_it_alone_finds_anything() -> None:
    searching = Persona(name="x", title="X", searches=True)
    assert not searching.lists(SEARCH, proxied=True)
    assert searching.lists(SEARCH, proxied=False)
    assert searching.lists(CALL, proxied=True)


def test_what_is_not_needed_often_may_be_put_aside() -> None:
    claude = named("claude-code")
    assert claude is not None
    assert claude.loads(CALL)
    assert claude.loads(SEARCH)
    assert not claude.loads(STATUS)
    assert Persona(name="x", title="X").loads(STATUS)
