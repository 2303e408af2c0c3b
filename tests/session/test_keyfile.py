"""The key that seals session ids."""

from __future__ import annotations

import logging
import stat
from pathlib import Path

import pytest

from callmux.session.keyfile import KEY_BYTES, session_key


def test_a_second_process_finds_the_key_of_the_first(tmp_path: Path) -> None:
    first = session_key(tmp_path / "a" / "b")
    assert len(first) == KEY_BYTES
    assert session_key(tmp_path / "a" / "b") == first


def test_only_the_owner_can_read_the_key(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    session_key(directory)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / "session.key").stat().st_mode) == 0o600


@pytest.mark.parametrize("broken", [b"", b"short", b"x" * (KEY_BYTES + 1)])
def test_a_key_of_the_wrong_length_is_replaced_for_good(tmp_path: Path, broken: bytes) -> None:
    (tmp_path / "session.key").write_bytes(broken)
    key = session_key(tmp_path)
    assert len(key) == KEY_BYTES
    assert session_key(tmp_path) == key


def test_a_key_that_cannot_be_kept_serves_this_process_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("callmux"), "propagate", True)
    blocked = tmp_path / "file"
    blocked.write_text("no directory")
    one, other = session_key(blocked), session_key(blocked)
    assert len(one) == KEY_BYTES
    assert one != other
    assert "will not survive a restart" in caplog.text
