"""The indexes of one configuration are built when they are needed, and anew when a list has changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from callmux.config.check import check_document
from callmux.errors import CallmuxError, ServerDisabled
from callmux.router.indexes import Indexes
from tests.support import play
from tests.upstream.fake_link import FakeLink
from tests.upstream.test_server import Plant

CAPABILITIES: dict[str, Any] = {"tools": {}, "prompts": {}, "resources": {}}
GREETING = {"protocolVersion": "2025-11-25", "capabilities": CAPABILITIES, "serverInfo": {"name": "s"}}
LISTS: dict[str, Any] = {
    "initialize": GREETING,
    "tools__list": {"tools": [{"name": "read"}, {"name": "drop"}]},
    "prompts__list": {"prompts": [{"name": "greet"}, {"name": "part"}]},
    "resources__list": {"resources": [{"uri": "note://1", "name": "n"}]},
    "resources__templates__list": {"resourceTemplates": []},
}


def looked_at(
    look: Callable[[Indexes, Plant], Awaitable[None] | None],
    entry: Mapping[str, Any] | None = None,
    **lists: Any,
) -> None:
    """One server that is up, called `a`, and one that is disabled, called `off`."""

    async def scene() -> None:
        plant = Plant(FakeLink(**{**LISTS, **lists}))
        plant.server.start()
        await plant.up()
        servers = {"a": {"command": "a", **(entry or {})}, "off": {"command": "b", "disabled": True}}
        checked = check_document({"servers": servers})
        assert checked.errors == []
        looking = look(Indexes(checked.config, {"a": plant.server}, {"instanceId": "i"}), plant)
        if looking is not None:
            await looking
        await plant.server.close()

    play(scene())


def names(indexes: Indexes) -> list[str]:
    return sorted(entry.tool.name for entry in indexes.catalogue().of_server("a"))


def test_tools_prompts_and_resources_are_found() -> None:
    def look(indexes: Indexes, plant: Plant) -> None:
        assert names(indexes) == ["drop", "read"]
        assert sorted(entry.tool.name for entry in indexes.prompts().of_server("a")) == ["greet", "part"]
        assert [place.server for place in indexes.resources().find("note://1")] == ["a"]

    looked_at(look)


def test_what_the_configuration_leaves_out_is_not_there() -> None:
    def look(indexes: Indexes, plant: Plant) -> None:
        assert names(indexes) == ["read"]
        assert [entry.tool.name for entry in indexes.prompts().of_server("a")] == ["greet"]

    looked_at(look, {"denyTools": ["drop"], "prompts": ["greet"]})


def test_a_disabled_server_is_known_by_name_only() -> None:
    def look(indexes: Indexes, plant: Plant) -> None:
        with pytest.raises(CallmuxError) as raised:
            indexes.catalogue().find("t", "off")
        assert isinstance(raised.value, ServerDisabled)

    looked_at(look)


def test_an_index_is_built_once_until_it_is_forgotten() -> None:
    def look(indexes: Indexes, plant: Plant) -> None:
        before = indexes.catalogue(), indexes.prompts(), indexes.resources()
        assert (indexes.catalogue(), indexes.prompts(), indexes.resources()) == before
        assert indexes.catalogue() is before[0]
        indexes.forget()
        assert indexes.catalogue() is not before[0]
        assert indexes.prompts() is not before[1]
        assert indexes.resources() is not before[2]

    looked_at(look)


def test_clients_of_all_kinds_share_a_catalogue_where_nothing_differs() -> None:
    def look(indexes: Indexes, plant: Plant) -> None:
        assert indexes.kinds(b'{"elicitation":{}}') == ()
        assert indexes.narrowed(()) is indexes.catalogue()

    looked_at(look)


async def test_a_server_that_comes_up_after_the_list_was_given_joins_it_at_its_end() -> None:
    early, late = Plant(), Plant()
    await early.up()
    config = check_document({"servers": {"late": {"command": "b"}, "early": {"command": "a"}}}).config
    servers = {"late": late.server, "early": early.server}
    indexes = Indexes(config, servers, {"instanceId": "i"})
    assert indexes.catalogue().late == ()
    indexes.given()
    await late.up()
    indexes.forget()
    indexes.given()
    assert indexes.catalogue().late == ("late",)
    indexes.forget()
    assert indexes.catalogue().late == ("late",)
    after = Indexes(config, servers, {"instanceId": "i"})
    after.take_over(indexes)
    assert after.catalogue().late == ("late",)
    for plant in (early, late):
        await plant.server.close()


async def test_one_that_was_up_when_the_list_was_given_keeps_its_place() -> None:
    plant, other = Plant(), Plant()
    await plant.up()
    await other.up()
    config = check_document({"servers": {"a": {"command": "b"}, "b": {"command": "a"}}}).config
    indexes = Indexes(config, {"a": plant.server, "b": other.server}, {"instanceId": "i"})
    indexes.given()
    plant.made[0].dies()
    await plant.acquire()
    indexes.forget()
    assert indexes.catalogue().late == ()
    for one in (plant, other):
        await one.server.close()
