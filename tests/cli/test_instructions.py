"""callmux instructions: the page is printed."""

from __future__ import annotations

import pytest

from callmux.cli.grammar.instructions import COMMANDS
from callmux.cli.main import main
from callmux.clients.instructions import MODES, PROFILES, instructions


def test_the_page_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["instructions"]) == 0
    assert capsys.readouterr().out == instructions("generic", "standard")
    words = ["--profile", "codex", "--mode", "meta-only", "--format", "markdown"]
    assert main(["instructions", *words]) == 0
    assert capsys.readouterr().out == instructions("codex", "meta-only")


def test_what_can_be_chosen_is_what_there_is() -> None:
    choices = {option.name: option.choices for option in COMMANDS[0].options}
    assert choices == {"--profile": PROFILES, "--mode": MODES, "--format": ("markdown",)}


@pytest.mark.parametrize(
    "args", [["--profile", "zzz"], ["--mode", "x"], ["--format", "html"], ["--bogus"], ["extra"]]
)
def test_anything_else_is_refused(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["instructions", *args]) == 1
    assert capsys.readouterr().out == ""
