"""Fixtures of tests of running processes: a place for their sockets."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def state() -> Iterator[Path]:
    """A directory whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="cm") as place:
        yield Path(place)


@pytest.fixture
def env(state: Path) -> dict[str, str]:
    """An environment whose processes have their sockets there."""
    return {"XDG_STATE_HOME": str(state / "s")}
