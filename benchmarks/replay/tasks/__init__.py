"""The recorded tasks, in the order of the page.

Each module has `TITLE`, `ABOUT` (what the user asked for), `QUERIES` (what an agent that does not see a tool
looks for), `RECIPES` (the workflows the user has configured), `prepare(folder)` (what is there before) and
`perform(way)`, which gives what was found or made, the same whichever way it was done.
"""

from __future__ import annotations

from types import ModuleType

from replay.tasks import (
    data_cleanup,
    file_refactoring,
    issue_triage,
    release_notes,
    repository_survey,
    research,
    two_calls,
)

TASKS: dict[str, ModuleType] = {
    module.__name__.rpartition(".")[2].replace("_", "-"): module
    for module in (
        issue_triage,
        repository_survey,
        release_notes,
        data_cleanup,
        file_refactoring,
        research,
        two_calls,
    )
}
"""Every task by the name of its trace."""

SMALL = "two-calls"
"""The one that is too small for callmux to help."""
