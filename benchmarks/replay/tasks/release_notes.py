"""Notes for a release are made of the commits since the last one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from replay.recording import PROJECT, Call
from replay.ways import Step, Way

TITLE = "Release notes"
ABOUT = (
    "Write RELEASE.md from the last twelve commits, with today's date; commits that only touch tests are not "
    "worth a line. Stage it."
)
QUERIES = {
    "git_log": "git log of recent commits",
    "get_current_time": "current date",
    "read_text_file": "read a file",
    "git_show": "show a commit with its diff",
    "write_file": "write a file",
    "git_add": "git add files to the staging area",
    "git_status": "git status",
}
RECIPES: dict[str, Any] = {}

LEFT_OUT = "Test "


def prepare(folder: Path) -> None:
    """The clone is all there is."""


def perform(way: Way) -> Any:
    """What git says after the notes are staged."""
    repository = {"repo_path": PROJECT}
    log, now, changelog = way.many(
        [
            Call("git", "git_log", {**repository, "max_count": 12}),
            Call("time", "get_current_time", {"timezone": "Europe/Berlin"}),
            Call("files", "read_text_file", {"path": f"{PROJECT}/CHANGELOG.md", "head": 20}),
        ]
    )
    commits = _commits(log)
    worth = [revision for revision, subject in commits if not subject.startswith(LEFT_OUT)]
    shown = way.many([Call("git", "git_show", {**repository, "revision": revision}) for revision in worth])
    notes = _notes(now["datetime"][:10], changelog, shown)
    return way.chain(
        [
            Step(Call("files", "write_file", {"path": f"{PROJECT}/RELEASE.md", "content": notes})),
            Step(Call("git", "git_add", {**repository, "files": ["RELEASE.md"]})),
            Step(Call("git", "git_status", repository)),
        ]
    )


def _commits(log: str) -> list[tuple[str, str]]:
    """Revision and subject of each commit of a log."""
    revisions = re.findall(r"^Commit: '?([0-9a-f]{40})", log, re.MULTILINE)
    subjects = re.findall(r"^Message: '?(.*)", log, re.MULTILINE)
    return list(zip(revisions, subjects, strict=True))


def _notes(date: str, changelog: str, shown: list[str]) -> str:
    """A line a commit, with the files it touched."""
    lines = [f"# Release of {date}", "", changelog.splitlines()[0], ""]
    for text in shown:
        subject = re.findall(r"^    (\S.*)$", text, re.MULTILINE)[0]
        touched = re.findall(r"^\+\+\+ b/(\S+)", text, re.MULTILINE)
        places = sorted({path.rpartition("/")[0] or path for path in touched})
        lines.append(f"- {subject} ({', '.join(places[:4])})")
    return "\n".join(lines) + "\n"
