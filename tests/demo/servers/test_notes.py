"""The example note store."""

from __future__ import annotations

from pathlib import Path

import pytest

from callmux.demo.servers.notes import Notes
from callmux.demo.servers.wire import ToolError


@pytest.mark.parametrize("on_disk", [True, False])
def test_a_note_is_read_as_it_was_written(tmp_path: Path, on_disk: bool) -> None:
    notes = Notes(tmp_path if on_disk else None)
    assert notes.write_note({"name": "plan", "content": "a\r\nü"}) == {"name": "plan", "bytes": 5}
    assert notes.read_note({"name": "plan"}) == {"name": "plan", "content": "a\r\nü"}
    assert notes.list_notes({}) == {"notes": ["plan"]}
    assert (tmp_path / "plan.md").exists() is on_disk


@pytest.mark.parametrize("name", ["../escape", "a/b", "", ".hidden", "Capital", "x" * 81])
def test_a_name_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ToolError, match="no name for a note"):
        Notes(tmp_path).write_note({"name": name, "content": ""})


def test_a_note_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="no note plan"):
        Notes(tmp_path).read_note({"name": "plan"})


def test_a_folder_that_is_gone_is_an_error_not_a_crash(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="could not be written"):
        Notes(tmp_path / "gone").write_note({"name": "plan", "content": ""})
