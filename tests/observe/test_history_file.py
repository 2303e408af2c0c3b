"""History on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from callmux.observe import history_file as module
from callmux.observe.history_file import HistoryFile, read_history
from tests.observe.test_history import NOW, sample


def test_what_was_counted_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "callmux-metrics.json"
    history = read_history(path, NOW)
    file = HistoryFile(path)
    file.close(history, 5)
    assert not path.exists(), "nothing was counted"
    history.add(sample())
    file.save(history)
    file.save(history)
    history.add(sample())
    file.close(history, 5)
    assert read_history(path, NOW + 10).totals()["calls"] == 2
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 9}'])
def test_a_file_that_cannot_be_used_is_told_of_and_begun_anew(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "f.json"
    path.write_text(text)
    assert read_history(path, NOW).totals()["calls"] == 0
    assert "begins anew" in caplog.text


def test_a_file_without_end_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST", 10)
    path = tmp_path / "f.json"
    path.write_text("x" * 11)
    assert read_history(path, NOW).totals()["calls"] == 0


def test_a_full_disk_is_told_of_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    history, file = read_history(tmp_path / "f.json", NOW), HistoryFile(tmp_path / "f.json")

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(module, "write_private", full)
        for _ in range(2):
            history.add(sample())
            file.close(history, 5)
    assert file.problem == "No space left on device"
    assert caplog.text.count("could not keep the history") == 1
    history.add(sample())
    file.close(history, 5)
    assert file.problem is None
