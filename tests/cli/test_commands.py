"""Every command has a module that runs it and one that says what it takes."""

from __future__ import annotations

from importlib import import_module

import pytest

from callmux.cli.commands import COMMANDS


@pytest.mark.parametrize(("name", "module"), COMMANDS.items())
def test_a_command_is_run_and_described_by_its_module(name: str, module: str) -> None:
    runs = import_module(f"callmux.cli.{module}")
    assert callable(getattr(runs, "run" if module == name else name))
    described = import_module(f"callmux.cli.grammar.{module}")
    assert name in [command.name for command in described.COMMANDS]


def test_they_stand_in_the_order_of_the_alphabet() -> None:
    assert list(COMMANDS) == sorted(COMMANDS)
