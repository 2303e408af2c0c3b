"""What a store of results promises, in memory and behind a wire."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from callmux.stores.memory import MemoryResults
from callmux.stores.results import Results, Stored, StoreLimits
from tests.stores.remote import RemoteResults


async def given(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer


def stored(ref: str, owner: str = "") -> Stored:
    return Stored(ref=ref, tool="t", owner=owner, size=2, raw=b"{}")


@pytest.mark.parametrize("kind", [MemoryResults, RemoteResults])
async def test_what_is_kept_is_read_by_its_owner_until_it_must_go(kind: type[Any]) -> None:
    results: Results = kind()
    assert list(results.configure(StoreLimits(results=2))) == []
    assert results.takes(2)
    assert await given(results.put(stored("a"))) == []
    assert await given(results.put(stored("b", "alice"))) == []
    assert (await given(results.get("b", "alice"))).raw == b"{}"
    assert await given(results.get("b", "bob")) is None
    assert await given(results.put(stored("c"))) == ["a"]
    assert await given(results.get("a", "")) is None
    assert list(results.configure(StoreLimits(results=1))) == ["b"]
    assert results.facts()["entries"] == 1
