"""What of a listener's sessions outlives its process, and the key of ids."""

from __future__ import annotations

import json
import logging
import stat
from pathlib import Path

import msgspec
import pytest

from callmux.session.saved_sessions import KEY_BYTES, SavedSession, SavedSessions, save, session_key, take

SAVED = SavedSessions(ended=["gone"], sessions={"a": SavedSession(log_level="debug", subscriptions=["x"])})


def test_it_is_taken_once_by_the_next_listener_on_that_port(tmp_path: Path) -> None:
    state = tmp_path / "state"
    save(state, 4860, SAVED)
    (file,) = state.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert take(state, 4861) == SavedSessions()
    assert take(state, 4860) == SAVED
    assert take(state, 4860) == SavedSessions()
    assert list(state.iterdir()) == []


def test_nothing_is_written_where_nothing_is_left(tmp_path: Path) -> None:
    save(tmp_path / "state", 4860, SavedSessions())
    assert not (tmp_path / "state").exists()


def test_what_cannot_be_read_or_written_is_told_and_no_reason_to_fail(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "sessions-1.json").write_text("{")
    with caplog.at_level(logging.WARNING):
        assert take(tmp_path, 1) == SavedSessions()
        assert take(tmp_path, 1) == SavedSessions(), "it is gone then"
        (tmp_path / "file").touch()
        save(tmp_path / "file" / "below", 1, SAVED)
    assert len(caplog.records) == 2


def test_what_an_older_or_newer_release_left_is_read_as_far_as_it_is_understood(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "sessions-1.json"
    path.write_text('{"ended":["gone"]}')
    assert take(tmp_path, 1) == SavedSessions(ended=["gone"])
    path.write_text('{"version":1,"ended":["gone"],"of_tomorrow":{}}')
    assert take(tmp_path, 1) == SavedSessions(ended=["gone"])
    path.write_text('{"version":2,"ended":["gone"]}')
    assert take(tmp_path, 1) == SavedSessions()
    assert "a newer callmux wrote it (version 2)" in caplog.text


def test_the_requests_of_a_saved_session_bring_a_new_one_where_the_old_one_was() -> None:
    left = SavedSession(log_level="debug", client_name="c", subscriptions=["a", "b"], waits=True)
    assert [(method, json.loads(params)) for method, params in left.requests()] == [
        ("logging/setLevel", {"level": "debug"}),
        ("resources/subscribe", {"uri": "a"}),
        ("resources/subscribe", {"uri": "b"}),
    ]
    assert msgspec.json.decode(msgspec.json.encode(left), type=SavedSession) == left


def test_where_nothing_was_left_nothing_is_requested() -> None:
    assert SavedSession().requests() == []


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
