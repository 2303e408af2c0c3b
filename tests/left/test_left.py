"""Nothing of a server is left, whatever was killed: a few of the many kills of `python -m tests.left`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.left.kills import strike
from tests.support import real_loop


@pytest.mark.skipif(sys.platform != "linux", reason="it looks at processes by /proc")
@real_loop(200)
async def test_nothing_survives_random_kills(tmp_path: Path) -> None:
    account = await strike(tmp_path, kills=10, seed=5, lanes=2, told=print)
    assert account.survivors == []
    assert account.kills.total() >= 10
