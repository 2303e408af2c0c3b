"""A repository nobody has seen before is looked through and described."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from replay.recording import PROJECT, Call
from replay.ways import Way

TITLE = "Repository survey"
ABOUT = (
    "Find out what this repository is, how it is built and what happened lately, and write it into SURVEY.md."
)
QUERIES = {
    "git_status": "git status",
    "git_branch": "list git branches",
    "git_log": "git log of recent commits",
    "list_directory": "list the files of a directory",
    "read_text_file": "read a file",
    "write_file": "write a file",
}
RECIPES: dict[str, Any] = {}

_WORTH_READING = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "pyproject.toml")


def prepare(folder: Path) -> None:
    """The clone is all there is."""


def perform(way: Way) -> Any:
    """The survey and what the file server said about writing it."""
    repository = {"repo_path": PROJECT}
    _, branches, log, root = way.many(
        [
            Call("git", "git_status", repository),
            Call("git", "git_branch", {**repository, "branch_type": "local"}),
            Call("git", "git_log", {**repository, "max_count": 10}),
            Call("files", "list_directory", {"path": PROJECT}),
        ]
    )
    entries = [line.partition("] ") for line in root.splitlines()]
    folders = [name for kind, _, name in entries if kind == "[DIR" and not name.startswith(".")]
    files = [name for kind, _, name in entries if kind == "[FILE" and name in _WORTH_READING]
    listings = way.many([Call("files", "list_directory", {"path": f"{PROJECT}/{name}"}) for name in folders])
    documents = [
        f"{PROJECT}/docs/{line.partition('] ')[2]}"
        for line in listings[folders.index("docs")].splitlines()
        if line.endswith(("design.md", "tools.md"))
    ]
    paths = [*(f"{PROJECT}/{name}" for name in files), *documents]
    texts = way.many([Call("files", "read_text_file", {"path": path}) for path in paths])
    survey = _survey(branches, log, folders, listings, texts)
    return way.one(Call("files", "write_file", {"path": f"{PROJECT}/SURVEY.md", "content": survey}))


def _survey(branches: str, log: str, folders: list[str], listings: list[str], texts: list[str]) -> str:
    """A short survey out of what was read."""
    firsts = [next(line for line in text.splitlines() if line.strip()) for text in texts]
    commits = [line.strip() for line in log.splitlines() if line.startswith("Message:")]
    counts = [
        f"- {name}/: {len(text.splitlines())} entries" for name, text in zip(folders, listings, strict=True)
    ]
    parts = ["# Survey", f"Branches: {branches.strip()}", *counts, "Documents begin with:", *firsts, *commits]
    return "\n".join(parts) + "\n"
