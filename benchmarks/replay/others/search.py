"""Questions are answered from a searched handbook, and the answers are kept there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from replay.recording import Call
from replay.ways import Way

TITLE = "Answers from a handbook (search)"
ABOUT = (
    "Answer six questions of a new colleague from the handbook, read the two documents that come up most, "
    "and keep the answers in the handbook as onboarding."
)
QUERIES = {
    "search_docs": "search the documentation",
    "get_doc": "read a whole document",
    "write_doc": "write a document",
    "list_docs": "list documents",
}
RECIPES: dict[str, Any] = {}

_QUESTIONS = (
    "how are large results shortened",
    "which clients are supported and how are they configured",
    "how is a server restarted after a crash",
    "where do secrets come from",
    "how do I ask for several calls at once",
    "what is cached and for how long",
)


def prepare(home: Path) -> None:
    """The documents of the repository are the handbook."""
    folder = home / ".agents" / "docs" / "handbook"
    folder.mkdir(parents=True)
    for path in sorted((home / "atlas" / "docs").glob("*.md")):
        (folder / path.name).write_text(path.read_text("utf-8"), "utf-8")


def perform(way: Way) -> Any:
    """The answers as they were kept and are found again."""
    asked = [Call("handbook", "search_docs", {"query": question, "top_k": 3}) for question in _QUESTIONS]
    hits = way.many(asked)
    places = [
        re.findall(r"^### \[\S+\] (\S+?)(?:#L\d+)? — (.*?) \(Score", said, re.MULTILINE) for said in hits
    ]
    names = [name for found in places for name, _ in found]
    most = sorted(dict.fromkeys(names), key=lambda name: (-names.count(name), name))[:2]
    texts = way.many(
        [Call("handbook", "get_doc", {"name": f"handbook/{name.removesuffix('.md')}"}) for name in most]
    )
    lines = ["# Onboarding", ""]
    lines += [
        f"- {question}: see {found[0][0]}, {found[0][1]}"
        for question, found in zip(_QUESTIONS, places, strict=True)
    ]
    lines += [f"- {name} begins: {_first(text)}" for name, text in zip(most, texts, strict=True)]
    kept = {"name": "onboarding", "content": "\n".join(lines) + "\n", "category": "custom"}
    _, (again,) = way.stages(
        [
            [Call("handbook", "write_doc", kept)],
            [Call("handbook", "search_docs", {"query": "onboarding", "top_k": 1})],
        ]
    )
    return [lines, again]


def _first(text: str) -> str:
    """The first sentence of a document."""
    return next(line for line in text.splitlines() if line[:1].isupper()).partition(". ")[0]
