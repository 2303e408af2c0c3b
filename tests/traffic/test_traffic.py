"""Whatever comes in whatever order: each request has its own answer, each write one effect, nothing is left.

`CALLMUX_TRAFFIC_SEEDS` says how many seeds are played; `scripts/long` plays them for hours.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests.traffic.mutations import MUTATIONS
from tests.traffic.street import played
from tests.traffic.ways import WAYS

SEEDS = int(os.environ.get("CALLMUX_TRAFFIC_SEEDS", "25"))
MOST = 120
"""Seeds after which a mutation that nothing noticed has escaped."""


@pytest.mark.parametrize("way", WAYS)
def test_clients_and_servers_see_what_the_model_says(way: str) -> None:
    seen: Counter[str] = Counter()
    for seed in range(SEEDS):
        model = played(seed, way)
        assert model.wrong == [], f"seed {seed}"
        seen += model.count
    # It would say nothing of what never happens.
    assert {"sent", "answered", "cancelled", "withdrawn", "progress", "shared or kept"} <= seen.keys()
    assert {"failed: timeout", "failed: transport", "failed: downstream_unavailable"} <= seen.keys()


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_noticed(name: str) -> None:
    with MUTATIONS[name]():
        assert any(played(seed, way).wrong for seed in range(MOST) for way in WAYS)
