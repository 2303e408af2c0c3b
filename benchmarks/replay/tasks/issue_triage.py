"""Twelve new issues of a tracker are read, sorted and assigned."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from replay.recording import Call
from replay.ways import Way

TITLE = "Issue triage"
ABOUT = (
    "Go through the new issues: give each a priority, labels and somebody to look at it, and leave a summary "
    "among the documents."
)
QUERIES = {
    "task_list": "list tasks with a label",
    "task_view": "view a task",
    "task_edit": "set priority, labels and assignee of a task",
    "document_create": "write a document",
}
RECIPES: dict[str, Any] = {
    "queue": {
        "mode": "parallel",
        "description": "What waits for triage, milestones, known regressions",
        "calls": [
            {"tool": "backlog__task_list", "arguments": {"labels": [{"$param": "label"}]}},
            {"tool": "backlog__milestone_list", "arguments": {}},
            {"tool": "backlog__task_search", "arguments": {"query": "regression"}},
        ],
    }
}

PEOPLE = ("@amara", "@bo", "@chen", "@dana")
AREAS = {"checkout": "@amara", "search": "@bo", "import": "@chen", "sign-in": "@dana"}
ISSUES = (
    ("Checkout hangs after the address step", "checkout", "high"),
    ("Search forgets the filter on the second page", "search", "medium"),
    ("Import stops at the first row with an umlaut", "import", "high"),
    ("Sign-in page shows the old logo in dark mode", "sign-in", "low"),
    ("Checkout answers twice when the button is pressed twice", "checkout", "high"),
    ("Search results change their order on every reload", "search", "medium"),
    ("Import reads 1,5 as fifteen", "import", "high"),
    ("Sign-in link in the mail is cut by some clients", "sign-in", "high"),
    ("Checkout shows prices of yesterday until noon", "checkout", "medium"),
    ("Search for a quoted phrase finds nothing", "search", "medium"),
    ("Import leaves a temporary file behind", "import", "low"),
    ("Sign-in takes nine seconds behind the company proxy", "sign-in", "medium"),
)
WEIGHT = {
    "high": "Eleven customers wrote about it this week, two of them cannot go on with their work at all.",
    "medium": "A handful of customers noticed it; they know a way round it and are waiting for a release.",
    "low": "Nobody complained; it was seen by chance while looking for something else.",
}


def prepare(folder: Path) -> None:
    """The tracker is there for every task."""


def prepare_tracker(folder: Path) -> None:
    """A tracker with twelve new issues and three that are settled."""
    tasks = folder / "backlog" / "tasks"
    tasks.mkdir(parents=True)
    for name in ("docs", "drafts", "decisions", "milestones", "completed", "archive"):
        (folder / "backlog" / name).mkdir()
    (folder / "backlog" / "config.yml").write_text(
        'project_name: "Atlas"\ndefault_status: "To Do"\nstatuses: ["To Do", "In Progress", "Done"]\n'
        "labels: []\nremote_operations: false\ncheck_active_branches: false\nauto_commit: false\n",
        "utf-8",
    )
    for number, (title, area, weight) in enumerate(ISSUES, 1):
        body = (
            f"Seen in {area} on the current release and on the one before.\n\n"
            f"1. Open {area} with an account that has more than a thousand entries.\n"
            "2. Change one entry in another window, so that this one holds an older version of it.\n"
            "3. Go back and repeat the last action.\n\n"
            f"Expected: nothing unusual. Found: {title.lower()}.\n\n"
            f"{WEIGHT[weight]} Log: request {number}f3a{number * 7919 % 65521:04x} took forty times as long "
            "as usual, without an error.\n"
        )
        _write(tasks, number, title, "To Do", ["untriaged"], body)
    for number, title in enumerate(("Regression in totals", "Old links redirect", "Faster start page"), 41):
        _write(tasks, number, title, "In Progress", ["bug"], "Being worked on.\n")


def _write(tasks: Path, number: int, title: str, status: str, labels: list[str], body: str) -> None:
    head = (
        f"id: TASK-{number}\ntitle: {json.dumps(title)}\nstatus: {status}\nassignee: []\n"
        f"created_date: '2026-11-{1 + number % 20:02} 09:{number:02}'\nlabels: {json.dumps(labels)}\n"
        "dependencies: []\n"
    )
    name = f"task-{number} - {re.sub(r'[^A-Za-z0-9]+', '-', title)}.md"
    section = f"<!-- SECTION:DESCRIPTION:BEGIN -->\n{body}<!-- SECTION:DESCRIPTION:END -->\n"
    (tasks / name).write_text(f"---\n{head}---\n\n## Description\n\n{section}", "utf-8")


def perform(way: Way) -> Any:
    """The tracker's own words about each issue after triage, and the summary."""
    queue = [
        Call("backlog", "task_list", {"labels": ["untriaged"]}),
        Call("backlog", "milestone_list", {}),
        Call("backlog", "task_search", {"query": "regression"}),
    ]
    listed, _, _ = way.named("queue", {"label": "untriaged"}, queue)
    numbers = re.findall(r"TASK-\d+", listed)
    issues = way.many([Call("backlog", "task_view", {"id": number}) for number in numbers])
    decided = [_decide(number, issue) for number, issue in zip(numbers, issues, strict=True)]
    edits = [Call("backlog", "task_edit", arguments) for arguments in decided]
    lines = [f"- {d['id']}: {d['priority']}, {d['assignee'][0]}, {', '.join(d['labels'])}" for d in decided]
    summary = "# Triage\n\n" + "\n".join(lines)
    document = Call("backlog", "document_create", {"title": "Triage", "content": summary})
    edited, _, left = way.stages(
        [edits, [document], [Call("backlog", "task_list", {"labels": ["untriaged"]})]]
    )
    return [edited, left[0]]


def _decide(number: str, issue: str) -> dict[str, Any]:
    """What an agent makes of an issue it has read."""
    area = next(area for area in AREAS if f"Seen in {area} " in issue)
    priority = next(name for name, said in WEIGHT.items() if said in issue)
    return {
        "id": number,
        "priority": priority,
        "labels": ["bug", area],
        "assignee": [AREAS[area]],
        "commentsAppend": [f"Triaged as {priority}: {area} is looked after by {AREAS[area]}."],
    }
