"""Several sessions, one subscription at the server."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from msgspec import Raw

from callmux.context import CallContext
from callmux.protocol.jsonrpc import RpcError
from callmux.session.subscriptions import Subscriptions
from callmux.upstream.resources import Place
from tests.support import FakeClient, play


class FakeOffers:
    """URIs begin with their server: `a!x` is `x` at `a`; what is refused is told."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Place, Mapping[str, Raw]]] = []
        self.refused: set[str] = set()

    async def resource_places(self, uri: str) -> Sequence[Place]:
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


def test_the_first_subscribes_and_the_last_ends_it() -> None:
    async def scene() -> None:
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

    play(scene())


def test_updates_come_under_the_uri_that_each_knows() -> None:
    async def scene() -> None:
        desk, one, two = Desk(), client(), client()
        await desk.all.add(one, "a!x", desk.offers)
        await desk.all.add(two, "b!x", desk.offers)
        desk.updated("a", uri="x", n=1)
        assert one.notes == [("notifications/resources/updated", {"uri": "a!x", "n": 1})]
        assert two.notes == []

    play(scene())


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
def test_an_update_may_stand_below_what_is_subscribed(
    subscribed: str, updated: str, heard: list[str]
) -> None:
    async def scene() -> None:
        desk, one = Desk(), client()
        await desk.all.add(one, subscribed, desk.offers)
        desk.updated("a", uri=updated)
        assert uris(one) == heard

    play(scene())


def test_who_wants_the_very_resource_goes_before_who_wants_what_is_above() -> None:
    """Both would be a second update for a client that wants both."""

    async def scene() -> None:
        desk, one, two = Desk(), client(), client()
        await desk.all.add(one, "a!x:/d", desk.offers)
        await desk.all.add(two, "a!x:/d/f", desk.offers)
        desk.updated("a", uri="x:/d/f")
        assert uris(two) == ["a!x:/d/f"]

    play(scene())


@pytest.mark.parametrize("params", [None, Raw(b"{}"), Raw(b'{"uri":7}'), Raw(b"[]")])
def test_an_update_of_nothing_is_for_nobody(params: Raw | None) -> None:
    async def scene() -> None:
        desk, one = Desk(), client()
        await desk.all.add(one, "a!x", desk.offers)
        desk.all.updated("a", params)
        assert one.notes == []

    play(scene())


def test_a_refused_subscription_is_none() -> None:
    async def scene() -> None:
        desk, one = Desk(), client()
        desk.offers.refused.add("x")
        with pytest.raises(RpcError):
            await desk.all.add(one, "a!x", desk.offers)
        assert desk.kept == []
        desk.updated("a", uri="x")
        assert one.notes == []

    play(scene())


def test_a_session_that_is_over_ends_what_was_its_alone() -> None:
    """Though a server may be down and cannot be told."""

    async def scene() -> None:
        desk, one, two = Desk(), client(), client()
        for uri in ("a!x", "a!y", "a!z"):
            await desk.all.add(one, uri, desk.offers)
        await desk.all.add(two, "a!y", desk.offers)
        desk.offers.refused.add("x")
        await desk.all.forget(one, desk.offers)
        assert desk.asked[3:] == [("off", "x"), ("off", "z")]
        desk.updated("a", uri="y")
        assert (uris(one), uris(two)) == ([], ["a!y"])

    play(scene())


def test_ending_what_was_never_begun_is_the_servers_to_judge() -> None:
    async def scene() -> None:
        desk, one = Desk(), client()
        await desk.all.remove(one, "a!x", desk.offers)
        assert desk.asked == [("off", "x")]

    play(scene())


def test_a_session_knows_what_it_is_subscribed_to() -> None:
    async def scene() -> None:
        desk, one, other = Desk(), client(), client()
        for session, uri in ((one, "a!x"), (one, "b!y"), (other, "a!x")):
            await desk.all.add(session, uri, desk.offers)
        assert (desk.all.of(one), desk.all.of(other), desk.all.of(client())) == (["a!x", "b!y"], ["a!x"], [])

    play(scene())
