"""docs/cli.md is what the table of commands says."""

from __future__ import annotations

from pathlib import Path

import pytest

from callmux.cli.grammar.table import everything
from callmux.cli.main import main
from callmux.cli.manual import markdown

DOCUMENT = Path(__file__).parents[2] / "docs" / "cli.md"


def test_the_document_is_current() -> None:
    """Made by `callmux help --markdown > docs/cli.md`."""
    assert DOCUMENT.read_text("utf-8") == markdown()


def test_it_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "--markdown"]) == 0
    assert capsys.readouterr().out == markdown()


def test_it_has_every_command_with_every_flag() -> None:
    text = markdown()
    for entry in everything():
        heading = f"\n### callmux {entry.name}\n" if entry.name else "\n## Run mode\n"
        section = text.split(heading, 1)[1].split("\n#", 1)[0]
        assert not [option.name for option in entry.options if f"| `{option.name}" not in section]
