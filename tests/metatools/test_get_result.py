"""`callmux_get_result` is listed and checked, and says that it cannot run yet."""

from __future__ import annotations

import pytest

from callmux.errors import NotImplementedYet
from metatools.conftest import Bench


def test_it_says_what_is_missing(bench: Bench) -> None:
    with pytest.raises(NotImplementedYet, match="whole"):
        bench.run("callmux_get_result", {"ref": "r_1"})
    assert not bench.calls


def test_its_arguments_are_checked_already(bench: Bench) -> None:
    assert bench.refused("callmux_get_result", {"ref": ""}) == "ref"
