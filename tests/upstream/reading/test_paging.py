"""Every page of a list is read, and no list hangs anybody or costs what came before."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callmux.upstream.connection import Connection
from callmux.upstream.failures import CallFailure
from callmux.upstream.hooks import Hooks
from callmux.upstream.reading import paging
from tests.support import play
from tests.upstream.fake_link import SILENCE, FakeLink


async def opened(answer: Any) -> tuple[Connection, FakeLink]:
    async def refuse(*_: object) -> bytes:
        raise AssertionError

    link = FakeLink(tools__list=answer)
    hooks = Hooks(told=lambda *_: None, asked=refuse, lost=lambda *_: None, noise=lambda *_: None)
    connection = Connection("s", link, hooks)
    await connection.open(b"{}", b"{}", 5)
    return connection, link


def names(answer: Any, **how: Any) -> list[str]:
    async def scene() -> list[str]:
        connection, _ = await opened(answer)
        found = await paging.list_all(connection, "tools/list", "tools", 5, **how)
        return [json.loads(raw)["name"] for raw in found]

    listed: list[str] = play(scene())
    return listed


def test_pages_are_followed_to_the_end() -> None:
    def page(params: Any) -> Any:
        n = int(params["cursor"]) if params else 0
        return {"tools": [{"name": f"t{n}"}], **({"nextCursor": str(n + 1)} if n < 3 else {})}

    assert names(page) == ["t0", "t1", "t2", "t3"]


def test_what_stands_beside_the_list_is_kept_of_the_first_page_that_has_it() -> None:
    def page(params: Any) -> Any:
        more = {"x": 2, "y": None, "z": 3} if params else {"x": 1, "nextCursor": "2", "_meta": None}
        return {"tools": [], **more}

    beside: dict[str, bytes] = {}
    assert names(page, beside=beside) == []
    assert beside == {"x": b"1", "z": b"3"}


@pytest.mark.parametrize(
    ("answer", "cause"), [({"tools": 5}, "cannot be read"), ([], "cannot be read"), (SILENCE, "timed out")]
)
def test_a_first_page_that_cannot_be_had_is_a_failure(answer: Any, cause: str) -> None:
    with pytest.raises(CallFailure, match=cause):
        names(answer)


@pytest.mark.parametrize("cursor", ["", None, 5, False, {}])
def test_a_cursor_that_is_none_asks_for_nothing_more(cursor: Any) -> None:
    asked = []

    def page(params: Any) -> Any:
        asked.append(params)
        return {"tools": [{"name": "a"}], "nextCursor": cursor}

    assert names(page) == ["a"]
    assert asked == [None]


@pytest.mark.parametrize(
    "answer", [{}, {"tools": None}, {"tools": [], "nextCursor": 5}, {"tools": [None, None]}]
)
def test_a_listing_without_anything_is_empty(answer: Any) -> None:
    assert names(answer) == []


@pytest.mark.parametrize("answer", [{"tools": 5}, [], SILENCE, KeyError("tools/list"), ValueError("no")])
def test_a_later_page_that_cannot_be_had_costs_no_earlier_one(answer: Any) -> None:
    """But where the list is wanted whole."""

    def page(params: Any) -> Any:
        return answer if params else {"tools": [{"name": "a"}], "nextCursor": "2"}

    assert names(page) == ["a"]
    with pytest.raises(CallFailure):
        names(page, whole=True)


def test_a_cursor_that_comes_back_ends_the_list() -> None:
    """What the page repeats is not there twice."""
    page = {"1": ("2", "b"), "2": ("1", "c")}

    def give(params: Any) -> Any:
        after, name = page[params["cursor"]] if params else ("1", "a")
        return {"tools": [{"name": name}], "nextCursor": after}

    assert names(give) == ["a", "b", "c"]
    assert names({"tools": [{"name": "a"}], "nextCursor": "same"}) == ["a"]


def test_a_list_without_an_end_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "MAX_PAGES", 3)
    count = 0

    def give(params: Any) -> Any:
        nonlocal count
        count += 1
        return {"tools": [{"name": f"t{count}"}], "nextCursor": str(count)}

    assert names(give) == ["t1", "t2", "t3"]


async def test_a_link_that_ends_between_pages_is_a_failure() -> None:
    """The connection is of no use any more: the list is read again on the next."""

    first = {"tools": [], "nextCursor": "2"}
    connection, link = await opened(first)

    def give(params: Any) -> Any:
        if not params:
            return first
        link.dies()
        return SILENCE

    link.script["tools/list"] = give
    with pytest.raises(CallFailure):
        await paging.list_all(connection, "tools/list", "tools", 5)
