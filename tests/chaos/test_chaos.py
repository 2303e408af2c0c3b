"""Short storms over every kind of fault, and proof that the account can find what it looks for."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from .account import Call, Fault, broken_promises, crossed, quantile
from .faults import KINDS
from .nodes import kinds_of_nodes
from .remote import STATUSES
from .storm import storm


def test_a_short_storm_over_every_kind_of_fault_breaks_no_promise(tmp_path: Path) -> None:
    async def story() -> None:
        async with asyncio.timeout(240):
            seen = await storm(tmp_path, faults=len(KINDS), sessions=3)
        print(seen.account)
        assert seen.wrong == []
        assert seen.left == []
        assert {fault.kind for fault in seen.faults} == set(KINDS)
        states = Counter(call.state for call in seen.calls)
        assert states["ok"] > 100
        # Some writes were on the wire: otherwise nothing was tried.
        assert states["unknown"] > 0
        # Servers spoke, and somebody heard it: otherwise nothing could have crossed.
        assert seen.spoken > 0
        assert seen.heard.total() > 0
        # Somebody tried to take up a call for every status.
        assert set(seen.resumes) == set(STATUSES)

    asyncio.run(story())


def test_a_short_storm_over_nodes_breaks_no_promise(tmp_path: Path) -> None:
    """Those that take long are left to the long form, as are those that do not concern nodes."""
    kinds = [
        "node: killed",
        "node: ended and started",
        "node: stopped for a moment",
        "redis: killed and started",
    ]

    async def story() -> None:
        async with asyncio.timeout(120):
            seen = await storm(tmp_path, len(kinds), sessions=2, kinds=kinds, nodes=2)
        print(seen.account)
        assert seen.wrong == []
        assert seen.left == []
        assert {fault.kind for fault in seen.faults} == set(kinds) <= set(kinds_of_nodes())
        assert Counter(call.state for call in seen.calls)["ok"] > 50

    asyncio.run(story())


@pytest.mark.parametrize(
    ("call", "begun", "done", "found"),
    [
        (Call(0, "read", "t", 0, 1, "ok"), 2, 2, ""),
        (Call(0, "write", "t", 0, 1, "ok"), 1, 1, ""),
        (Call(0, "write", "t", 0, 6, "unknown"), 1, 0, ""),
        (Call(0, "read", "t", 0, 1, "unknown"), 1, 0, "an idempotent call failed"),
        (Call(0, "put", "t", 0, 1, "not_started"), 0, 0, "an idempotent call failed"),
        (Call(0, "write", "t", 0, 1, "ok"), 2, 2, "an effect was doubled"),
        (Call(0, "write", "t", 0, 1, "not_started"), 1, 0, "said not to be started"),
        (Call(0, "write", "t", 0, 1, "ok"), 0, 0, "answered without its effect"),
        (Call(0, "write", "t", 0), 0, 0, "no clear end"),
        (Call(0, "write", "t", 0, 4, "unknown"), 1, 1, "unknown although nothing happened"),
    ],
)
def test_the_account_finds_each_broken_promise(call: Call, begun: int, done: int, found: str) -> None:
    fault = Fault("any", begun=5, over=7)
    wrong = broken_promises([call], [fault], Counter({"t": begun}), Counter({"t": done}))
    assert any(found in line for line in wrong) if found else not wrong


def test_the_account_finds_who_heard_what_was_not_theirs() -> None:
    assert crossed({(0, 0): 7, (3, 3): 1}) == []
    assert crossed({(0, 0): 7, (3, 1): 2}) == ["session 3 heard 2x of calls of session 1"]


def test_quantiles() -> None:
    assert quantile([], 0.5) == 0
    assert quantile([3, 1, 2], 0.5) == 2
    assert quantile(list(range(100)), 0.99) == 99
