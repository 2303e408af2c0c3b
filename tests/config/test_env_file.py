"""A server's environment file."""

from __future__ import annotations

from pathlib import Path

import pytest

from callmux.config.env_file import env_file_path, read_env_file
from callmux.errors import SecretError


def test_the_path_counts_from_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/al")
    (tmp_path / ".env").write_text("A=1\n")
    assert read_env_file(".env", tmp_path) == {"A": "1"}
    assert env_file_path("/etc/x", tmp_path) == Path("/etc/x")
    assert env_file_path("~/x", tmp_path) == Path("/home/al/x")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file"), (b"\xff=1", "not UTF-8"), (b"hunter2\n", "line 1 is neither NAME=VALUE")],
)
def test_what_is_wrong_names_the_file_and_shows_nothing_of_it(
    content: bytes | None, reason: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "e").write_bytes(content)
    with pytest.raises(SecretError, match=f'environment file "{tmp_path}/e":.*{reason}') as caught:
        read_env_file("e", tmp_path)
    assert "hunter2" not in caught.value.message
