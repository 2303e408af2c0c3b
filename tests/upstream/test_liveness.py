"""Whether a server still answers anything."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support import settle
from tests.upstream.fake_link import SILENCE
from tests.upstream.modern_link import modern
from tests.upstream.test_connection import opened


@pytest.mark.parametrize(("answer", "alive"), [({}, True), (ValueError("no"), True), (SILENCE, False)])
async def test_whether_it_still_answers(answer: Any, alive: bool) -> None:
    """A refusal is an answer. Callers at the same time share one ping."""

    connection, link, _ = await opened(ping=answer)
    assert await asyncio.gather(*(connection.liveness.answers(2) for _ in range(3))) == [alive] * 3
    assert link.methods().count("ping") == 1
    assert await connection.liveness.answers(2) is alive
    assert link.methods().count("ping") == 2


async def test_giving_up_a_shared_ping_condemns_nobody() -> None:
    connection, _, _ = await opened(ping=SILENCE)
    first = asyncio.create_task(connection.liveness.answers(2))
    await settle()
    second = asyncio.create_task(connection.liveness.answers(2))
    await settle()
    first.cancel()
    assert await second is True


async def test_where_there_is_no_ping_it_is_asked_who_it_is() -> None:
    connection, link, _ = await modern()
    assert await connection.liveness.answers(2) is True
    assert link.methods() == ["server/discover", "server/discover"]
    link.script["server/discover"] = SILENCE
    assert await connection.liveness.answers(2) is False
