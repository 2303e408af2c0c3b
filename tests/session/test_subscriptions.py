"""Several sessions, one subscription at the server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from callmux.context import CallContext
from callmux.protocol.jsonrpc import RpcError
from callmux.session.subscriptions import MOST_UPDATES, Subscriptions
from callmux.upstream.resources import Place
from tests.support import FakeClient, play, settle


class FakeOffers:
    """URIs begin with their server: `a!x` is `x` at `a`; what is refused is told."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Place, Mapping[str, Raw]]] = []
        self.refused: set[str] = set()

    async def resource_places(self, uri: str, context: CallContext) -> Sequence[Place]:
        server, _, bare = uri.partition("!")
        return [Place(server, bare)]

    async def subscribe(
        self, places: Sequence[Place], given: Mapping[str, Raw], context: CallContext
    ) -> Place:
        if places[0].uri in self.refused:
            raise RpcError(-1, "no")
        self.asked.append(("on", places[0], given))
        return places[0]

    async def unsubscribe(self, place: Place, given: Mapping[str, Raw], context: CallContext) -> None:
        self.asked.append(("off", place, given))
        if place.uri in self.refused:
            raise RpcError(-1, "down")


class Desk:
    def __init__(self) -> None:
        self.kept: list[tuple[str, bool]] = []
        self.offers: Any = FakeOffers()
        self.all = Subscriptions(lambda place, wanted: self.kept.append((place.uri, wanted)))

    @property
    def asked(self) -> list[tuple[str, str]]:
        return [(what, place.uri) for what, place, _ in self.offers.asked]

    def updated(self, server: str, **params: Any) -> None:
        self.all.updated(server, Raw(json.dumps(params).encode()))


def client() -> Any:
    return FakeClient()


def uris(client: Any) -> list[str]:
    return [params["uri"] for _, params in client.notes]


async def test_the_first_subscribes_and_the_last_ends_it() -> None:
    desk, one, two = Desk(), client(), client()
    await desk.all.add(one, "a!x", desk.offers, {"_meta": Raw(b"{}")})
    await desk.all.add(two, "a!x", desk.offers)
    assert desk.asked == [("on", "x")]
    assert desk.offers.asked[0][2] == {"_meta": Raw(b"{}")}
    await desk.all.remove(one, "a!x", desk.offers)
    assert desk.asked == [("on", "x")]
    await desk.all.remove(two, "a!x", desk.offers)
    assert desk.asked == [("on", "x"), ("off", "x")]
    assert desk.kept == [("x", True), ("x", True), ("x", False)]


async def test_updates_come_under_the_uri_that_each_knows() -> None:
    desk, one, two = Desk(), client(), client()
    await desk.all.add(one, "a!x", desk.offers)
    await desk.all.add(two, "b!x", desk.offers)
    desk.updated("a", uri="x", n=1)
    assert one.notes == [("notifications/resources/updated", {"uri": "a!x", "n": 1})]
    assert two.notes == []


@pytest.mark.parametrize(
    ("subscribed", "updated", "heard"),
    [
        ("a!x:/d", "x:/d/f", ["a!x:/d/f"]),
        ("a!x:/d/", "x:/d/f", ["a!x:/d/f"]),
        ("a!x:/d", "x:/d?q", ["a!x:/d?q"]),
        ("a!x:/d", "x:/d#q", ["a!x:/d#q"]),
        ("a!x:/d", "x:/dd", []),
        ("a!x:/d/f", "x:/d", []),
        ("a!x:/d", "y", []),
    ],
)
async def test_an_update_may_stand_below_what_is_subscribed(
    subscribed: str, updated: str, heard: list[str]
) -> None:
    desk, one = Desk(), client()
    await desk.all.add(one, subscribed, desk.offers)
    desk.updated("a", uri=updated)
    assert uris(one) == heard


async def test_who_wants_the_very_resource_goes_before_who_wants_what_is_above() -> None:
    """Both would be a second update for a client that wants both."""

    desk, one, two = Desk(), client(), client()
    await desk.all.add(one, "a!x:/d", desk.offers)
    await desk.all.add(two, "a!x:/d/f", desk.offers)
    desk.updated("a", uri="x:/d/f")
    assert uris(two) == ["a!x:/d/f"]


@pytest.mark.parametrize("params", [None, Raw(b"{}"), Raw(b'{"uri":7}'), Raw(b"[]")])
async def test_an_update_of_nothing_is_for_nobody(params: Raw | None) -> None:
    desk, one = Desk(), client()
    await desk.all.add(one, "a!x", desk.offers)
    desk.all.updated("a", params)
    assert one.notes == []


async def test_a_refused_subscription_is_none() -> None:
    desk, one = Desk(), client()
    desk.offers.refused.add("x")
    with pytest.raises(RpcError):
        await desk.all.add(one, "a!x", desk.offers)
    assert desk.kept == []
    desk.updated("a", uri="x")
    assert one.notes == []


async def test_a_session_that_is_over_ends_what_was_its_alone() -> None:
    """Though a server may be down and cannot be told."""

    desk, one, two = Desk(), client(), client()
    for uri in ("a!x", "a!y", "a!z"):
        await desk.all.add(one, uri, desk.offers)
    await desk.all.add(two, "a!y", desk.offers)
    desk.offers.refused.add("x")
    await desk.all.forget(one, desk.offers)
    # What is left was asked for on the connection of the one who left.
    assert desk.asked[3:] == [("off", "x"), ("off", "z"), ("on", "y")]
    desk.updated("a", uri="y")
    assert (uris(one), uris(two)) == ([], ["a!y"])


async def test_ending_what_was_never_begun_is_the_servers_to_judge() -> None:
    desk, one = Desk(), client()
    await desk.all.remove(one, "a!x", desk.offers)
    assert desk.asked == [("off", "x")]


