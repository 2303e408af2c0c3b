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
    file = HistoryFile(path, history)
    file.close(5)
    assert not path.exists(), "nothing was counted"
    history.add(sample())
    file.save()
    file.save()
    history.add(sample())
    file.close(5)
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
    history = read_history(tmp_path / "f.json", NOW)
    file = HistoryFile(tmp_path / "f.json", history)

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(module, "write_private", full)
        for _ in range(2):
            history.add(sample())
            file.close(5)
    assert file.problem == "No space left on device"
    assert caplog.text.count("could not keep the history") == 1
    # What could not be written is not forgotten.
    file.close(5)
    assert file.problem is None
    assert read_history(tmp_path / "f.json", NOW).totals()["calls"] == 2


def test_two_processes_that_count_for_one_file_lose_nothing(tmp_path: Path) -> None:
    """A process that ends and the one that takes over write one after the other."""
    path = tmp_path / "f.json"
    first = read_history(path, NOW)
    old = HistoryFile(path, first)
    first.add(sample())
    old.close(5)
    second = read_history(path, NOW + 1)
    new = HistoryFile(path, second)
    for history, at, server in ((first, NOW + 2, "a"), (second, NOW + 100, "b"), (first, NOW + 120, "a")):
        history.add(sample(at, targets=((server, "t", 1),)))
    new.close(5)
    old.close(5)
    second.add(sample(NOW + 130, targets=(("b", "t", 1),)))
    new.close(5)
    kept = read_history(path, NOW + 200)
    assert kept.totals()["calls"] == 5
    assert [(row["server"], row["calls"]) for row in kept.servers()] == [("a", 3), ("b", 2)]
    assert kept.servers()[0]["lastCallAt"] == round((NOW + 120) * 1000)
    assert sum(point["calls"] for point in kept.series("1h", NOW + 200, NOW)["series"]["points"]) == 5
    assert round(kept.started) == round(NOW)


def test_a_file_that_is_taken_away_is_written_whole_again(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    history = read_history(path, NOW)
    file = HistoryFile(path, history)
    for _ in range(2):
        history.add(sample())
        file.close(5)
        path.unlink()
    path.write_text("{")
    history.add(sample())
    file.close(5)
    assert read_history(path, NOW).totals()["calls"] == 3
