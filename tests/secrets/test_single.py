"""A single text with variables and references."""

from __future__ import annotations

from pathlib import Path

import pytest

from callmux.errors import ConfigError
from callmux.secrets.single import looked_up

ENV = {"HOST": "db", "REDIS_PASSWORD": "hush"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("redis://a", "redis://a"),
        ("redis://:${env:REDIS_PASSWORD}@${HOST}", "redis://:hush@db"),
        ("redis://:${file:p}@a", "redis://:from a file@a"),
        ("redis://:${cmd:echo said}@a", "redis://:said@a"),
        ("env:REDIS_PASSWORD", "hush"),
        ("file:p", "from a file"),
        ("${PORT:-6379}", "6379"),
    ],
)
def test_variables_and_references_are_looked_up(text: str, value: str, tmp_path: Path) -> None:
    (tmp_path / "p").write_text("from a file\n")
    env = {**ENV, "PATH": "/usr/bin:/bin"}
    assert looked_up(text, "state.url", tmp_path, env) == value


@pytest.mark.parametrize("text", ["${NOBODY}", "env:NOBODY", "file:missing", "redis://:${file:missing}@a"])
def test_what_has_no_value_names_the_key(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"state\.url"):
        looked_up(text, "state.url", tmp_path, ENV)
