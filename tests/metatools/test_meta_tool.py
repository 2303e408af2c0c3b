"""A row at work."""

from __future__ import annotations

import subprocess
import sys

from callmux.metatools.meta_tool import META_TOOLS
from callmux.metatools.table import NAMES
from tests.support import SECONDS


def test_there_is_one_for_each_row() -> None:
    assert set(META_TOOLS) == NAMES
    assert repr(META_TOOLS["callmux_call"]) == "MetaTool(callmux_call)"


def test_a_module_is_imported_when_something_of_it_is_needed() -> None:
    """The bridge reads a call and needs neither the search nor the rest."""
    code = (
        "import sys; from callmux.metatools.meta_tool import META_TOOLS; META_TOOLS['callmux_parallel'].name;"
        "print(*(m for m in sys.modules if m.startswith('callmux.metatools.')))"
    )
    loaded = subprocess.check_output([sys.executable, "-c", code], timeout=SECONDS, text=True).split()
    assert sorted(loaded) == ["callmux.metatools.meta_tool", "callmux.metatools.table"]
