"""`callmux explain`: an error, its cause, and the next step."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from callmux.cli.explain import markdown
from callmux.cli.main import main
from callmux.failures.registry import ALL

DOCUMENT = Path(__file__).parents[2] / "docs" / "errors.md"


def test_the_document_is_current() -> None:
    """Made by `callmux explain --markdown > docs/errors.md`."""
    assert DOCUMENT.read_text("utf-8") == markdown()


def test_one_error_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "server_disabled"]) == 0
    shown = capsys.readouterr().out
    assert "switches this server off" in shown
    assert "callmux server enable SERVER" in shown


def test_all_of_them_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0
    shown = capsys.readouterr().out
    assert not [id for id in ALL if f"  {id} " not in shown]


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "429", "--json"]) == 0
    one = json.loads(capsys.readouterr().out)
    assert (one["id"], one["repeat"], one["actor"]) == ("http_429", "later", "agent")
    assert main(["explain", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == len(ALL)


def test_a_misspelt_one_is_refused_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "tool_not_fond"]) == 1
    assert 'did you mean "tool_not_found"' in capsys.readouterr().err
