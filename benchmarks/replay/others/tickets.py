"""Reports become tickets, in order, under one heading."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from replay.recording import Call
from replay.ways import Way

TITLE = "Planning (tickets)"
ABOUT = (
    "Plan the next release: put what is open and blocks customers first, file the three steps of the "
    "migration under a ticket of their own, and close what the last release has solved."
)
QUERIES = {
    "list_tasks": "list open tickets",
    "create_task": "create a ticket",
    "update_task": "set priority of a ticket, or close it",
}
RECIPES: dict[str, Any] = {}

_OPEN = (
    ("Export stops at 10,000 rows", "Two customers are blocked by it: their month-end needs the whole list."),
    ("Typing in the search field is slow", "Seen with many filters. A nuisance, nobody is stopped by it."),
    ("Logo is blurred on large screens", "A nuisance, seen by one customer on a wall display."),
    ("Invoices are sent twice", "Five customers are blocked by it, since their own systems refuse doubles."),
    ("Wrong time zone in reports", "Solved in the last release, as the customer says who reported it."),
    ("Import of old files fails", "Eleven customers are blocked by it since the last release."),
    ("Menu hides the last entry", "A nuisance on small screens only."),
    ("Password mail comes late", "Solved in the last release: the queue was replaced."),
    ("Totals differ by a cent", "Three customers are blocked by it in their audit."),
)
_STEPS = ("Copy the old data", "Switch the readers", "Remove the old tables")


def prepare(home: Path) -> None:
    """The tracker makes its folder itself."""


def file(call: Callable[[Call], object]) -> None:
    """Nine tickets, before the recording begins."""
    for name, description in _OPEN:
        call(Call("tickets", "create_task", {"name": name, "description": description, "priority": 50}))


def perform(way: Way) -> Any:
    """The tickets that are open in the end, as the tracker lists them."""
    listed, done = way.many(
        [Call("tickets", "list_tasks", {"all": True}), Call("tickets", "list_tasks", {"completed": True})]
    )
    assert done == [] or "No tasks" in str(done)
    edits = [Call("tickets", "update_task", _decided(ticket)) for ticket in listed]
    heading = {
        "name": "Migration",
        "description": "The new tables take over, in three steps.",
        "priority": 10,
    }
    *_, made = way.many([*edits, Call("tickets", "create_task", heading)])
    steps = [
        Call(
            "tickets",
            "create_task",
            {
                "name": name,
                "description": f"Step {n} of the migration.",
                "parent_id": made["id"],
                "priority": n,
            },
        )
        for n, name in enumerate(_STEPS, 1)
    ]
    _, (left,) = way.stages([steps, [Call("tickets", "list_tasks", {"completed": False})]])
    return sorted((ticket["priority"], ticket["name"]) for ticket in left)


def _decided(ticket: dict[str, Any]) -> dict[str, Any]:
    """What an agent makes of a ticket it has read."""
    said = ticket["description"]
    if "Solved" in said:
        return {"id": ticket["id"], "completed": True, "result": said}
    return {"id": ticket["id"], "priority": 1 if "blocked" in said else 60}