async def test_a_session_knows_what_it_is_subscribed_to() -> None:
    desk, one, other = Desk(), client(), client()
    for session, uri in ((one, "a!x"), (one, "b!y"), (other, "a!x")):
        await desk.all.add(session, uri, desk.offers)
    assert (desk.all.of(one), desk.all.of(other), desk.all.of(client())) == (["a!x", "b!y"], ["a!x"], [])


class SlowOffers(FakeOffers):
    """A server that knows what it was told last about each URI, and answers when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.subscribed: set[str] = set()
        self.waiting: list[asyncio.Future[None]] = []

    async def _slowly(self) -> None:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(answer)
        await answer

    async def subscribe(
        self, places: Sequence[Place], given: Mapping[str, Raw], context: CallContext
    ) -> Place:
        self.subscribed.add(places[0].uri)
        await self._slowly()
        return await super().subscribe(places, given, context)

    async def unsubscribe(self, place: Place, given: Mapping[str, Raw], context: CallContext) -> None:
        self.subscribed.discard(place.uri)
        await self._slowly()
        await super().unsubscribe(place, given, context)

    def answer(self, n: int = 0) -> None:
        self.waiting.pop(n).set_result(None)


def slow_desk() -> Desk:
    desk = Desk()
    desk.offers = SlowOffers()
    return desk


async def test_who_never_subscribed_does_not_undo_the_subscription_that_another_is_making() -> None:
    desk, one, two = slow_desk(), client(), client()
    adding = asyncio.ensure_future(desk.all.add(one, "a!x", desk.offers))
    await settle()
    removing = asyncio.ensure_future(desk.all.remove(two, "a!x", desk.offers))
    await settle()
    desk.offers.answer()
    await asyncio.gather(adding, removing)
    assert desk.asked == [("on", "x")]
    desk.updated("a", uri="x")
    assert uris(one) == ["a!x"]
    assert repr(desk.all) == "Subscriptions(1 places, 0 being changed)"


async def test_an_update_that_comes_while_the_subscription_is_made_is_told_once_it_is() -> None:
    desk, one = slow_desk(), client()
    adding = asyncio.ensure_future(desk.all.add(one, "a!x:/d", desk.offers))
    await settle()
    for uri in ("x:/d", "x:/d/f", "x:/e"):
        desk.updated("a", uri=uri)
    assert uris(one) == []
    desk.offers.answer()
    await adding
    assert uris(one) == ["a!x:/d", "a!x:/d/f"]


async def test_an_update_before_a_subscription_that_is_refused_is_told_to_nobody() -> None:
    desk, one = slow_desk(), client()
    desk.offers.refused.add("x")
    adding = asyncio.ensure_future(desk.all.add(one, "a!x", desk.offers))
    await settle()
    desk.updated("a", uri="x")
    desk.offers.answer()
    with pytest.raises(RpcError):
        await adding
    assert uris(one) == []
    assert repr(desk.all) == "Subscriptions(0 places, 0 being changed)"


async def test_updates_that_are_kept_meanwhile_are_bounded() -> None:
    desk, one = slow_desk(), client()
    adding = asyncio.ensure_future(desk.all.add(one, "a!x", desk.offers))
    await settle()
    for _ in range(10 * MOST_UPDATES):
        desk.updated("a", uri="x")
    desk.offers.answer()
    await adding
    assert len(uris(one)) == MOST_UPDATES


async def test_a_subscription_that_a_reload_overtakes_is_made_at_the_new_server() -> None:
    before, after = SlowOffers(), FakeOffers()
    offers: list[Any] = [before]
    subscriptions = Subscriptions(lambda place, wanted: None, lambda: offers[-1])
    adding = asyncio.ensure_future(subscriptions.add(client(), "a!x", offers[0]))
    await settle()
    offers.append(after)
    before.answer()
    await adding
    assert [place.uri for _, place, _ in after.asked] == ["x"]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3), st.sampled_from(["x", "y"]), st.sampled_from(["on", "off", "answer", "leave"])
        ),
        max_size=40,
    )
)
@settings(deadline=None, derandomize=True, database=None)
def test_whatever_the_order_the_server_tells_of_what_somebody_wants(
    steps: list[tuple[int, str, str]],
) -> None:
    """Each client waits for its answers; the server answers late, in any order."""

    async def scene() -> None:
        desk = slow_desk()
        clients = [client() for _ in range(4)]
        wanted: dict[int, set[str]] = {n: set() for n in range(4)}
        running: dict[int, asyncio.Future[None]] = {}
        for n, uri, act in steps:
            if act == "answer":
                if desk.offers.waiting:
                    desk.offers.answer(n % len(desk.offers.waiting))
            elif n not in running or running[n].done():
                if act == "leave":
                    work = desk.all.forget(clients[n], desk.offers)
                    wanted[n].clear()
                elif act == "on":
                    work = desk.all.add(clients[n], f"a!{uri}", desk.offers)
                    wanted[n].add(uri)
                else:
                    work = desk.all.remove(clients[n], f"a!{uri}", desk.offers)
                    wanted[n].discard(uri)
                running[n] = asyncio.ensure_future(work)
            await settle()
        while desk.offers.waiting:
            desk.offers.answer()
            await settle()
        await asyncio.gather(*running.values())
        assert desk.offers.subscribed == set().union(*wanted.values())
        for uri in ("x", "y"):
            desk.updated("a", uri=uri)
        for n, one in enumerate(clients):
            assert sorted(uris(one)) == sorted(f"a!{uri}" for uri in wanted[n])
        assert repr(desk.all).endswith("0 being changed)")

    play(scene())
