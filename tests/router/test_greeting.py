"""What callmux says of itself: joined capabilities and merged instructions."""

from __future__ import annotations

import json
from typing import Any

from msgspec import Raw

from callmux import __version__
from callmux.router.greeting import OWN_INSTRUCTIONS, SERVER_INFO, greeting, transparent_greeting
from callmux.upstream.offer import Offer

EVERYTHING = {
    "tools": {"listChanged": True},
    "resources": {"subscribe": True, "listChanged": True},
    "prompts": {"listChanged": True},
    "completions": {},
    "logging": {},
}


def offer(instructions: str | None = None, **capabilities: Any) -> Offer:
    raw = {name: Raw(json.dumps(value).encode()) for name, value in capabilities.items()}
    return Offer(capabilities=raw, instructions=instructions)


def said(offers: dict[str, Offer], *, complete: bool = True, own: bool = False) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(greeting("2025-06-18", offers, complete=complete, own=own))
    return answer


def test_w36_clients_and_servers_are_told_the_packages_own_version() -> None:
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
    got = said({"a": offer(tools={}, prompts={}), "b": offer(resources={})})["capabilities"]
    assert got == {key: EVERYTHING[key] for key in ("tools", "prompts", "resources")}


def test_a_capability_we_do_not_know_is_passed_on_the_first_one_winning() -> None:
    got = said({"a": offer(x={"n": 1}), "b": offer(x={"n": 2}, y=[])})["capabilities"]
    assert got == {"tools": {"listChanged": True}, "x": {"n": 1}, "y": []}


def test_instructions_of_several_servers_stand_under_their_names() -> None:
    got = said({"a": offer("A"), "b": offer(), "c": offer("C")}, own=True)["instructions"]
    assert got == f"{OWN_INSTRUCTIONS}\n\n## a\nA\n\n## c\nC"


def test_instructions_of_the_only_server_need_no_name() -> None:
    assert said({"a": offer("A")})["instructions"] == "A"
    assert said({"a": offer("A")}, own=True)["instructions"] == f"{OWN_INSTRUCTIONS}\n\nA"


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


def test_what_the_way_to_the_client_can_do_stands_beside_what_the_servers_say() -> None:
    one = offer(experimental={"x": {"n": 1}})
    for answer in (
        greeting("2025-06-18", {"a": one}, complete=True, own=False, experimental=["c/y"]),
        transparent_greeting("2025-06-18", one, ["c/y"]),
    ):
        assert json.loads(answer)["capabilities"]["experimental"] == {"x": {"n": 1}, "c/y": {}}
    assert one.capabilities["experimental"] == Raw(b'{"x": {"n": 1}}')
