"""callmux --help"""

from __future__ import annotations

import re

import pytest

from callmux.cli.help import TEXT
from callmux.cli.main import COMMANDS, LATER
from callmux.config.inline import inline_config


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_line(name: str) -> None:
    assert f"  {name:<12}{COMMANDS[name]}\n" in TEXT


def test_what_is_missing_is_named_as_missing() -> None:
    line = next(line for line in TEXT.splitlines() if line.startswith("Not in this version yet"))
    assert [name for name in LATER if name not in line] == []


def test_every_option_for_one_server_is_one_that_is_understood() -> None:
    section = TEXT.split("Options for one server", 1)[1].split("\n\n", 1)[0]
    values = {"A,B": "a,b", "KEY=VALUE": "K=v", "N": "5", "MS": "5", "SECONDS": "5", "FORMAT": "toon"}
    options = re.findall(r"^  (--[a-z-]+)(?: ([A-Z]\S*))?  ", section, re.MULTILINE)
    assert len(options) >= 13
    for flag, value in options:
        assert inline_config([flag, *([values[value]] if value else []), "--", "srv"]).servers
