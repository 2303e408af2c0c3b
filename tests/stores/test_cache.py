"""What a cache promises, in memory and behind a wire (in Redis: `test_redis_cache`)."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.stores.memory import MemoryCache
from tests.stores.contracts import CACHE, Scene
from tests.stores.remote import RemoteCache


@pytest.mark.parametrize("kind", [MemoryCache, RemoteCache])
@pytest.mark.parametrize("scene", CACHE)
async def test_a_cache_keeps_its_promises(scene: Scene, kind: type[Any]) -> None:
    await scene(kind())
