"""What a server offers, and how its tools changed."""

from __future__ import annotations

import json

from msgspec import Raw

from callmux.protocol.shapes import Tool
from callmux.upstream.catalogue import RemovedTool
from callmux.upstream.inventory.offer import (
    KINDS,
    PROMPTS,
    RESOURCES,
    TEMPLATES,
    Item,
    Offer,
    Suite,
    read_items,
)


def tools(*names: str) -> tuple[Tool, ...]:
    return tuple(Tool(json.dumps({"name": name}).encode()) for name in names)


def test_the_first_listing_is_the_first_generation() -> None:
    suite = Suite().after(tools("b", "a"), "now", "before")
    assert suite.listed
    assert (suite.generation, suite.changed_at) == (1, "now")
    assert (suite.added, suite.removed) == (("a", "b"), ())


def test_a_server_without_tools_has_listed_too() -> None:
    assert Suite().after((), "now", "before").listed


def test_the_same_names_are_the_same_generation_with_what_they_say_now() -> None:
    first = Suite().after(tools("a"), "1", "0")
    (changed,) = (Tool(b'{"name":"a","description":"new"}'),)
    second = first.after((changed,), "2", "1")
    assert second.tools == (changed,)
    assert (second.generation, second.changed_at, second.added) == (1, "1", ())


def test_what_is_gone_is_remembered_until_it_comes_back() -> None:
    suite = Suite().after(tools("a", "b"), "1", "0").after(tools("b", "c"), "2", "1")
    assert (suite.generation, suite.added, suite.removed) == (2, ("c",), ("a",))
    assert suite.gone == {"a": RemovedTool(last_seen_at="1", removed_at="2")}
    suite = suite.after(tools("b"), "3", "2")
    assert set(suite.gone) == {"a", "c"}
    suite = suite.after(tools("a", "b"), "4", "3")
    assert set(suite.gone) == {"c"}


def test_items_are_read_by_the_member_that_names_them() -> None:
    assert read_items(PROMPTS, [b'{"name":"p","n":1.50}']) == (Item("p", b'{"name":"p","n":1.50}'),)
    assert read_items(RESOURCES, [b'{"uri":"x:1"}'])[0].key == "x:1"
    assert read_items(TEMPLATES, [b'{"uriTemplate":"x:{n}"}'])[0].key == "x:{n}"


def test_items_that_cannot_be_named_are_left_out() -> None:
    raws = [b"{}", b"[]", b"7", b'{"name":7}', b'{"name":null}', b'{"name":"ok"}', b"{"]
    assert [item.key for item in read_items(PROMPTS, raws)] == ["ok"]


def test_both_lists_of_resources_change_by_one_notification() -> None:
    changed = {kind.changed for kind in KINDS}
    assert changed == {"notifications/prompts/list_changed", "notifications/resources/list_changed"}


def test_an_offer_with_another_list_keeps_the_rest() -> None:
    offer = Offer(instructions="I").with_items(PROMPTS, (Item("p", b"{}"),))
    again = offer.with_items(RESOURCES, (Item("x:1", b"{}"),))
    assert set(again.items) == {PROMPTS, RESOURCES}
    assert again.instructions == "I"
    assert not again.has("prompts")


def test_status_shows_of_the_tools_what_has_changed() -> None:
    assert Suite().record() == {}
    first = Suite().after(tools("a", "b"), "now", "before")
    assert first.record() == {"toolSuiteGeneration": 1, "lastToolSuiteChangeAt": "now"}
    second = first.after(tools("b", "c"), "later", "now")
    assert second.record() == {
        "toolSuiteGeneration": 2,
        "lastToolSuiteChangeAt": "later",
        "addedTools": ["c"],
        "removedTools": ["a"],
    }


def test_two_offers_list_the_same_where_items_and_what_is_beside_them_are_equal() -> None:
    assert Offer().lists_as(Offer(instructions="other"))
    assert not Offer().lists_as(Offer().with_beside("tools", {"x": b"1"}))


def test_status_names_tools_that_are_defined_otherwise_than_before() -> None:
    first = Suite().after(tools("a", "b"), "1", "0")
    second = first.after((Tool(b'{"name":"a","description":"new"}'), *tools("b")), "2", "1")
    assert second.record()["changedTools"] == ["a"]
    assert "changedTools" not in second.after(second.tools, "3", "2").record()


def test_a_part_of_a_capability_is_declared_unless_it_is_false_or_null() -> None:
    said = b'{"list":{},"off":false,"none":null,"requests":{"tools":{"call":{}}}}'
    offer = Offer(capabilities={"tasks": Raw(said), "logging": Raw(b"{}"), "x": Raw(b"null")})
    for path in ("logging", "tasks list", "tasks requests tools call"):
        assert offer.declares(*path.split()), path
    for path in ("x", "y", "y z", "tasks off", "tasks none", "tasks list z"):
        assert not offer.declares(*path.split()), path
