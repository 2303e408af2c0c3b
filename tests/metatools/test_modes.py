"""The four modes are the four meta-tools for calls."""

from __future__ import annotations

from importlib import import_module

from callmux.config.recipes import CommonRecipe
from callmux.metatools.modes import MODES
from callmux.metatools.table import NAMES


def test_each_mode_is_its_meta_tool() -> None:
    assert list(MODES) == ["call", "parallel", "batch", "pipeline"]
    for name, mode in MODES.items():
        module = import_module(f"callmux.metatools.{name}")
        assert f"callmux_{name}" in NAMES
        # A recipe of one call, and its preview, are no way to another meta-tool.
        parse = module.parse_one if name == "call" else module.parse
        assert (mode.name, mode.parse, mode.run) == (name, parse, module.run)


def test_recipes_have_these_modes() -> None:
    assert "`call`, `parallel`, `batch` or `pipeline`" in (CommonRecipe.__doc__ or "")
