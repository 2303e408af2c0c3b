"""What a listener leaves on disk for the next one on its port."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from callmux.session.bequest import save, take
from callmux.session.legacy import Estate, Legacy

ESTATE = Estate(ended=["gone"], legacies={"a": Legacy(log_level="debug", subscriptions=["x"])})


def test_it_is_taken_once_by_the_next_listener_on_that_port(tmp_path: Path) -> None:
    state = tmp_path / "state"
    save(state, 4860, ESTATE)
    (file,) = state.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert take(state, 4861) == Estate()
    assert take(state, 4860) == ESTATE
    assert take(state, 4860) == Estate()
    assert list(state.iterdir()) == []


def test_nothing_is_written_where_nothing_is_left(tmp_path: Path) -> None:
    save(tmp_path / "state", 4860, Estate())
    assert not (tmp_path / "state").exists()


def test_what_cannot_be_read_or_written_is_told_and_no_reason_to_fail(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "sessions-1.json").write_text("{")
    with caplog.at_level(logging.WARNING):
        assert take(tmp_path, 1) == Estate()
        assert take(tmp_path, 1) == Estate(), "it is gone then"
        (tmp_path / "file").touch()
        save(tmp_path / "file" / "below", 1, ESTATE)
    assert len(caplog.records) == 2
