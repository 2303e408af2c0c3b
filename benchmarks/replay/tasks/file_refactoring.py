"""A function is renamed in every file that uses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from replay.recording import PROJECT, Call
from replay.ways import Step, Way

TITLE = "File refactoring"
ABOUT = (
    "Rename the function output_format of src/callmux/metatools to wanted_format, wherever it is used there, "
    "and commit."
)
QUERIES = {
    "search_files": "find files by name",
    "read_text_file": "read a file",
    "edit_file": "edit a file",
    "git_diff_unstaged": "diff of what is not staged",
    "git_add": "git add files to the staging area",
    "git_commit": "git commit",
}
RECIPES: dict[str, Any] = {}

_OLD, _NEW = "output_format(", "wanted_format("
_IMPORTED = "import output_format"


def prepare(folder: Path) -> None:
    """The clone is all there is."""


def perform(way: Way) -> Any:
    """The diff of the renaming."""
    folder = f"{PROJECT}/src/callmux/metatools"
    found = way.one(Call("files", "search_files", {"path": folder, "pattern": "*.py"}))
    paths = found.splitlines()
    texts = way.many([Call("files", "read_text_file", {"path": path}) for path in paths])
    edits = [
        Call("files", "edit_file", {"path": path, "edits": changes})
        for path, text in zip(paths, texts, strict=True)
        if (changes := _changes(text))
    ]
    repository = {"repo_path": PROJECT}
    look = Call("git", "git_diff_unstaged", {**repository, "context_lines": 0})
    edited, (diff,) = way.stages([edits, [look]])
    way.chain(
        [
            Step(Call("git", "git_add", {**repository, "files": ["src/callmux/metatools"]})),
            Step(Call("git", "git_commit", {**repository, "message": "Rename output_format"})),
        ]
    )
    return [edited, diff]


def _changes(text: str) -> list[dict[str, str]]:
    """One edit for each line that has the old name."""
    lines = dict.fromkeys(line for line in text.splitlines() if _OLD in line or _IMPORTED in line)
    return [
        {"oldText": line, "newText": line.replace(_OLD, _NEW).replace(_IMPORTED, "import wanted_format")}
        for line in lines
    ]
