"""What is asked for where nothing is said: all of it, as much as is usual."""

from __future__ import annotations

import msgspec
import pytest

from callmux.rings.shield.page_query import Query


def test_a_query_asks_for_everything_unless_it_says_what() -> None:
    assert Query() == Query(path="", offset=None, limit=None, fields=(), search="")
    assert Query(path="a", offset=1) != Query(path="a")


def test_it_travels_to_the_helper_process_and_cannot_be_changed() -> None:
    query = Query(path="items[0]", limit=3, fields=("id",), search="x")
    assert msgspec.json.decode(msgspec.json.encode(query), type=Query) == query
    with pytest.raises(AttributeError):
        query.path = "b"  # type: ignore[misc]
