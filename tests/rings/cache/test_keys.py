"""A server that keeps its clients apart has a key for each of them; all others have one for all."""

from __future__ import annotations

import gc
from weakref import ref

from callmux.config.check import check_document
from callmux.context import CallContext
from callmux.protocol.shapes import Tool
from callmux.rings.cache.keys import Keys, Numbers
from callmux.rings.cache.policy import ReusePolicy
from callmux.rings.call import Call
from callmux.stores.cache import Key
from callmux.upstream.questions import Questions
from tests.support import FakeClient, context, planned


class FakeServer:
    def __init__(self) -> None:
        self.questions = Questions()


def call(around: CallContext) -> Call:
    return planned(context=around, server="a", tool=Tool(b'{"name":"t"}'))


class CountingPolicy(ReusePolicy):
    """Counts what it is asked."""

    asked = 0

    def key(self, *args: object) -> Key | None:
        self.asked += 1
        return super().key(*args)  # type: ignore[arg-type]


def keys(server: FakeServer) -> tuple[Keys, CountingPolicy]:
    config = check_document({"servers": {"a": {"command": "x"}}}).config
    policy = CountingPolicy(config)
    return Keys(policy, Numbers(), {"a": server}), policy  # type: ignore[dict-item]


def test_clients_share_unless_their_server_asks_them_things() -> None:
    server = FakeServer()
    made, _ = keys(server)
    one, other = context(), context()
    assert made.of(call(one)) == made.of(call(other)) == Key("a", "t", None)
    server.questions.apart = True
    assert made.of(call(one)) != made.of(call(other))
    assert made.of(call(one)) == made.of(call(context(client=one.client)))


def test_it_is_the_session_that_counts_not_the_request() -> None:
    class Port(FakeClient):
        def __init__(self, session: FakeClient) -> None:
            super().__init__()
            self._session = session

        @property
        def session(self) -> FakeClient:
            return self._session

    server, client = FakeServer(), FakeClient()
    server.questions.apart = True
    made, _ = keys(server)
    assert made.of(call(context(client=Port(client)))) == made.of(call(context(client=Port(client))))


def test_a_key_that_two_stages_need_is_made_once() -> None:
    made, policy = keys(FakeServer())
    one = call(context())
    first = made.of(one)
    assert made.of(one) is first
    assert policy.asked == 1
    assert made.of(call(context())) == first
    assert policy.asked == 2


def test_every_client_has_a_number_of_its_own_and_none_is_kept_alive() -> None:
    numbers = Numbers()
    one, other = FakeClient(), FakeClient()
    given = [numbers.of(one), numbers.of(other), numbers.of(one)]
    assert given[0] == given[2] != given[1]
    gone = ref(one)
    del one
    gc.collect()
    assert gone() is None
    assert numbers.of(FakeClient()) not in given


def test_numbers_of_two_processes_do_not_meet() -> None:
    one, other = Numbers(), Numbers()
    clients = [FakeClient() for _ in range(100)]
    assert not {one.of(client) for client in clients} & {other.of(client) for client in clients}
