"""Which connection a call takes: clients share one unless they must not."""

from __future__ import annotations

from typing import Any

from callmux.upstream.lanes import LaneKey, choose_lane

PLAIN, ASKED = b"{}", b'{"sampling":{}}'


class Client:
    def __init__(self, capabilities: bytes = PLAIN, own_lanes: bool = False) -> None:
        self.capabilities = capabilities
        self.own_lanes = own_lanes


def lane(client: Any, *, main: bytes = PLAIN, owner: Any = None, asking: bool = False) -> LaneKey | None:
    return choose_lane(client, main, owner, asking=asking)


def test_clients_that_declare_the_same_share_the_main_connection() -> None:
    assert lane(Client()) is None
    assert lane(Client(ASKED), main=ASKED) is None


def test_clients_that_declare_something_else_share_another() -> None:
    key = lane(Client(ASKED))
    assert key == LaneKey(ASKED)
    assert key == lane(Client(ASKED))
    assert key != lane(Client(), main=ASKED)


def test_where_a_server_asks_each_client_has_its_own() -> None:
    one, two = Client(), Client()
    assert lane(one, asking=True) == LaneKey(PLAIN, one)  # type: ignore[arg-type]
    assert lane(one, asking=True) != lane(two, asking=True)


def test_a_client_with_a_log_level_has_its_own() -> None:
    one = Client(own_lanes=True)
    assert lane(one) == LaneKey(PLAIN, one)  # type: ignore[arg-type]


def test_the_client_that_the_main_connection_belongs_to_keeps_it() -> None:
    one = Client(ASKED, own_lanes=True)
    assert lane(one, owner=one, asking=True) is None


def test_nobody_else_takes_a_connection_that_belongs_to_a_client() -> None:
    one, two = Client(), Client()
    assert lane(two, owner=one) == LaneKey(PLAIN)
    assert lane(two, owner=one, asking=True) == LaneKey(PLAIN, two)  # type: ignore[arg-type]
