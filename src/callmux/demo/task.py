"""The demonstration's task, done one call at a time and with meta-tools; proof that both did the same.

Called by `callmux.cli.demo`; drives an `Agent`. Three parts: read issues (parallel), comment on them (batch),
copy one into a note and read that back (pipeline).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from callmux.demo.agent import Agent, DemoFailed
from callmux.demo.trace import CALLMUX, ONE_BY_ONE

COMMENT = "Triaged: reproduced on the current release, planned for the next one."


def configuration(python: str, folder: Path | None, delay_ms: int, issues: int) -> dict[str, Any]:
    """A callmux configuration with the two example servers.

    Args:
        python: The interpreter that runs them.
        folder: Where they keep what is written; None for memory.
        delay_ms: What a call takes in the servers, in place of a network.
        issues: How many issues the tracker has.
    """
    delay = ["--delay-ms", str(delay_ms)] if delay_ms else []
    kept = ["--dir", str(folder)] if folder is not None else []
    servers = {
        "tracker": ["callmux.demo.servers.tracker", "--issues", str(issues)],
        "notes": ["callmux.demo.servers.notes"],
    }
    return {
        "servers": {
            name: {"command": python, "args": ["-m", *args, *delay, *kept]} for name, args in servers.items()
        }
    }


def perform(agent: Agent, calls: int, folder: Path) -> list[str]:
    """Does all parts both ways.

    Args:
        agent: A fresh one.
        calls: Issues to read and to comment on.
        folder: Where the servers write.

    Returns:
        What was found to be equal, a sentence each.

    Raises:
        DemoFailed: Something failed, or the two ways did not do the same.
    """
    offered = {tool["name"] for tool in agent.start()}
    needed = {
        "tracker__get_issue",
        "notes__write_note",
        "callmux_parallel",
        "callmux_batch",
        "callmux_pipeline",
    }
    if missing := sorted(needed - offered):
        raise agent.failure(f"callmux does not list {', '.join(missing)}")
    listing = agent.call("tracker__list_issues", {"state": "open", "limit": calls})
    numbers = [issue["number"] for issue in listing["issues"]]
    agent.call("notes__list_notes", {})
    try:
        return [
            _read_issues(agent, numbers),
            _comment(agent, numbers, folder),
            _copy_into_note(agent, numbers[0], folder),
        ]
    except (KeyError, TypeError, OSError) as error:
        raise DemoFailed(f"an answer or a file is not as it should be: {error!r}") from error


def _read_issues(agent: Agent, numbers: list[int]) -> str:
    part = f"read {len(numbers)} issues"
    singly = [agent.call("tracker__get_issue", {"number": n}, part, ONE_BY_ONE) for n in numbers]
    calls = [{"tool": "tracker__get_issue", "arguments": {"number": n}} for n in numbers]
    together = agent.call("callmux_parallel", {"calls": calls}, part, CALLMUX)
    _same("the issues", singly, _results(together))
    return f"{len(numbers)} issues, each the same both ways"


def _comment(agent: Agent, numbers: list[int], folder: Path) -> str:
    part = f"comment on {len(numbers)} issues"
    wanted = [{"number": n, "body": COMMENT} for n in numbers]
    singly = [agent.call("tracker__add_comment", one, part, ONE_BY_ONE) for one in wanted]
    items = [{"arguments": one} for one in wanted]
    together = agent.call("callmux_batch", {"tool": "tracker__add_comment", "items": items}, part, CALLMUX)
    _same("the comments", [_said(c) for c in singly], [_said(c) for c in _results(together)])
    journal = (folder / "comments.jsonl").read_text("utf-8").splitlines()
    written = sorted(_said(json.loads(line)) for line in journal)
    _same("the comments on disk", sorted([_said(c) for c in singly] * 2), written)
    return f"{len(written)} comments on disk, one an issue and way"


def _copy_into_note(agent: Agent, number: int, folder: Path) -> str:
    part = "copy an issue into a note"
    singly, piped = f"issue-{number}-one-by-one", f"issue-{number}-callmux"
    issue = agent.call("tracker__get_issue", {"number": number}, part, ONE_BY_ONE)
    agent.call("notes__write_note", {"name": singly, "content": issue["body"]}, part, ONE_BY_ONE)
    read = agent.call("notes__read_note", {"name": singly}, part, ONE_BY_ONE)
    steps = [
        {"tool": "tracker__get_issue", "arguments": {"number": number}},
        {
            "tool": "notes__write_note",
            "arguments": {"name": piped},
            "inputMapping": {"content": "$json.body"},
            "onMappingMissing": "fail",
        },
        {"tool": "notes__read_note", "inputMapping": {"name": "$json.name"}, "onMappingMissing": "fail"},
    ]
    outcome = agent.call("callmux_pipeline", {"steps": steps}, part, CALLMUX)
    if outcome.get("status") != "completed":
        raise DemoFailed(f"the pipeline did not complete: {json.dumps(outcome)[:500]}")
    _same("the notes", read["content"], outcome["finalResult"]["content"])
    texts = [(folder / f"{name}.md").read_text("utf-8") for name in (singly, piped)]
    _same("the notes on disk", [issue["body"]] * 2, texts)
    return f"2 notes on disk with the same {len(texts[0].encode())} bytes"


def _results(outcome: dict[str, Any]) -> list[Any]:
    """The results of a fan-out that succeeded throughout."""
    if outcome.get("status") != "completed":
        raise DemoFailed(f"not every call succeeded: {json.dumps(outcome)[:500]}")
    return [entry["result"] for entry in outcome["results"]]


def _said(comment: dict[str, Any]) -> tuple[int, str]:
    return comment["issue"], comment["body"]


def _same(what: str, one_by_one: object, callmux: object) -> None:
    if one_by_one != callmux:
        raise DemoFailed(f"{what} differ:\n  one by one: {one_by_one!r:.300}\n  callmux: {callmux!r:.300}")
