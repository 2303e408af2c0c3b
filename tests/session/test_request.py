"""A request is the way back to its client, and ends once."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from callmux.session.request import Request
from callmux.session.session import Session
from tests.support import FakeClient, play, settle


class Recorder(FakeClient):
    """A session that keeps the id of the request that something belongs to."""

    def __init__(self) -> None:
        super().__init__(b'{"roots":{}}')
        self.calls: list[tuple[Any, ...]] = []

    def notify(self, method: str, params: Any, related: Any = None) -> None:
        self.calls.append((method, params, related))

    async def ask(
        self, method: str, params: Any, progress: Any = None, name: Any = None, related: Any = None
    ) -> bytes:
        self.calls.append((method, params, progress, related))
        return b"{}"


def port(client: Recorder, id: Any = 7) -> Request:
    return Request(cast(Session, client), id)


def test_a_notification_says_which_request_it_belongs_to() -> None:
    client = Recorder()
    port(client, "a").notify("notifications/message", b"{}")
    assert client.calls == [("notifications/message", b"{}", "a")]


def test_a_question_says_which_request_it_belongs_to_and_brings_the_answer() -> None:
    client = Recorder()
    heard: list[bytes] = []
    assert play(port(client).ask("roots/list", None, heard.append)) == b"{}"
    assert client.calls == [("roots/list", None, heard.append, 7)]


def test_what_the_client_is_shows_through_as_it_changes() -> None:
    client = Recorder()
    one = port(client)
    client.log_level, client.server_level = "info", "debug"
    client.stops_reading()
    assert one.session is cast(Session, client)
    assert (one.capabilities, one.log_level, one.server_level, one.reading) == (
        b'{"roots":{}}',
        "info",
        "debug",
        False,
    )


async def test_waiting_until_the_client_reads_ends_when_it_does() -> None:
    client = Recorder()
    client.stops_reading()
    waiting = asyncio.create_task(port(client).until_reading())
    await settle()
    assert not waiting.done()
    client.reads_again()
    await waiting
