"""What setup does with and without questions; `test_setup.py` and `test_wizard.py` run it from end to end."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from callmux.cli import setup_steps
from callmux.setup.choices import Choices
from callmux.setup.plan import SetupError


class Refusing:
    """A daemon command that fails."""

    @staticmethod
    def run(args: list[str], config_option: str | None) -> int:
        assert args[:3] == ["install", "--port", "4861"]
        return 1


def test_a_daemon_that_cannot_be_installed_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any) -> Any:
        raise SetupError("no systemd")

    choices = Choices(listener="http://127.0.0.1:4861/mcp")
    monkeypatch.setattr(setup_steps, "has_daemon", lambda: False)
    setup_steps.start_daemon(choices, None)
    assert "callmux --listen" in capsys.readouterr().err
    monkeypatch.setattr(setup_steps, "has_daemon", lambda: True)
    monkeypatch.setattr(importlib, "import_module", lambda name: Refusing)
    setup_steps.start_daemon(choices, None)
    assert "see above" in capsys.readouterr().err
    monkeypatch.setattr(importlib, "import_module", broken)
    setup_steps.start_daemon(choices, None)
    assert "no systemd" in capsys.readouterr().err
