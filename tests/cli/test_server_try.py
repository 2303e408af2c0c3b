"""callmux server test"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from callmux.cli import server_try
from callmux.cli.grammar.server import COMMANDS
from callmux.cli.parsing import read
from callmux.errors import ConfigMissing, UsageError
from callmux.upstream.probe import ProbeResult


async def two_tools(
    name: str, server: object, *, timeout_seconds: float, base_dir: Path, **_: object
) -> ProbeResult:
    return ProbeResult([], "it crashed") if name == "bad" else ProbeResult(["u", "t"], None)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"servers": {"a": {"command": "/bin/sh"}, "bad": {"command": "/bin/sh"}}}))
    return path


def run(path: Path, *args: str) -> int:
    return server_try.run(read(COMMANDS[0], ["test", *args]), str(path), two_tools)


def test_one_server(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(config, "a", "--json") == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (answer["name"], answer["status"], answer["tools"]) == ("a", "ok", ["t", "u"])
    assert run(config, "a") == 0
    assert capsys.readouterr().out.startswith("Status: ok\nServer: a\n")


def test_a_server_that_does_not_start_is_found(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """C3: the original calls it ok."""
    assert run(config, "bad", "--json") == 1
    assert json.loads(capsys.readouterr().out)["issues"] == ["connect/list-tools failed: it crashed"]


def test_all_servers_with_progress(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(config, "--all", "--json") == 1
    output = capsys.readouterr()
    answer = json.loads(output.out)
    assert (answer["ok"], answer["serverCount"], output.err) == (False, 2, "")
    assert [report["name"] for report in answer["reports"]] == ["a", "bad"]
    assert run(config, "--all") == 1
    output = capsys.readouterr()
    assert "Passed: 1" in output.out
    assert sorted(line.partition("] ")[2] for line in output.err.splitlines()) == [
        "a: 2 tools",
        "bad: it crashed",
    ]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "(?i)name one server, or give --all"),
        (["a", "--all"], "(?i)name one server, or give --all"),
        (["zz"], '"zz" not found'),
        (["bda"], 'did you mean "bad"'),
    ],
)
def test_usage(config: Path, args: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run(config, *args)


def test_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigMissing):
        run(tmp_path / "none.json", "a")
