"""A question reaches the client it is for, and whoever listens knows that it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from msgspec import Raw

from callmux.context import ClientPort
from callmux.protocol.jsonrpc import RpcError
from callmux.upstream.audience import Audience
from callmux.upstream.connection import Connection
from callmux.upstream.questions import Questions
from tests.support import FakeClient, play


class FakeConnection:
    """A connection with calls of these clients."""

    def __init__(self, *clients: Any) -> None:
        self.audience = Audience()
        self.stateless = None
        self.calls = 0
        self.tools: set[str] = set()
        for client in clients:
            self.audience.calls(client)

    def tools_of(self, client: Any) -> set[str]:
        return self.tools

    def calls_of(self, client: Any) -> int:
        return self.calls

    def notify(self, *note: Any) -> None:
        raise AssertionError("nobody told of progress")


def ask(questions: Questions, connection: FakeConnection, client: Any, only: Any = None) -> Any:
    questions.only = only
    return play(questions.ask(cast(Connection, connection), "elicitation/create", Raw(b'{"q":1}'), client))


@pytest.mark.parametrize(
    ("parks", "calls", "lent"), [(True, 2, 2), (True, 1, 1), (True, 0, 0), (False, 2, 0)]
)
async def test_each_call_whose_client_thinks_lends_its_slot(parks: bool, calls: int, lent: int) -> None:
    """A call that asks two things at once has one slot."""
    client, questions, seen = FakeClient(), Questions(), list[str]()
    client.parks = parks
    connection = FakeConnection(client)
    connection.calls = calls

    @asynccontextmanager
    async def lends(client: ClientPort) -> AsyncIterator[None]:
        seen.append("lent")
        await asyncio.sleep(0)
        yield
        seen.append("back")

    questions.lent = lends
    client.answers += [b"{}"] * 4
    given = cast(Connection, connection), "roots/list", Raw(b"{}"), client
    await asyncio.gather(questions.ask(*given), questions.ask(*given))
    assert (seen.count("lent"), seen.count("back")) == (lent, lent)
    await questions.ask(*given)
    assert seen.count("lent") == lent + (lent > 0), "and the next time again"


def test_the_client_of_the_call_is_asked_and_keeps_the_connection() -> None:
    client, questions = FakeClient(), Questions()
    client.answers.append(b'{"action":"accept"}')
    connection = FakeConnection(client)
    assert ask(questions, connection, client) == b'{"action":"accept"}'
    assert client.asked == [("elicitation/create", {"q": 1})]
    assert questions.apart
    assert connection.audience.owner is client


def test_a_shared_connection_stays_shared() -> None:
    """What others have told the server is on it, too."""
    client, questions = FakeClient(), Questions()
    client.answers.append(b"{}")
    connection = FakeConnection(client, FakeClient())
    ask(questions, connection, client)
    assert questions.apart
    assert connection.audience.owner is None


def test_the_only_client_there_is_needs_nothing_of_its_own() -> None:
    client, questions = FakeClient(), Questions()
    client.answers.append(b"{}")
    ask(questions, FakeConnection(client), client, client)
    assert not questions.apart


def test_a_question_during_the_call_of_a_tool_concerns_this_tool_alone() -> None:
    client, questions = FakeClient(), Questions()
    client.answers += [b"{}", b"{}"]
    connection = FakeConnection(client)
    connection.tools = {"ask"}
    ask(questions, connection, client)
    assert (questions.asks("ask"), questions.asks("other"), questions.apart) == (True, False, False)
    successor = Questions()
    successor.take_over(questions)
    assert (successor.asks("ask"), successor.asks("other")) == (True, False)
    # Roots decide what a server does for all of its tools.
    play(questions.ask(cast(Connection, connection), "roots/list", None, cast(ClientPort, client)))
    assert questions.asks("other")
    successor.take_over(questions)
    assert successor.asks("other")


def test_a_question_for_nobody_is_refused() -> None:
    questions = Questions()
    with pytest.raises(RpcError, match="cannot tell"):
        ask(questions, FakeConnection(), None)
    assert questions.apart


def test_listeners_hear_who_is_asked_until_they_leave() -> None:
    client, questions = FakeClient(), Questions()
    client.answers.extend([b"{}", b"{}"])
    heard: list[Any] = []

    def listener(session: Any) -> None:
        heard.append(session)

    questions.watch(listener)
    assert repr(questions) == "Questions(shared, 1 listeners)"
    ask(questions, FakeConnection(client), client)
    questions.unwatch(listener)
    ask(questions, FakeConnection(client), client)
    assert heard == [client]
