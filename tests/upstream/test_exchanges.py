"""A request of callmux itself is awaited, and told once what became of it."""

from __future__ import annotations

import asyncio
import json

import pytest
from msgspec import Raw

from callmux.upstream.exchanges import OwnExchange
from callmux.upstream.failures import CallFailure, lost


def asked(**more: object) -> OwnExchange:
    answer: asyncio.Future[Raw] = asyncio.get_running_loop().create_future()
    return OwnExchange(method="ping", params=None, seconds=1, deadline=1, answer=answer, **more)  # type: ignore[arg-type]


async def test_it_is_sent_as_it_is_but_for_the_token() -> None:
    one = asked()
    assert json.loads(one.line(7)) == {"jsonrpc": "2.0", "id": 7, "method": "ping"}
    one.params, one.progress = b'{"_meta":{"k":1}}', lambda params: None
    assert json.loads(one.line(7))["params"] == {"_meta": {"k": 1, "progressToken": 7}}


async def test_the_first_word_counts() -> None:
    one, other = asked(), asked()
    one.answered(Raw(b"1"))
    one.failed(lost("gone", started=True))
    assert bytes(await one.answer) == b"1"
    other.failed(lost("gone", started=True))
    other.answered(Raw(b"1"))
    with pytest.raises(CallFailure, match="gone"):
        await other.answer
