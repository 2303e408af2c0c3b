"""callmux doctor"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from callmux.cli import doctor
from callmux.errors import UsageError
from callmux.upstream.probe import ProbeResult


async def two_tools(name: str, server: object, *, timeout_seconds: float, base_dir: Path) -> ProbeResult:
    return ProbeResult(["get_item", "create_item"], None)


def examined(
    document: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[int, dict[str, Any], str]:
    path = tmp_path / "c.json"
    path.write_text(document)
    code = doctor.run(["--json"], str(path), two_tools)
    answer = json.loads(capsys.readouterr().out)
    assert doctor.run([], str(path), two_tools) == code
    return code, answer, capsys.readouterr().out


def test_a_healthy_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, answer, text = examined('{"servers": {"a": {"command": "/bin/sh"}}}', tmp_path, capsys)
    assert code == 0
    assert answer == {
        "ok": True,
        "configPath": str(tmp_path / "c.json"),
        "format": "native",
        "serverCount": 1,
        "cacheTtlSeconds": 0,
        "maxConcurrency": 20,
        "issues": [],
        "warnings": [],
        "servers": [
            {
                "name": "a",
                "command": "/bin/sh",
                "status": "ok",
                "executablePath": "/bin/sh",
                "toolCount": 2,
                "issues": [],
            }
        ],
    }
    assert text.startswith("Status: ok\n")


@pytest.mark.parametrize("document", ["{nope", "[]", '{"servers": {}, "metaOnly": 1}'])
def test_a_file_that_does_not_load_is_a_report(
    document: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, answer, text = examined(document, tmp_path, capsys)
    assert (code, answer["ok"], answer["format"], answer["serverCount"]) == (1, False, "invalid", 0)
    assert len(answer["issues"]) == 1
    assert f"Issue: {answer['issues'][0]}" in text


def test_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the default one nor the one that the variable names."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CALLMUX_CONFIG", raising=False)
    assert doctor.run(["--json"], None) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["format"] == "missing"
    assert answer["configPath"] == str(tmp_path / ".config" / "callmux" / "config.json")
    monkeypatch.setenv("CALLMUX_CONFIG", "/nowhere.json")
    assert doctor.run(["--json"], None) == 1
    assert "CALLMUX_CONFIG names" in json.loads(capsys.readouterr().out)["issues"][0]


@pytest.mark.parametrize(
    ("args", "message"), [(["--bogus"], "Unknown option"), (["--url", "u"], "not available yet")]
)
def test_usage(args: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        doctor.run(args, None)
