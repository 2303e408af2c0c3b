"""One attempt to connect: what it reads, and how its failure is told."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.upstream.connection import Connection
from callmux.upstream.failures import CallFailure, lost
from callmux.upstream.opening.attempt import attempt, explain
from tests.upstream.fake_link import FakeLink
from tests.upstream.test_connection import Ears


async def test_an_attempt_reads_everything_the_server_lists() -> None:
    connection = Connection("s", FakeLink(), Ears().hooks())
    tools, offer = await attempt(connection, b"{}", b"{}", 5)
    assert [tool.name for tool in tools] == ["t"]
    assert offer.has("tools")
    assert connection.live


async def test_a_server_that_ends_while_it_lists_has_not_been_connected() -> None:
    link = FakeLink()

    def listing(params: Any) -> Any:
        link.dies()
        return {"tools": []}

    link.script["tools/list"] = listing
    with pytest.raises(CallFailure):
        await attempt(Connection("s", link, Ears().hooks()), b"{}", b"{}", 5)


async def test_a_failure_is_told_with_the_last_words_of_the_server(caplog: pytest.LogCaptureFixture) -> None:
    link = FakeLink()
    connection = Connection("s", link, Ears().hooks())
    assert explain(lost("it ended", started=True), "s", connection) == "it ended"
    assert explain(lost("it ended", started=True), "s", None) == "it ended"
    link.last_words = lambda: ["no token"]  # type: ignore[attr-defined]
    assert explain(lost("it ended", started=True), "s", connection) == "it ended (it said: no token)"
    assert caplog.records == []


def test_an_error_of_ours_is_logged_whole(caplog: pytest.LogCaptureFixture) -> None:
    assert explain(ValueError("x"), "s", None) == "an error in callmux: ValueError('x')"
    assert caplog.records[0].exc_info is not None
