"""What callmux says of itself: joined capabilities and merged instructions."""

from __future__ import annotations

import json
from typing import Any

from msgspec import Raw

from callmux import __version__
from callmux.router.greeting import (
    APPROVAL_INSTRUCTIONS,
    INDEX_INSTRUCTIONS,
    OWN_INSTRUCTIONS,
    SERVER_INFO,
    greeting,
    portrait,
    transparent_greeting,
)
from callmux.router.text_size import CUT, characters
from callmux.upstream.inventory.offer import Offer

EVERYTHING = {
    "tools": {"listChanged": True},
    "resources": {"subscribe": True, "listChanged": True},
    "prompts": {"listChanged": True},
    "completions": {},
    "logging": {},
    "extensions": {"io.modelcontextprotocol/skills": {"directoryRead": True}},
}


def offer(instructions: str | None = None, **capabilities: Any) -> Offer:
    raw = {name: Raw(json.dumps(value).encode()) for name, value in capabilities.items()}
    return Offer(capabilities=raw, instructions=instructions)


def said(
    offers: dict[str, Offer],
    *,
    complete: bool = True,
    own: bool = False,
    several: bool = False,
    asks: bool = False,
) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(
        greeting("2025-06-18", offers, complete=complete, own=own, several=several, asks=asks)
    )
    return answer


def test_clients_and_servers_are_told_the_packages_own_version() -> None:
    """W36: three versions were told. The listener's greeting is this one, too."""
    assert SERVER_INFO["version"] == __version__
    assert said({})["serverInfo"]["version"] == __version__


def test_it_names_the_revision_and_callmux() -> None:
    answer = said({})
    assert answer == {
        "protocolVersion": "2025-06-18",
        "capabilities": {"tools": {"listChanged": True}},
        "serverInfo": SERVER_INFO,
    }


def test_while_a_server_is_starting_everything_is_declared() -> None:
    assert said({"a": offer(tools={})}, complete=False)["capabilities"] == EVERYTHING


def test_what_is_known_already_is_declared_though_another_server_is_starting() -> None:
    """Tasks, for example: what is not declared is lost for the session."""
    got = said({"a": offer(tools={}, tasks={"list": {}})}, complete=False)["capabilities"]
    assert got == {**EVERYTHING, "tasks": {"list": {}}}


def test_once_all_are_up_only_what_one_of_them_has() -> None:
    got = said({"a": offer(tools={}, prompts={}), "b": offer(resources={"subscribe": True})})["capabilities"]
    assert got == {key: EVERYTHING[key] for key in ("tools", "prompts", "resources")}


def test_a_capability_we_do_not_know_is_declared_for_one_server_alone() -> None:
    """Of several servers nobody could tell which one its requests are for."""
    got = said({"a": offer(x={"n": 1}, y=[])})["capabilities"]
    assert got == {"tools": {"listChanged": True}, "x": {"n": 1}, "y": []}
    for both in ({"a": offer(x={"n": 1}), "b": offer()}, {"a": offer(x={"n": 1})}):
        assert said(both, several=True)["capabilities"] == {"tools": {"listChanged": True}}


def test_of_extensions_only_those_are_joined_whose_requests_can_be_routed() -> None:
    ui, skills = "io.modelcontextprotocol/ui", "io.modelcontextprotocol/skills"
    a = offer(extensions={ui: {"mimeTypes": ["a"], "x": 1}, skills: {}})
    b = offer(extensions={ui: {"mimeTypes": ["a", "b"], "x": 2}, "other": {}})
    assert said({"a": a})["capabilities"]["extensions"] == {ui: {"mimeTypes": ["a"], "x": 1}, skills: {}}
    joined = {ui: {"mimeTypes": ["a", "b"], "x": 1}, skills: {}}
    assert said({"a": a, "b": b})["capabilities"]["extensions"] == joined
    assert "extensions" not in said({"a": offer(extensions={"other": {}}), "b": offer()})["capabilities"]


def test_a_setting_that_one_server_declares_is_declared() -> None:
    skills = "io.modelcontextprotocol/skills"
    for one, other in (({"directoryRead": False}, {"directoryRead": True}), ({}, {"directoryRead": True})):
        for first, second in ((one, other), (other, one)):
            told = said({"a": offer(extensions={skills: first}), "b": offer(extensions={skills: second})})
            assert told["capabilities"]["extensions"][skills] == {"directoryRead": True}


def test_while_some_of_several_start_all_is_declared_that_they_may_have() -> None:
    skills = "io.modelcontextprotocol/skills"
    told = said({"a": offer(extensions={"other": {}})}, complete=False, several=True)
    assert told["capabilities"]["extensions"] == {skills: {"directoryRead": True}}
    alone = said({"a": offer(extensions={"other": {"n": 1}})}, complete=False)
    assert alone["capabilities"]["extensions"] == {"other": {"n": 1}, skills: {"directoryRead": True}}


def test_events_of_several_servers_are_declared_without_what_one_of_them_says_beside() -> None:
    a, b = offer(events={"listChanged": True}), offer(tools={})
    assert said({"a": a, "b": b})["capabilities"]["events"] == {}
    assert said({"a": a})["capabilities"]["events"] == {"listChanged": True}


def test_tasks_and_experiments_of_several_servers_are_joined() -> None:
    a = offer(tasks={"list": {}}, experimental={"x": {"n": 1}})
    b = offer(
        tasks={"cancel": {}, "requests": {"tools": {"call": {}}}}, experimental={"x": {"n": 2}, "y": {}}
    )
    got = said({"a": a, "b": b})["capabilities"]
    assert got["tasks"] == {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}
    assert got["experimental"] == {"x": {"n": 1}, "y": {}}
    again = json.loads(
        greeting("2025-06-18", {"a": a, "b": b}, complete=True, own=False, experimental=["c/y"])
    )
    assert again["capabilities"]["experimental"] == {"x": {"n": 1}, "y": {}, "c/y": {}}


