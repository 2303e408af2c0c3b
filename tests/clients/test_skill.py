"""What a shell's agent is told is true of this build, and short."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from msgspec import Raw

from callmux.cli.grammar import call
from callmux.cli.grammar.table import command
from callmux.cli.parsing import read
from callmux.clients.skill import DESCRIPTION, NAME, skill
from callmux.metatools.meta_tool import META_TOOLS


def spans() -> list[str]:
    return sorted(set(re.findall(r"`([^`]+)`", skill())))


@pytest.mark.parametrize("span", [span for span in spans() if span.startswith("callmux ")])
def test_every_command_line_is_one_that_callmux_takes(span: str) -> None:
    words = shlex.split(span)[1:]
    assert read(command(words[0]), words[1:]).command.name


def test_every_flag_is_one_of_the_calls() -> None:
    known = {option.name for row in call.COMMANDS for option in row.options}
    flags = {span.split()[0] for span in spans() if span.startswith("--")}
    assert flags == {"--field", "--file", "--raw"}
    assert flags <= known


def test_a_file_of_steps_is_one_that_the_pipeline_takes() -> None:
    (steps,) = (span for span in spans() if span.startswith("{"))
    plan = META_TOOLS["callmux_pipeline"].read(Raw(steps.encode()))
    assert [one.spelling for one in plan.calls] == ["NAME", "OTHER"]
    assert plan.options[1].mappings


def test_the_top_is_what_clients_of_skills_read() -> None:
    first, name, description, last = skill().splitlines()[:4]
    assert (first, last) == ("---", "---")
    assert name == f"name: {NAME}"
    assert description == f"description: {DESCRIPTION}"
    assert re.fullmatch(r"[a-z0-9-]{1,64}", NAME)
    assert len(DESCRIPTION) <= 1024


def test_it_is_short_and_names_no_path() -> None:
    assert len(skill()) < 2500
    assert str(Path.home()) not in skill()
    assert "http" not in skill()
