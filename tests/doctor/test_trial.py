"""Trying servers."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec

from callmux.config.load import load_config
from callmux.doctor.checks import Progress
from callmux.doctor.trial import Trial, summary, summary_lines, trial_lines, try_servers
from callmux.upstream.probe import ProbeResult

SH = {"command": "/bin/sh", "args": ["--token", "hunter2"]}
SERVERS: dict[str, Any] = {
    "a": {**SH, "tools": ["t", "u"]},
    "off": {**SH, "disabled": True},
    "bad": {"command": "/no/such/thing"},
}


async def three_tools(
    name: str, server: object, *, timeout_seconds: float, base_dir: Path, **_: object
) -> ProbeResult:
    return ProbeResult(["u", "t", "hidden"], None)


class Told(Progress):
    """Keeps what came of each."""

    def __init__(self) -> None:
        self.results: dict[str, str] = {}

    def finished(self, name: str, result: str) -> None:
        self.results[name] = result


def tried(tmp_path: Path, *names: str, **options: Any) -> list[Trial]:
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"servers": SERVERS}))
    return asyncio.run(try_servers(load_config(path, {}), names, three_tools, {}, **options))


def test_a_trial_shows_what_clients_see(tmp_path: Path) -> None:
    (trial,) = tried(tmp_path, "a")
    assert json.loads(msgspec.json.encode(trial)) == {
        "name": "a",
        "command": "/bin/sh --token [redacted]",
        "status": "ok",
        "executablePath": "/bin/sh",
        "tools": ["t", "u"],
        "issues": [],
    }
    assert trial_lines(trial)[-3:] == ["Tools: 2", "- t", "- u"]


def test_a_tool_that_was_asked_for_has_to_be_there(tmp_path: Path) -> None:
    found, missing = tried(tmp_path, "a", tool="t")[0], tried(tmp_path, "a", tool="hidden")[0]
    assert (found.status, found.requested_tool_found) == ("ok", True)
    assert (missing.status, missing.requested_tool_found) == ("error", False)
    assert missing.issues == ['tool "hidden" was not exposed by "a"']
    assert "Requested tool: hidden (missing)" in trial_lines(missing)


def test_all_of_them_in_the_order_of_the_file(tmp_path: Path) -> None:
    """A disabled server is left out, but tried when it is named."""
    told = Told()
    trials = tried(tmp_path, *SERVERS, progress=told)
    assert [(trial.name, trial.status) for trial in trials] == [
        ("a", "ok"),
        ("off", "disabled"),
        ("bad", "error"),
    ]
    assert told.results == {
        "a": "2 tools",
        "off": "disabled",
        "bad": 'command "/no/such/thing" does not exist',
    }
    whole = summary(trials)
    assert (whole.ok, whole.server_count) == (False, 3)
    lines = summary_lines(whole)
    assert lines[:4] == ["Status: issues found", "Servers tested: 3", "Passed: 2", "Failed: 1"]
    assert 'Issue: command "/no/such/thing" does not exist' in lines
    assert tried(tmp_path, "off", named=True)[0].status == "ok"
