"""callmux discover"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from callmux.cli import discover


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "XDG_CONFIG_HOME", "CALLMUX_CONFIG"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "p").mkdir()
    monkeypatch.chdir(tmp_path / "p")
    (tmp_path / ".claude.json").write_text('{"mcpServers": {"git": {"command": "g"}}}')
    (tmp_path / "p" / ".mcp.json").write_text('{"mcpServers": {"web": {"url": "http://h/mcp"}}}')
    return tmp_path


def test_people_see_every_client(capsys: pytest.CaptureFixture[str]) -> None:
    assert discover.run([], None) == 0
    out = capsys.readouterr().out
    assert "  git: g\n    setup can move it\n" in out
    assert "  web: http://h/mcp\n    of a project" in out


def test_scripts_get_it_as_json_without_the_project_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert discover.run(["--json", "--no-project"], None) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [server["name"] for server in shown["servers"]] == ["git"]
    assert shown["servers"][0]["state"] == "moves"
    assert shown["clients"] == ["claude"]


def test_a_broken_configuration_of_ours_does_not_matter(home: Path) -> None:
    path = home / ".config" / "callmux" / "config.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    assert discover.run([], None) == 0