def test_subscriptions_are_declared_where_a_server_has_them() -> None:
    odd: list[Any] = [False, None, {}]
    for subscribe in odd:
        got = said({"a": offer(resources={"subscribe": subscribe})})["capabilities"]["resources"]
        assert got == {"listChanged": True}
    one, other = offer(resources={}), offer(resources={"subscribe": True})
    for offers in ({"a": one, "b": other}, {"a": other, "b": one}):
        assert said(offers)["capabilities"]["resources"] == {"subscribe": True, "listChanged": True}


def test_instructions_of_several_servers_stand_under_their_names() -> None:
    got = said({"a": offer("A"), "b": offer(), "c": offer("C")}, own=True)["instructions"]
    assert got == f"{OWN_INSTRUCTIONS}\n\n## a\nA\n\n## c\nC"


def test_instructions_of_the_only_server_need_no_name() -> None:
    assert said({"a": offer("A")})["instructions"] == "A"
    assert said({"a": offer("A")}, own=True)["instructions"] == f"{OWN_INSTRUCTIONS}\n\nA"


def test_where_a_person_is_asked_agents_are_told_what_a_refusal_means() -> None:
    got = said({"a": offer("A")}, own=True, asks=True)["instructions"]
    assert got == f"{OWN_INSTRUCTIONS}\n\n{APPROVAL_INSTRUCTIONS}\n\nA"
    assert "approval_denied" in said({"a": offer()}, asks=True)["instructions"]


def test_without_any_instructions_there_are_none() -> None:
    assert "instructions" not in said({"a": offer(), "b": offer("")})


def test_the_transparent_greeting_is_the_servers_own() -> None:
    one = Offer(
        capabilities={"tools": Raw(b"{}"), "x": Raw(b"1.50")},
        instructions="I",
        server_info=b'{"name":"s","n":1.50}',
    )
    assert transparent_greeting("2025-06-18", one) == (
        b'{"protocolVersion":"2025-06-18","capabilities":{"tools":{},"x":1.50},'
        b'"serverInfo":{"name":"s","n":1.50},"instructions":"I"}'
    )


def test_a_server_without_a_name_goes_by_ours() -> None:
    answer = json.loads(transparent_greeting("2025-06-18", Offer()))
    assert answer == {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": SERVER_INFO}


def test_a_client_without_a_handshake_is_told_the_same_but_for_what_it_cannot_ask() -> None:
    one = offer("do this", tools={}, tasks={}, prompts={})
    told = portrait({"a": one}, complete=True, own=True)
    assert told.capabilities.keys() == {"tools", "prompts"}
    assert told.instructions.endswith("do this")
    assert b"callmux" in told.info
    assert portrait({}, complete=False, own=False).capabilities.keys() >= {"tools", "prompts", "resources"}


def test_to_such_a_client_the_only_server_speaks_for_itself() -> None:
    one = Offer(capabilities={"tools": Raw(b"{}")}, server_info=b'{"name":"s"}', instructions="hi")
    told = portrait({"a": one}, complete=True, own=True, transparent=True)
    assert (told.info, told.instructions, told.complete) == (b'{"name":"s"}', "hi", True)
    nameless = portrait({"a": Offer()}, complete=True, own=True, transparent=True)
    assert (b"callmux" in nameless.info, nameless.instructions) == (True, "")


def test_what_the_way_to_the_client_can_do_stands_beside_what_the_servers_say() -> None:
    one = offer(experimental={"x": {"n": 1}})
    for answer in (
        greeting("2025-06-18", {"a": one}, complete=True, own=False, experimental=["c/y"]),
        transparent_greeting("2025-06-18", one, ["c/y"]),
    ):
        assert json.loads(answer)["capabilities"]["experimental"] == {"x": {"n": 1}, "c/y": {}}
    assert one.capabilities["experimental"] == Raw(b'{"x": {"n": 1}}')


def told(offers: dict[str, Offer], servers: str = "a 1, b 2", *, asks: bool = False) -> str:
    answer = json.loads(greeting("2025-06-18", offers, complete=True, own=True, told=servers, asks=asks))
    seen = portrait(offers, complete=True, own=True, told=servers, asks=asks)
    assert seen.instructions == answer["instructions"]
    text: str = answer["instructions"]
    return text


def test_where_an_index_stands_in_descriptions_instructions_name_the_servers() -> None:
    text = told({"b": offer("B"), "a": offer("A")})
    assert text.startswith(OWN_INSTRUCTIONS)
    assert "Servers with their number of tools: a 1, b 2." in text
    assert text.endswith("## a\nA\n\n## b\nB")
    assert APPROVAL_INSTRUCTIONS in told({}, asks=True)
    assert told({"a": offer("  A ")}, "").endswith(f"{INDEX_INSTRUCTIONS}\n\nA")


def test_beside_an_index_all_instructions_together_are_no_longer_than_clients_show() -> None:
    """Each server has an equal share, and gets what others leave; of too many the last ones say nothing."""
    two = told({"a": offer("Short."), "b": offer("Says a lot. " * 300)})
    assert "## a\nShort." in two
    assert CUT - 100 < characters(two) <= CUT
    many = told({f"s{n:02}": offer(f"Says {n}. " * 40) for n in range(50)})
    assert characters(many) <= CUT
    assert "## s00\nSays 0." in many
    assert "## s49" not in many
