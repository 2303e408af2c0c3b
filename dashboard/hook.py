"""Builds the page before a wheel or an sdist is put together, where `CALLMUX_BUILD_UI=1` asks for it.

Called by hatchling, see pyproject.toml. A plain `pip install .` runs no Node.js: the dashboard then says how
to build the page.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class DashboardHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs scripts/dashboard."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        # An sdist has what was built when it was made, and is built from where there is no Node.js.
        if os.environ.get("CALLMUX_BUILD_UI") == "1" and not (root / "PKG-INFO").exists():
            subprocess.run([root / "scripts" / "dashboard"], check=True)
