"""The task and its proof, with an agent that has the example servers inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callmux.demo.agent import DemoFailed
from callmux.demo.servers.notes import Notes
from callmux.demo.servers.tracker import Tracker
from callmux.demo.task import configuration, perform


class InMemory:
    """Calls the servers' functions, and plays the meta-tools; `spoil` may change what a meta-tool answers."""

    def __init__(self, folder: Path, spoil: str = "") -> None:
        tracker, notes = Tracker(20, folder / "comments.jsonl"), Notes(folder)
        self.tools = {f"tracker__{t.name}": t for t in tracker.tools()}
        self.tools |= {f"notes__{t.name}": t for t in notes.tools()}
        self.spoil = spoil

    def start(self) -> list[dict[str, Any]]:
        names = {*self.tools, "callmux_parallel", "callmux_batch", "callmux_pipeline"} - {self.spoil}
        return [{"name": name} for name in names]

    def failure(self, message: str) -> DemoFailed:
        return DemoFailed(message)

    def call(self, tool: str, arguments: dict[str, Any], part: str = "", way: str = "") -> Any:
        if tool in self.tools:
            return self.tools[tool].run(arguments)
        if tool == "callmux_pipeline":
            return self.pipeline(arguments["steps"])
        calls = arguments.get("calls") or [{"tool": arguments["tool"], **item} for item in arguments["items"]]
        results = [{"result": self.call(c["tool"], c["arguments"])} for c in calls]
        if self.spoil == "a result":
            results[0]["result"] = {**results[0]["result"], "title": "another"}
        return {"status": "partial" if self.spoil == "status" else "completed", "results": results}

    def pipeline(self, steps: list[dict[str, Any]]) -> Any:
        answer: Any = {}
        for step in steps:
            mapped = {
                k: answer[path.removeprefix("$json.")] for k, path in step.get("inputMapping", {}).items()
            }
            if self.spoil == "the note" and "content" in mapped:
                mapped["content"] += "!"
            answer = self.call(step["tool"], {**step.get("arguments", {}), **mapped})
        return {"status": "completed", "finalResult": answer}


def test_both_ways_are_found_equal(tmp_path: Path) -> None:
    found = perform(InMemory(tmp_path), 6, tmp_path)  # type: ignore[arg-type]
    assert found[0].startswith("6 issues")
    assert found[1].startswith("12 comments on disk")
    assert len(list(tmp_path.glob("issue-*.md"))) == 2


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ("a result", "the issues differ"),
        ("the note", "the notes differ"),
        ("status", "not every call succeeded"),
        ("callmux_batch", "does not list callmux_batch"),
    ],
)
def test_a_difference_is_never_passed_over(tmp_path: Path, spoil: str, message: str) -> None:
    with pytest.raises(DemoFailed, match=message):
        perform(InMemory(tmp_path, spoil), 6, tmp_path)  # type: ignore[arg-type]


def test_the_configuration_starts_both_servers_as_modules(tmp_path: Path) -> None:
    servers = configuration("py", tmp_path, 70, 5)["servers"]
    assert {name: entry["command"] for name, entry in servers.items()} == {"tracker": "py", "notes": "py"}
    assert servers["tracker"]["args"][:2] == ["-m", "callmux.demo.servers.tracker"]
    assert all(
        ["--delay-ms", "70", "--dir", str(tmp_path)] == entry["args"][-4:] for entry in servers.values()
    )
    assert "--dir" not in configuration("py", None, 0, 5)["servers"]["notes"]["args"]
