"""callmux config"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from callmux.cli import config
from callmux.errors import UsageError


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert config.run(["schema"], None) == 0
    assert "mcpServers" in json.loads(capsys.readouterr().out)["properties"]


def check(
    path: Path, capsys: pytest.CaptureFixture[str], document: str
) -> tuple[int, dict[str, object], str]:
    path.write_text(document)
    code = config.run(["check", "--json"], str(path))
    answer = json.loads(capsys.readouterr().out)
    assert config.run(["check"], str(path)) == code
    return code, answer, capsys.readouterr().out


def test_a_good_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.json"
    code, answer, text = check(path, capsys, '{"servers": {}, "nope": 1}')
    assert code == 0
    assert answer == {
        "ok": True,
        "configPath": str(path),
        "issues": [],
        "warnings": ["nope is not known and ignored"],
    }
    assert text == f"Warning: nope is not known and ignored\n{path}: ok\n"


@pytest.mark.parametrize(
    ("document", "issue"),
    [
        ("{", "invalid JSON"),
        ('{"servers": {}, "metaOnly": 1}', "metaOnly must be a boolean"),
        ('{"servers": {"a": {"command": "${NOT_THERE_AT_ALL}"}}}', "NOT_THERE_AT_ALL is not set"),
    ],
)
def test_a_bad_file(tmp_path: Path, capsys: pytest.CaptureFixture[str], document: str, issue: str) -> None:
    path = tmp_path / "c.json"
    code, answer, text = check(path, capsys, document)
    assert (code, answer["ok"]) == (1, False)
    assert issue in str(answer["issues"])
    assert issue in text
    assert text.endswith(f"{path}: issues found\n")


def test_a_missing_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert config.run(["check"], str(tmp_path / "none.json")) == 1
    assert "callmux init" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "Usage"),
        (["chek"], 'did you mean "check"'),
        (["schema", "--json"], "config schema option"),
    ],
)
def test_usage(args: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        config.run(args, None)
