"""Where callmux keeps what must outlive a process.

Called by those who keep something: `callmux.process.host` and the run modes of `callmux.cli`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def state_dir(env: Mapping[str, str]) -> Path:
    """The directory for state: `$XDG_STATE_HOME/callmux`, else `~/.local/state/callmux`."""
    base = env.get("XDG_STATE_HOME")
    return Path(base) / "callmux" if base else Path.home() / ".local" / "state" / "callmux"


_HOMES = {"HOME", "XDG_STATE_HOME", "USERPROFILE"}
"""Variables without which there is no place to keep anything."""


def known_state_dir(env: Mapping[str, str]) -> Path | None:
    """The same; None where no variable says where that would be."""
    return state_dir(env) if _HOMES & env.keys() else None
