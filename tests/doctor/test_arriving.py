"""What is said to reach a model is what the client's rules leave of it."""

from __future__ import annotations

from typing import Any

import msgspec

from callmux.doctor.arriving import arrivals, descriptions, lines
from callmux.router.personas import Citation, Persona
from callmux.tokens import estimate

EVERYTHING = Persona(name="open", title="Open")


def tool(name: str, description: str, *, loaded: bool = False) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": name, "description": description, "inputSchema": {"type": "object"}}
    return shown | ({"_meta": {"anthropic/alwaysLoad": True}} if loaded else {})


def test_a_client_that_cuts_nothing_shows_all_of_it() -> None:
    found = arrivals(EVERYTHING, "Be brief.", [tool("a", "Does a.")])
    assert found.instructions.state == "whole"
    assert found.instructions.arrived == found.instructions.sent == 9
    (one,) = found.tools
    assert (one.name, one.state, one.arrived) == ("a", "whole", one.sent)
    assert found.tokens == found.instructions.tokens + one.tokens > 0


def test_what_a_client_does_not_show_its_model_costs_nothing() -> None:
    bare, more = tool("a", "x"), tool("a", "x") | {"outputSchema": {"type": "object"}, "title": "A"}
    assert arrivals(EVERYTHING, "", [bare]).tokens == arrivals(EVERYTHING, "", [more]).tokens


def test_a_tool_without_a_description_is_whole_wherever_the_client_cuts() -> None:
    persona = Persona(name="c", title="C", description=20)
    (one,) = arrivals(persona, "", [{"name": "a", "inputSchema": {"type": "object"}}]).tools
    assert (one.state, one.arrived) == ("whole", one.sent)


def test_texts_are_cut_where_the_client_cuts_them() -> None:
    persona = Persona(name="c", title="C", instructions=10, description=20)
    found = arrivals(persona, "i" * 30, [tool("a", "d" * 50), tool("b", "d" * 20)])
    assert (found.instructions.state, found.instructions.sent, found.instructions.arrived) == ("cut", 30, 10)
    cut, whole = found.tools
    assert (cut.state, cut.sent - cut.arrived) == ("cut", 30)
    assert whole.state == "whole"


def test_descriptions_of_parameters_are_dropped_where_the_client_finds_them_too_long() -> None:
    def listed(words: str) -> dict[str, Any]:
        schema = {
            "type": "object",
            "properties": {"description": {"type": "array", "items": [{"description": words}]}},
        }
        return tool("a", "Does a.") | {"inputSchema": schema}

    size = len(msgspec.json.encode(listed("x" * 20)["inputSchema"]))
    persona = Persona(name="c", title="C", schema=size)
    (short,) = arrivals(persona, "", [listed("x" * 20)]).tools
    (long,) = arrivals(persona, "", [listed("x" * 21)]).tools
    assert (short.state, long.state) == ("whole", "cut")
    assert long.sent - long.arrived == len(',"description":""') - 1 + 21
    assert long.tokens < short.tokens


def test_a_tool_whose_members_for_clients_are_malformed_does_not_ask_to_be_loaded() -> None:
    persona = Persona(name="c", title="C", defers=True)
    (one,) = arrivals(persona, "", [tool("a", "x") | {"_meta": ["anthropic/alwaysLoad"]}]).tools
    assert one.state == "aside"


def test_what_does_not_ask_to_be_loaded_is_a_name_where_a_client_puts_tools_aside() -> None:
    persona = Persona(name="c", title="C", defers=True)
    found = arrivals(persona, "", [tool("a", "x" * 99, loaded=True), tool("later", "y" * 99)])
    at_once, aside = found.tools
    assert at_once.state == "whole"
    assert (aside.state, aside.tokens) == ("aside", estimate("later"))
    text = "\n".join(lines(found))
    assert "  tools: 1, " in text
    assert "by name only, until it searches: 1, " in text


def test_no_instructions_cost_nothing() -> None:
    assert arrivals(EVERYTHING, "", []).tokens == 0


def test_people_see_the_sums_and_where_the_rules_come_from() -> None:
    seen = Citation("It cuts.", "seen with Cutter 1.2", "2026-11-30", recorded=True)
    read = Citation("It may cut.", "a page", "2026-06-01")
    persona = Persona(name="c", title="Cutter", instructions=4, sources=(seen, read))
    shown = lines(arrivals(persona, "too long", [tool("a", "x")]))
    assert shown[0] == "What reaches the model of Cutter, at every turn:"
    assert shown[1].endswith("4 characters of 8: the rest is cut off")
    assert "  It cuts. (seen with Cutter 1.2, 2026-11-30)" in shown
    assert "  It may cut. (a page, 2026-06-01; not recorded)" in shown


def test_a_kind_of_clients_of_which_nothing_is_known_says_so_and_how_a_client_comes_to_be_one() -> None:
    which, unknown = lines(arrivals(EVERYTHING, "", []))[-2:]
    assert which.endswith('where the configuration has "persona": "open"')
    assert "not recorded" in unknown


def test_descriptions_are_found_wherever_they_stand_and_a_property_of_that_name_is_none() -> None:
    items = [{"description": "an item"}, {"description": "another"}, "description"]
    properties = {"description": {"type": "array", "description": "a property", "items": items}}
    definition = tool("a", "a tool") | {"inputSchema": {"properties": properties}}
    assert list(descriptions(definition)) == ["a tool", "a property", "an item", "another"]
    assert list(descriptions("a text")) == []
