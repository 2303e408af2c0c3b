"""What is kept survives a reload, under the bounds of the new configuration."""

from __future__ import annotations

from callmux.config.check import check_document
from callmux.rings.shield.store import Stored
from callmux.stores import Stores
from tests.support import run


def test_bounds_apply_to_what_is_kept_already() -> None:
    async def scenario() -> None:
        stores = Stores()
        for n in range(3):
            stores.results.store.add(Stored(ref=f"r_{n}", tool="t", owner="", size=10, raw=b""))
        shield = {
            "maxStoredResults": 1,
            "maxStoredBytes": 70,
            "maxStoredResultBytes": 60,
            "maxResultBytes": 9000,
        }
        config = check_document({"servers": {"a": {"command": "x"}}, "responseShield": shield}).config
        stores.configure(config, {}, 0.0)
        facts = stores.results.store.facts()
        assert (facts["entries"], facts["totalStored"]) == (1, 3)
        assert (facts["maxEntries"], facts["maxStoredBytes"], facts["maxStoredResultBytes"]) == (1, 70, 60)
        # A page stands twice in an answer: as text and as structured content.
        assert stores.results.page_bytes == 4500
        assert stores.results.store.get("r_2", "") is not None
        await stores.close()

    run(scenario())
