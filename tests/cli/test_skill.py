"""callmux skill"""

from __future__ import annotations

from pathlib import Path

import pytest

from callmux.cli import skill
from callmux.clients.skill import skill as text
from callmux.errors import UsageError


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_is_written_for_the_project_and_left_alone_the_next_time(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = here / ".claude" / "skills" / "callmux" / "SKILL.md"
    assert skill.run([], None) == 0
    assert path.read_text() == text()
    assert skill.run([], None) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Wrote .claude/skills/callmux/SKILL.md",
        ".claude/skills/callmux/SKILL.md is as it should be already",
    ]
    assert [file.name for file in path.parent.iterdir()] == ["SKILL.md"]


def test_a_file_of_somebodys_own_is_replaced_only_when_that_is_said(here: Path) -> None:
    path = here / "mine" / "callmux" / "SKILL.md"
    path.parent.mkdir(parents=True)
    path.write_text("my own")
    with pytest.raises(UsageError, match="--force"):
        skill.run(["mine"], None)
    assert path.read_text() == "my own"
    assert skill.run(["mine", "--force"], None) == 0
    assert path.read_text() == text()
    assert path.with_name("SKILL.md.bak").read_text() == "my own"


def test_it_can_be_printed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert skill.run(["--print"], None) == 0
    assert capsys.readouterr().out == text()
    assert list(here.iterdir()) == []
