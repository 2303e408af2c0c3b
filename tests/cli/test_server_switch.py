"""callmux server enable, disable and rename"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from callmux.cli import server
from callmux.errors import ConfigMissing, UsageError

TEXT = """\
{
  // who serves
  "servers": {
    "a": { "command": "x" }, // the first
    "b": { "url": "https://h/mcp", "disabled": true }
  },
  "cachePolicy": { "allowTools": ["a__*", "ab__t"] }
}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "c.json"
    path.write_text(TEXT)
    return path


def run(path: Path, *args: str) -> int:
    return server.run(list(args), str(path))


def test_a_server_is_switched_off_and_on_again(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = config.read_text()
    assert run(config, "disable", "a") == 0
    assert '"a": { "command": "x", "disabled": true }, // the first' in config.read_text()
    assert run(config, "enable", "a") == 0
    assert config.read_text() == before
    assert capsys.readouterr().out == f'Disabled server "a" in {config}\nEnabled server "a" in {config}\n'


def test_several_are_switched_at_once_or_none(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = config.read_text()
    with pytest.raises(UsageError, match=r'Server "aa" not found .*did you mean "a"'):
        run(config, "enable", "b", "aa")
    assert config.read_text() == before
    assert run(config, "enable", "a", "b", "--json") == 0
    assert "disabled" not in config.read_text()
    assert json.loads(capsys.readouterr().out)["serverNames"] == ["a", "b"]


def test_a_new_name_changes_nothing_else(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = config.read_text()
    assert run(config, "rename", "a", "new") == 0
    assert config.read_text() == before.replace('"a": {', '"new": {')
    said = capsys.readouterr()
    assert said.out == f'Renamed server "a" to "new" in {config}\n'
    assert said.err == 'Note: cachePolicy.allowTools[0] still names "a"\n'


def test_what_still_has_the_old_name_is_in_the_json_too(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(config, "rename", "a", "new", "--json") == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (answer["serverName"], answer["oldName"]) == ("new", "a")
    assert answer["stillNamed"] == ["cachePolicy.allowTools[0]"]


@pytest.mark.parametrize(
    ("words", "why"),
    [(("a", "b"), "already"), (("z", "y"), "not found"), (("a", "b__c"), "cannot be a server's name")],
)
def test_a_name_that_cannot_be_given_is_refused(config: Path, words: tuple[str, str], why: str) -> None:
    before = config.read_text()
    with pytest.raises(UsageError, match=why):
        run(config, "rename", *words)
    assert config.read_text() == before


def test_without_a_configuration_there_is_nothing_to_change(tmp_path: Path) -> None:
    with pytest.raises(ConfigMissing, match="callmux init"):
        run(tmp_path / "none.json", "enable", "a")
