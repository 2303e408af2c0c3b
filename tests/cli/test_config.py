"""callmux config"""

from __future__ import annotations

import io
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


def test_what_a_preset_sets_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.json"
    document = '{"preset": "lean", "cacheTtlSeconds": 0, "servers": {}}'
    code, answer, text = check(path, capsys, document)
    first, second, last = text.splitlines()
    assert (code, last) == (0, f"{path}: ok")
    assert first.startswith('Preset "lean" sets: metaOnly true')
    assert second == "The file itself goes before it: cacheTtlSeconds 0 (not 60)"
    assert answer["preset"] == [first, second]


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


def test_a_token_is_hashed_as_the_loader_takes_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """C21: the original has no way to make a hash."""
    monkeypatch.setattr("sys.stdin", io.StringIO("hunter2-hunter2\n"))
    assert config.run(["hash"], None) == 0
    hashed = capsys.readouterr().out.strip()
    assert hashed.startswith("scrypt$16384$8$1$")
    assert "hunter2" not in hashed
    auth = {"mode": "bearer", "tokens": [{"id": "a", "hash": hashed}]}
    assert check(tmp_path / "c.json", capsys, json.dumps({"servers": {}, "auth": auth}))[0] == 0
    assert config.run(["hash", "--new", "--json"], None) == 0
    answer = json.loads(capsys.readouterr().out)
    assert len(answer["token"]) >= 40
    assert config.run(["hash", "--new"], None) == 0
    assert capsys.readouterr().out.startswith("token: ")


@pytest.mark.parametrize("text", ["", " \n", "two\nlines", "\u00fc"])
def test_what_no_header_can_carry_is_no_token(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    with pytest.raises(UsageError, match="printable"):
        config.run(["hash"], None)


def test_what_a_run_would_stumble_over_is_an_issue(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run takes the last of two equal keys with a warning; a check is asked what is wrong."""
    document = {
        "a": {"command": "x", "cwd": str(tmp_path / "gone")},
        "b": {"url": "example.com/mcp"},
    }
    text = json.dumps({"servers": document})[:-2] + ', "a": {"command": "x", "cwd": "~/gone-too"}}}'
    code, answer, shown = check(tmp_path / "c.json", capsys, text)
    issues = answer["issues"]
    assert isinstance(issues, list)
    assert code == 1
    assert [issue.split(" ")[0] for issue in issues] == ["servers.a", "servers.a.cwd:", "servers.b.url"]
    assert answer["warnings"] == []
    assert "stands twice" in shown
