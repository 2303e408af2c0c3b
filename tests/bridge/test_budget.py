"""The time for a request comes from what it will call; the figures are those of the reference."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import Raw

from callmux.bridge.budget import budget
from callmux.metatools.meta_tool import META_TOOLS
from callmux.plan import Plan


def plan(name: str, **arguments: object) -> Plan:
    return META_TOOLS[name].read(Raw(msgspec.json.encode(arguments)))


CHILD = {"tool": "t", "arguments": {"timeoutMs": 9_000_000}}
QUICK, SLOW = CHILD | {"timeoutMs": 1000}, CHILD | {"timeoutMs": 300000}
ITEMS = [{"arguments": {}}, {"timeoutMs": 20000}]


@pytest.mark.parametrize(
    ("made", "own_ms", "seconds"),
    [
        (plan("callmux_parallel", calls=[QUICK, SLOW]), 180000, 306),
        (plan("callmux_batch", tool="t", timeoutMs=10000, items=ITEMS), None, 185),
        (plan("callmux_batch", tool="t", timeoutMs=10000, items=ITEMS), 1, 35),
        (plan("callmux_pipeline", steps=[{**CHILD, "timeoutMs": 30000}, CHILD]), 60000, 95),
        (plan("callmux_call", tool="t"), 120000, 125),
        (plan("callmux_call", tool="t", timeoutMs=10), 120000, 120),
        (plan("callmux_parallel", calls=[CHILD, CHILD]), None, 365),
        (None, 7000, 7),
        (None, None, 185),
    ],
)  # fmt: skip
def test_the_time_of_a_request_comes_from_its_plan(
    made: Plan | None, own_ms: int | None, seconds: float
) -> None:
    """At least the listener's own default; fields inside a tool's arguments never count.

    Weak spot L7 of callmux (npm).
    """
    assert budget(made, own_ms).seconds == seconds
    assert budget(made, own_ms).hard is (own_ms is not None)


def test_a_recipe_lasts_as_long_as_the_listener_works_on_it() -> None:
    """How many calls it makes only the listener knows."""
    made = budget(plan("callmux_recipe_run", recipe="r"), 7000)
    assert (made.seconds, made.hard) == (7.0, False)
