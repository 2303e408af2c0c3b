"""What a store of results promises, in memory and behind a wire (in Redis: `test_redis_results`)."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.stores.memory import MemoryResults
from callmux.stores.results import StoreLimits
from tests.stores.contracts import RESULTS, Scene, given, stored
from tests.stores.remote import RemoteResults


@pytest.mark.parametrize("kind", [MemoryResults, RemoteResults])
@pytest.mark.parametrize("scene", RESULTS)
async def test_a_store_keeps_its_promises(scene: Scene, kind: type[Any]) -> None:
    await scene(kind())


@pytest.mark.parametrize("kind", [MemoryResults, RemoteResults])
async def test_who_keeps_a_result_hears_which_had_to_go(kind: type[Any]) -> None:
    results = kind()
    assert list(results.configure(StoreLimits(results=2))) == []
    for ref in ("a", "b"):
        assert await given(results.put(stored(ref))) == []
    assert await given(results.put(stored("c"))) == ["a"]
    assert list(results.configure(StoreLimits(results=1))) == ["b"]
    assert results.facts()["entries"] == 1
