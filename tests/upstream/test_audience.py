"""Whom a server can mean: only who is left when everybody else is ruled out."""

from __future__ import annotations

from typing import Any

from callmux.upstream.audience import Audience
from tests.support import FakeClient

ANN = FakeClient()
BOB = FakeClient()


class Port:
    """One request of a client."""

    def __init__(self, client: Any) -> None:
        self.session = client


def test_nobody_is_meant_where_nobody_ever_was() -> None:
    assert Audience().meant(None) is None
    assert Audience().meant(ANN) is ANN
    assert repr(Audience()) == "Audience(0)"


def test_the_only_client_is_meant_whether_it_called_or_not() -> None:
    audience = Audience()
    audience.join(ANN)
    assert audience.meant(None) is ANN
    assert not audience.carried
    audience.calls(ANN)
    assert audience.meant(None) is ANN
    assert audience.carried
    assert audience.is_only(ANN)
    assert (ANN in audience, BOB in audience, len(audience)) == (True, False, 1)


def test_of_two_nobody_is_meant_unless_the_stream_tells() -> None:
    audience = Audience()
    audience.calls(ANN)
    audience.calls(BOB)
    assert audience.meant(None) is None
    assert audience.meant(BOB) is BOB
    assert not audience.is_only(ANN)


def test_who_has_never_called_is_not_meant_once_another_one_has() -> None:
    """Nothing of a client is on a connection that was only opened on its behalf."""
    audience = Audience()
    audience.join(ANN)
    audience.calls(BOB)
    assert audience.meant(None) is BOB
    assert (audience.is_only(BOB), audience.is_only(ANN)) == (True, False)
    audience.calls(ANN)
    assert audience.meant(None) is None
    assert not audience.is_only(BOB)


def test_who_has_called_and_left_may_still_be_meant() -> None:
    """The server may be busy with that call for long."""
    audience = Audience()
    audience.calls(ANN)
    audience.calls(BOB)
    audience.leave(ANN)
    assert audience.meant(None) is None
    assert not audience.is_only(BOB)
    assert repr(audience) == "Audience(1, others have left)"


def test_who_has_left_without_a_call_is_not_meant() -> None:
    audience = Audience()
    audience.join(ANN)
    audience.leave(ANN)
    audience.leave(ANN)
    audience.calls(BOB)
    assert audience.meant(None) is BOB
    assert audience.is_only(BOB)


def test_the_owner_is_meant_whatever_else_is_said() -> None:
    audience = Audience()
    audience.calls(ANN)
    audience.owner = ANN
    port: Any = Port(ANN)
    assert audience.meant(None) is ANN
    assert audience.meant(BOB) is ANN
    assert audience.meant(port) is port
    audience.leave(ANN)
    assert audience.meant(None) is ANN
    assert repr(audience) == "Audience(0, owned, others have left)"


def test_what_a_server_says_is_for_the_request_or_the_task_it_is_about() -> None:
    audience = Audience()
    audience.calls(ANN)
    audience.calls(BOB)
    first: Any = Port(ANN)
    second: Any = Port(ANN)

    class Caused:
        def __init__(self, client: Any) -> None:
            self.client = client

    waiting: Any = {1: Caused(first), 2: Caused(second), 3: Caused(None)}
    assert audience.addressee(waiting, 1, lambda: None) is first
    assert audience.addressee(waiting, None, lambda: None) is None
    # Of several requests of the client that made the task, the latest.
    assert audience.addressee(waiting, 9, lambda: ANN) is second
    assert audience.addressee({}, None, lambda: BOB) is BOB
