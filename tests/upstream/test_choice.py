"""A client gets the connection that fits it, whether the server is up or sleeps."""

from __future__ import annotations

from typing import Any

from callmux.upstream.lanes import Sharing
from tests.support import FakeClient, settle
from tests.upstream.fake_link import FakeLink
from tests.upstream.test_demand import Kept, lazy
from tests.upstream.test_server import Plant, tools

ABLE = b'{"elicitation":{}}'


async def test_a_client_that_comes_while_the_server_sleeps_starts_nothing() -> None:
    """Its first call starts the server with what this client declares."""
    plant = lazy(Plant(), Kept("t"))
    plant.server.start()
    client = FakeClient(ABLE)
    plant.server.choice.welcome(client)
    assert plant.server.unlisted_for(client) is None
    await settle()
    assert (plant.made, plant.tools) == ([], ["t"])
    connection = await plant.server.acquire("t", client)
    assert connection is plant.server.connection
    assert connection.declared == ABLE
    assert len(plant.made) == 1
    await plant.server.close()


async def test_what_was_kept_for_clients_that_declare_the_same_is_shown() -> None:
    plant = Plant()
    plant = lazy(plant, Kept("general"))
    own = Kept("special")
    listings: dict[bytes, Any] = {b"{}": Kept("general"), ABLE: own}
    plant.server.inventory._listed._listing_for = listings.get
    plant.server.start()
    assert plant.tools == ["general"]
    plant.server.choice.welcome(FakeClient(ABLE))
    assert (plant.tools, plant.changes, plant.made) == (["special"], 1, [])
    # The second kind of client does not take it from the first.
    plant.server.choice.welcome(FakeClient(b"{}"))
    assert plant.tools == ["special"]
    await plant.server.close()


async def test_what_others_list_is_read_once_the_server_is_awake() -> None:
    """Until then they see what is known."""

    plant = lazy(Plant(FakeLink(), FakeLink(tools__list=tools("t", "more"))), Kept("t"))
    plant.server.start()
    first, able = FakeClient(), FakeClient(ABLE)
    plant.server.choice.welcome(first)
    plant.server.choice.welcome(able)
    assert plant.server.unlisted_for(able) is None
    plant.server.in_use.take()
    await plant.server.acquire("t", first)
    await settle()
    kind = plant.server.kind_of(ABLE)
    assert kind is not None
    assert [tool.name for tool in plant.server.views.of(kind)] == ["t", "more"]
    await plant.server.close()


async def test_how_connections_are_shared_may_change() -> None:
    plant = await Plant().up()
    rooted = FakeClient(b'{"roots":{}}')
    assert plant.server.choice.declared(rooted) == b'{"roots":{}}'
    plant.server.share(Sharing(rootless=True))
    assert plant.server.choice.declared(rooted) == b"{}"
    assert repr(plant.server.choice).startswith("LaneChoice(MainLine('s', connected), Questions(")
    await plant.server.close()
