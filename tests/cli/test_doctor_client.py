"""callmux doctor --client"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from callmux.cli import doctor
from callmux.errors import UsageError

PAGE = Path(__file__).parents[2] / "docs" / "personas.md"
NOTES = {"command": sys.executable, "args": ["-m", "callmux.demo.servers.notes"]}


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"preset": "lean", "servers": {"notes": NOTES}}))
    return path


def shown(config: Path, client: str, capsys: pytest.CaptureFixture[str]) -> Any:
    assert doctor.run(["--client", client, "--json"], str(config)) == 0
    return json.loads(capsys.readouterr().out)


def test_what_reaches_a_model_is_counted_after_the_cuts_of_its_client(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    claude, codex = shown(config, "claude-code", capsys), shown(config, "codex", capsys)
    assert {tool["state"] for tool in claude["tools"]} >= {"whole", "aside"}
    assert [tool["name"] for tool in codex["tools"]] == [
        "callmux_search_tools",
        "callmux_get_result",
        "callmux_call",
    ]
    assert codex["tokens"] > 0
    assert doctor.run(["--client", "claude"], str(config)) == 0
    text = capsys.readouterr().out
    assert text.startswith("What reaches the model of Claude Code, at every turn:")
    assert f"together: about {claude['tokens']} tokens (estimated)" in text


def test_a_persona_of_no_client_is_shown_as_it_would_be_where_the_configuration_named_it(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(document: dict[str, Any], client: str = "code") -> str:
        config.write_text(json.dumps({"servers": {"notes": NOTES}, **document}))
        assert doctor.run(["--client", client], str(config)) == 0
        return capsys.readouterr().out

    managed = told({"preset": "lean", "management": {"enabled": True}})
    assert managed.startswith('Listed as with "persona": "code"; this configuration has "persona": "auto".')
    assert "tools: 3, " in managed
    assert "this configuration has no persona." in told({}, "searching")
    assert told({"persona": "code"}).startswith("What reaches the model")


def test_a_server_that_does_not_answer_is_told(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(json.dumps({"servers": {"gone": {"command": "no-such-program"}}}))
    assert doctor.run(["--client", "gemini"], str(config)) == 1
    assert "Some servers did not answer" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "message"),
    [(["--client", "codx"], "codex"), (["--client", "codex", "--url", "http://x"], "exclude each other")],
)
def test_usage(args: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        doctor.run(args, None)


def test_the_page_shows_what_is_printed(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = PAGE.read_text("utf-8")
    example = re.search(r"```json config\n(.*?)```", page, re.DOTALL)
    block = re.search(r"```text\n\$ callmux doctor --client claude-code\n(.*?)```", page, re.DOTALL)
    assert example is not None
    assert block is not None
    config.write_text(json.dumps({**json.loads(example[1]), "servers": {"notes": NOTES}}))
    assert doctor.run(["--client", "claude-code"], str(config)) == 0
    printed = capsys.readouterr().out
    shown_lines = [line.removesuffix(", ...") for line in block[1].splitlines() if line.strip() != "..."]
    assert len(shown_lines) == 4
    assert [line for line in shown_lines if line not in printed] == []
