"""The four modes are the four meta-tools for calls."""

from __future__ import annotations

from callmux.config.recipes import CommonRecipe
from callmux.metatools.modes import MODES
from callmux.metatools.table import META_TOOLS


def test_each_mode_is_its_meta_tool() -> None:
    assert list(MODES) == ["call", "parallel", "batch", "pipeline"]
    for name, mode in MODES.items():
        tool = META_TOOLS[f"callmux_{name}"]
        assert (mode.name, mode.parse, mode.run) == (name, tool.parse, tool.run)


def test_recipes_have_these_modes() -> None:
    assert "`call`, `parallel`, `batch` or `pipeline`" in (CommonRecipe.__doc__ or "")
