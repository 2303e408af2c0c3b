"""Which connection a call takes: clients share one unless they must not."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.context import Scope
from callmux.protocol.versions import Era
from callmux.upstream.lanes import (
    CountedLane,
    LaneKey,
    NoRoom,
    Sharing,
    choose_lane,
    make_room,
    telling,
)
from tests.support import FakeClient

PLAIN, ASKED = b"{}", b'{"sampling":{}}'


class Client:
    def __init__(self, capabilities: bytes = PLAIN, server_level: str | None = None) -> None:
        self.capabilities = capabilities
        self.server_level = server_level


def lane(
    client: Any, *, main: bytes = PLAIN, owner: Any = None, asking: bool = False, scope: Scope | None = None
) -> LaneKey | None:
    return choose_lane(client, client.capabilities, main, owner, asking=asking, scope=scope)


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
    one = Client(server_level="info")
    assert lane(one) == LaneKey(PLAIN, one)  # type: ignore[arg-type]


def test_the_client_that_the_main_connection_belongs_to_keeps_it() -> None:
    one = Client(ASKED, server_level="info")
    assert lane(one, owner=one, asking=True) is None


def test_nobody_else_takes_a_connection_that_belongs_to_a_client() -> None:
    one, two = Client(), Client()
    assert lane(two, owner=one) == LaneKey(PLAIN)
    assert lane(two, owner=one, asking=True) == LaneKey(PLAIN, two)  # type: ignore[arg-type]


HERE, THERE = Scope(cwd="/here"), Scope(cwd="/there")


def test_a_call_for_a_directory_never_takes_the_main_connection() -> None:
    assert lane(Client(), scope=HERE) == LaneKey(PLAIN, None, HERE)
    owner = Client()
    assert lane(owner, owner=owner, scope=HERE) == LaneKey(PLAIN, None, HERE)


def test_directories_and_credentials_keep_calls_apart_and_sessions_together() -> None:
    mine, yours = (Scope(headers=(("authorization", token),)) for token in ("mine", "yours"))
    keys = [lane(Client(), scope=scope) for scope in (HERE, THERE, mine, yours)]
    assert len(set(keys)) == 4
    assert [lane(Client(), scope=scope) for scope in (HERE, THERE, mine, yours)] == keys


def test_a_server_that_asks_has_a_connection_a_client_in_each_directory() -> None:
    one, two = Client(), Client()
    assert lane(one, asking=True, scope=HERE) != lane(two, asking=True, scope=HERE)
    assert lane(one, asking=True, scope=HERE) == LaneKey(PLAIN, one, HERE)  # type: ignore[arg-type]


def test_a_key_shows_no_credential() -> None:
    assert "secret" not in repr(LaneKey(PLAIN, None, Scope(headers=(("authorization", "secret"),))))


def test_without_roots_everything_else_that_matters_is_declared() -> None:
    assert telling(b'{"elicitation":{},"roots":{"listChanged":true}}', rootless=True) == b'{"elicitation":{}}'
    assert telling(b'{"sampling":{}}', rootless=True) == b'{"sampling":{}}'


@pytest.mark.parametrize(
    ("capabilities", "told"),
    [
        (b'{"experimental":{"x":{}}}', b"{}"),
        (b'{"roots":{},"somethingElse":1}', b'{"roots":{}}'),
        (b'{"elicitation":{"form":{}}}', b'{"elicitation":{}}'),
        (b'{"elicitation":{"form":{},"url":{}}}', b'{"elicitation":{"form":{},"url":{}}}'),
        (b'{"elicitation":{"url":{}}}', b'{"elicitation":{"url":{}}}'),
        (b'{"sampling":{"tools":{}}}', b'{"sampling":{"tools":{}}}'),
        (b'{"extensions":{"a/b":{}},"tasks":{"list":{}}}', b'{"extensions":{"a/b":{}},"tasks":{"list":{}}}'),
    ],
)
def test_only_what_servers_act_on_is_a_reason_for_a_connection(capabilities: bytes, told: bytes) -> None:
    assert telling(capabilities) == told
    client: Any = FakeClient(capabilities)
    assert Sharing().declared(client, alone=False) == told
    assert Sharing().declared(client, alone=True) == capabilities
    assert Sharing().kind(capabilities + b"\0me", unlisted=False) == told


def counted(server: str, n: int, idle_since: float | None = None) -> CountedLane:
    return CountedLane(server, LaneKey(PLAIN, None, Scope(cwd=f"/{n}")), idle_since)


def test_where_there_is_room_nobody_goes() -> None:
    assert make_room([counted("a", 1), counted("b", 2)], "a", 3, 2) is None


def test_the_one_that_has_been_idle_longest_goes() -> None:
    taken = [counted("a", 1, 5.0), counted("a", 2, 3.0), counted("b", 3, 1.0), counted("a", 4)]
    assert make_room(taken, "a", 9, 3) == taken[1]
    assert make_room(taken, "c", 4, 3) == taken[2]


@pytest.mark.parametrize(
    ("most", "most_of_server", "setting"), [(9, 1, "maxScopedClientsPerServer"), (2, 9, "maxScopedClients")]
)
def test_where_all_are_busy_there_is_no_room(most: int, most_of_server: int, setting: str) -> None:
    with pytest.raises(NoRoom) as full:
        make_room([counted("a", 1), counted("a", 2)], "a", most, most_of_server)
    assert (full.value.setting, full.value.limit) == (setting, min(most, most_of_server))


def test_connections_of_two_eras_are_never_the_same_lane() -> None:
    """Beside a main connection of the other era, each client has one of its own era."""

    def lane(era: Era, main_era: Era) -> LaneKey | None:
        client: Any = Client(ASKED)
        return choose_lane(client, ASKED, PLAIN, None, asking=False, era=era, main_era=main_era)

    assert lane(Era.LEGACY, Era.MODERN) == lane(Era.LEGACY, Era.LEGACY) == LaneKey(ASKED)
    assert lane(Era.MODERN, Era.LEGACY) == LaneKey(b"{}", era=Era.MODERN)


@pytest.mark.parametrize("asking", [True, False])
def test_without_a_handshake_only_a_scope_keeps_clients_apart(asking: bool) -> None:
    client: Any = Client(ASKED)
    era = Era.MODERN

    def lane(scope: Scope | None) -> LaneKey | None:
        return choose_lane(client, ASKED, PLAIN, None, asking=asking, scope=scope, era=era, main_era=era)

    assert lane(None) is None
    assert lane(Scope(cwd="/a")) == LaneKey(b"{}", None, Scope(cwd="/a"), era)


def test_what_one_client_has_for_itself_takes_no_room_unless_it_has_a_scope() -> None:
    client: Any = Client()
    scope = Scope(cwd="/a")
    assert LaneKey(PLAIN).counts
    assert LaneKey(PLAIN, scope=scope).counts
    assert LaneKey(PLAIN, client=client, scope=scope).counts
    assert not LaneKey(PLAIN, client=client).counts


def test_a_tool_exists_where_it_is_chosen_and_not_denied() -> None:
    some = Sharing(tools=frozenset({"a", "b"}), denied=frozenset({"b"}))
    assert [some.exposes(name) for name in ("a", "b", "c")] == [True, False, False]
    assert Sharing().exposes("c")


def test_a_process_for_clients_of_any_directory_is_told_of_no_roots() -> None:
    client: Any = Client(b'{"roots":{},"sampling":{}}')
    assert Sharing(rootless=True).declared(client, alone=False) == b'{"sampling":{}}'
    assert Sharing(rootless=True).declared(client, alone=True) == client.capabilities
    assert Sharing().declared(client, alone=False) == client.capabilities


def test_a_principal_sees_its_own_list_where_there_is_none_for_everybody() -> None:
    ann = PLAIN + b"\0bearer:ann"
    owned, plain, rootless = Sharing(owned=True), Sharing(), Sharing(rootless=True)
    assert owned.is_own(ann)
    assert not owned.is_own(PLAIN)
    assert not plain.is_own(ann)
    assert owned.kind(ann, unlisted=True) == ann
    assert owned.kind(ann, unlisted=False) == PLAIN
    assert plain.kind(ann, unlisted=True) == PLAIN
    assert rootless.kind(b'{"roots":{}}', unlisted=False) == PLAIN


def test_a_lane_says_what_it_is_for_and_names_no_credential() -> None:
    client: Any = FakeClient()
    secret = Scope(headers=(("authorization", "Bearer s3cret"),))
    keys = [
        LaneKey(PLAIN),
        LaneKey(PLAIN, client),
        LaneKey(PLAIN, scope=Scope(cwd="/x")),
        LaneKey(PLAIN, scope=secret),
    ]
    assert [key.purpose for key in keys] == ["capabilities", "session", "/x", "credentials"]


def test_only_a_lane_of_one_client_knows_of_its_loan() -> None:
    client: Any = Client()
    client.loan = loan = object()
    assert LaneKey(PLAIN, client).loan is loan
    assert LaneKey(PLAIN).loan is None
    assert LaneKey(PLAIN, client, Scope(cwd="/x")).loan is None
