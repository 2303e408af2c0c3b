"""An example MCP server: an issue tracker. Started by `callmux demo`, or by hand.

    python -m callmux.demo.servers.tracker [--issues 200] [--delay-ms 0] [--dir FOLDER]

Issues are made up, the same every time. Comments live in memory and, with `--dir`, in FOLDER/comments.jsonl.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from callmux.demo.servers.wire import DemoServer, Tool, ToolError, number, option

FIRST = 101
_PLACES = ("checkout", "search", "the sign-in page", "export", "notifications", "the importer", "billing")
_FAULTS = ("hangs", "shows stale data", "answers twice", "loses the last entry", "is slow", "rejects umlauts")
_PEOPLE = ("amara", "bo", "chen", "dana", "emil")
_STEPS = (
    "Open {place} with an account that has more than a thousand entries and wait until the page is idle.",
    "Change one entry in another window, so that the first one holds an older version of it.",
    "Go back and repeat the last action. Now {place} {fault}; a reload mends it until the next change.",
    "Seen on the current release and on the one before, in all browsers we support, and not on staging.",
    "The log says nothing at the time; the request takes about forty times as long as usual.",
    "Two customers reported this on the same day, one of them with a recording that support can share.",
)


class Tracker:
    """All issues and their comments.

    Args:
        count: How many issues there are.
        journal: A file that gets each comment as a line of JSON, or None.
    """

    def __init__(self, count: int, journal: Path | None) -> None:
        self._issues = {FIRST + n: self._invent(n) for n in range(count)}
        self._journal = journal
        self._comments = 0

    @staticmethod
    def _invent(n: int) -> dict[str, Any]:
        place, fault = _PLACES[n % len(_PLACES)], _FAULTS[n % len(_FAULTS)]
        steps = [step.format(place=place, fault=fault) for step in _STEPS[: 3 + n % 4]]
        return {
            "number": FIRST + n,
            "title": f"{place[0].upper()}{place[1:]} {fault}",
            "state": "closed" if n % 5 == 4 else "open",
            "labels": ["bug", f"p{1 + n % 3}"],
            "assignee": _PEOPLE[n % len(_PEOPLE)],
            "created_at": f"2026-{1 + n % 9:02}-{1 + n % 28:02}T09:{n % 60:02}:00Z",
            "body": "\n".join(f"{i}. {step}" for i, step in enumerate(steps, 1)),
            "comments": [],
        }

    def _get(self, arguments: dict[str, Any]) -> dict[str, Any]:
        issue: dict[str, Any] | None = self._issues.get(arguments["number"])
        if issue is None:
            raise ToolError(f"there is no issue {arguments['number']}")
        return issue

    def list_issues(self, arguments: dict[str, Any]) -> object:
        state, limit = arguments.get("state", "open"), arguments.get("limit", 30)
        matching = [issue for issue in self._issues.values() if state in ("all", issue["state"])]
        shown = ("number", "title", "state", "labels", "assignee")
        return {
            "total": len(matching),
            "issues": [{key: issue[key] for key in shown} for issue in matching[: max(limit, 0)]],
        }

    def get_issue(self, arguments: dict[str, Any]) -> object:
        return self._get(arguments)

    def add_comment(self, arguments: dict[str, Any]) -> object:
        issue = self._get(arguments)
        self._comments += 1
        comment = {"id": self._comments, "issue": issue["number"], "body": arguments["body"]}
        issue["comments"].append(comment)
        if self._journal is not None:
            with self._journal.open("a", encoding="utf-8") as file:
                file.write(json.dumps(comment) + "\n")
        return comment

    def tools(self) -> list[Tool]:
        issue = {"number": {"type": "integer", "description": "The issue's number"}}
        return [
            Tool(
                "list_issues",
                "Lists issues: number, title, state, labels and assignee, oldest first.",
                {
                    "state": {
                        "type": "string",
                        "enum": ["open", "closed", "all"],
                        "description": "open if absent",
                    },
                    "limit": {"type": "integer", "description": "At most so many; 30 if absent"},
                },
                [],
                self.list_issues,
            ),
            Tool(
                "get_issue",
                "Returns one issue with its text and comments.",
                issue,
                ["number"],
                self.get_issue,
            ),
            Tool(
                "add_comment",
                "Adds a comment to an issue and returns the comment.",
                {**issue, "body": {"type": "string", "description": "The comment, in Markdown"}},
                ["number", "body"],
                self.add_comment,
                read_only=False,
            ),
        ]


def main() -> None:
    folder = option("--dir", "")
    journal = Path(folder) / "comments.jsonl" if folder else None
    tracker = Tracker(number("--issues", 200), journal)
    DemoServer("tracker", tracker.tools(), number("--delay-ms", 0) / 1000).serve()


if __name__ == "__main__":
    main()
