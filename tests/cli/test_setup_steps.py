"""What setup does with and without questions; `test_setup.py` and `test_wizard.py` run it from end to end."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from callmux.cli import setup_steps
from callmux.config.servers import HttpServer
from callmux.setup.choices import Choices, custom_server, leave_out
from callmux.setup.plan import SetupError
from callmux.setup.probing import ProbeAnswer


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


def test_servers_that_want_a_sign_in_are_offered_one_and_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    far = HttpServer(url="https://far.example/mcp")
    choices = Choices(added=[custom_server("far", far.url), custom_server("near", "near-mcp")])
    answers = {
        "+far": ProbeAnswer(problem="sign in", sign_in=far),
        "+near": ProbeAnswer(tools=("b",)),
    }
    asked: list[object] = []
    scene: Any = SimpleNamespace(config_path=Path("/c/callmux.json"))

    def probed(*_: object) -> dict[str, ProbeAnswer]:
        return {"+0:far": ProbeAnswer(tools=("a",)), "+1:near": ProbeAnswer(tools=("b",))}

    def nobody(servers: Any, base_dir: Path) -> list[str]:
        asked.append((servers, base_dir))
        return []

    monkeypatch.setattr(setup_steps, "probe_all", probed)
    monkeypatch.setattr(setup_steps, "signed_in_to", nobody)
    setup_steps.sign_in(answers, choices, scene, 1, None)
    assert asked == [({"far": far}, Path("/c"))]
    assert answers["+far"].problem == "sign in"
    monkeypatch.setattr(setup_steps, "signed_in_to", lambda servers, base_dir: list(servers))
    setup_steps.sign_in(answers, choices, scene, 1, None)
    assert answers["+far"] == ProbeAnswer(tools=("a",))
    setup_steps.sign_in(answers, choices, scene, 1, None)
    assert len(asked) == 1


def test_an_added_server_stays_where_it_only_wants_a_sign_in() -> None:
    far = HttpServer(url="https://far.example/mcp")
    choices = Choices(added=[custom_server("far", far.url), custom_server("broken", "x")])
    answers = {"+far": ProbeAnswer(problem="sign in", sign_in=far), "+broken": ProbeAnswer(problem="no")}
    assert leave_out(choices, answers) == {"broken": "no"}
    assert [new.name for new in choices.added] == ["far"]
