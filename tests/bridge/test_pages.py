"""What a listener gives, as strict clients take it."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from msgspec import Raw

from callmux.bridge.failures import LinkFailure, Reason
from callmux.bridge.link import Link
from callmux.bridge.pages import fit, pages_of
from callmux.protocol.jsonrpc import Failure, Response


class Way:
    """A link that gives these answers."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[Any] = []

    async def request(self, method: str, params: bytes | None, seconds: float) -> Any:
        self.asked.append(params and json.loads(params))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Failure) else Response(1, Raw(json.dumps(answer).encode()))


async def read(way: Way | None, count: int) -> list[Any]:
    pages = await pages_of(lambda: cast(Link, way), 1.0, "tools/list", count)
    return [json.loads(page) for page in pages]


async def test_pages_are_read_until_there_is_no_more() -> None:
    way = Way({"tools": [{"name": "a"}], "nextCursor": "c"}, {"tools": [{"name": "b"}]})
    assert [page["tools"][0]["name"] for page in await read(way, 9)] == ["a", "b"]
    assert way.asked == [None, {"cursor": "c"}]
    assert len(await read(Way({"tools": [], "nextCursor": "c"}), 1)) == 1


@pytest.mark.parametrize("end", [LinkFailure(Reason.BROKEN, "x"), Failure(1, Raw(b"{}"))])
async def test_what_cannot_be_had_whole_is_none(end: Any) -> None:
    assert await read(Way({"tools": [], "nextCursor": "c"}, end), 2) == []
    assert await read(None, 1) == []


def test_a_result_has_no_nulls() -> None:
    assert fit(Raw(b"null")) == b"{}"
    assert json.loads(bytes(fit(Raw(b'{"tools":[],"_meta":null}')))) == {"tools": []}
