"""The engine is a plain record of services."""

from __future__ import annotations

import pytest

from tests.metatools.conftest import Bench


def test_an_engine_cannot_be_changed_under_a_running_tool(bench: Bench) -> None:
    with pytest.raises(AttributeError):
        bench.engine.description_limit = 5  # type: ignore[misc]
