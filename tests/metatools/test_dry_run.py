"""`callmux_dry_run` is listed and checked, and says that it cannot run yet."""

from __future__ import annotations

import pytest

from callmux.errors import NotImplementedYet
from metatools.conftest import Bench


def test_it_says_what_is_missing(bench: Bench) -> None:
    with pytest.raises(NotImplementedYet, match="preview"):
        bench.run("callmux_dry_run", {"tool": "x"})
    assert not bench.calls


def test_its_arguments_are_checked_already(bench: Bench) -> None:
    assert bench.refused("callmux_dry_run", {"outputFormat": "x"}) == "outputFormat"
