"""What is kept survives a reload, under the bounds of the new configuration."""

from __future__ import annotations

from functools import partial

import pytest

from callmux.config.check import check_document
from callmux.process.stores import Stores
from callmux.stores.cache import Key
from callmux.stores.memory import MemoryCache, MemoryResults
from callmux.stores.results import Stored
from tests.support import real_loop


@real_loop()
async def test_bounds_apply_to_what_is_kept_already() -> None:
    results = MemoryResults()
    stores = Stores(results=results)
    for n in range(3):
        results.put(Stored(ref=f"r_{n}", tool="t", owner="", size=10, raw=b""))
    shield = {
        "maxStoredResults": 1,
        "maxStoredBytes": 70,
        "maxStoredResultBytes": 60,
        "maxResultBytes": 9000,
    }
    config = check_document({"servers": {"a": {"command": "x"}}, "responseShield": shield}).config
    stores.configure(config, {}, 0.0)
    facts = stores.results.facts()
    assert (facts["entries"], facts["totalStored"]) == (1, 3)
    assert (facts["maxEntries"], facts["maxStoredBytes"], facts["maxStoredResultBytes"]) == (1, 70, 60)
    # A page stands twice in an answer: as text and as structured content.
    assert stores.results.page_bytes == 4500
    assert results.get("r_2", "") is not None
    await stores.close()


@real_loop()
async def test_the_cache_keeps_what_the_new_bounds_allow_of_servers_that_are_still_the_same() -> None:
    """The same name may stand for another command after a reload."""

    cache = MemoryCache()
    stores = Stores(cache)
    servers = {"a": object(), "b": object()}

    def configure(now: float, **keys: int) -> None:
        document = {"servers": {"a": {"command": "x"}}, "cacheTtlSeconds": 60, **keys}
        stores.configure(check_document(document).config, servers, now)

    configure(0)
    for n, server in enumerate("aab"):
        cache.put(Key(server, f"t{n}", None), b"x" * 10, n, cache.epoch(server))
    began = cache.epoch("b")
    servers["b"] = object()
    configure(3, maxCacheEntries=9, maxCacheEntryBytes=99, maxCacheBytes=15)
    facts = cache.facts(3)
    assert (facts["entries"], facts["storedBytes"]) == (1, 10)
    assert [facts[key] for key in ("maxEntries", "maxEntryBytes", "maxTotalBytes")] == [9, 99, 15]
    assert cache.get(Key("a", "t1", None), 3) is not None
    assert not cache.put(Key("b", "t", None), b"{}", 3, began)
    del servers["a"]
    configure(4)
    assert cache.facts(4)["entries"] == 0
    await stores.close()


def test_where_results_are_shared_it_matters_how_their_server_is_configured() -> None:
    class Shared(MemoryCache):
        shared = True

    def definitions(cache: MemoryCache, *args: str) -> dict[str, str]:
        config = check_document({"servers": {"a": {"command": "a", "args": list(args)}}}).config
        Stores(cache).configure(config, {}, 0)
        return dict(cache.limits.definitions)

    assert definitions(Shared()) == definitions(Shared()) != definitions(Shared(), "--other")
    assert definitions(MemoryCache()) == {}


@real_loop()
async def test_what_shortens_results_ends_also_where_writes_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    stores = Stores()
    ended: list[str] = []

    async def fail() -> None:
        raise OSError("gone")

    monkeypatch.setattr(stores.writes, "close", fail)
    monkeypatch.setattr(stores.results._helper, "close", fail)
    monkeypatch.setattr(stores.results._tasks, "cancel", partial(_note, ended))
    with pytest.raises(OSError, match="gone"):
        await stores.close()
    assert ended == ["ended"]


async def _note(ended: list[str]) -> None:
    ended.append("ended")
