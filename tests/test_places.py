"""State goes where the system keeps state."""

from __future__ import annotations

from pathlib import Path

import pytest

from callmux.places import state_dir


def test_the_state_directory_follows_xdg_and_else_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state_dir({"XDG_STATE_HOME": "/x"}) == Path("/x/callmux")
    assert state_dir({"XDG_STATE_HOME": ""}) == state_dir({}) == tmp_path / ".local" / "state" / "callmux"
