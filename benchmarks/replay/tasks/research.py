"""A folder of documents is read, and what it says is kept in a knowledge graph."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from replay.recording import PROJECT, Call
from replay.ways import Way

TITLE = "Research"
ABOUT = (
    "Read the documents under docs/ and keep in the knowledge graph what each is about, what it says first "
    "in each section, and which document leads to which. Say when you looked."
)
QUERIES = {
    "list_directory": "list the files of a directory",
    "get_current_time": "current time",
    "search_nodes": "search the knowledge graph",
    "read_text_file": "read a file",
    "create_entities": "add things to the knowledge graph",
    "add_observations": "add observations to things in the knowledge graph",
    "create_relations": "relate things in the knowledge graph",
    "open_nodes": "read things in the knowledge graph",
}
RECIPES: dict[str, Any] = {}


def prepare(folder: Path) -> None:
    """The clone is all there is; the graph is empty."""


def perform(way: Way) -> Any:
    """The graph in the end, as far as it is about the documents."""
    listed, now, known = way.many(
        [
            Call("files", "list_directory", {"path": f"{PROJECT}/docs"}),
            Call("time", "get_current_time", {"timezone": "UTC"}),
            Call("memory", "search_nodes", {"query": "document"}),
        ]
    )
    assert known["entities"] == []
    names = [line.removeprefix("[FILE] ") for line in listed.splitlines() if line.endswith(".md")]
    paths = [f"{PROJECT}/docs/{name}" for name in names]
    texts = dict(
        zip(names, way.many([Call("files", "read_text_file", {"path": p}) for p in paths]), strict=True)
    )
    day = now["datetime"][:10]
    entities = [
        Call("memory", "create_entities", {"entities": [_entity(name, text, day)]})
        for name, text in texts.items()
    ]
    observations = [
        Call("memory", "add_observations", {"observations": [_observations(name, text)]})
        for name, text in texts.items()
    ]
    relations = [
        {"from": name, "to": target, "relationType": "leads to"}
        for name, text in texts.items()
        for target in dict.fromkeys(re.findall(r"\]\(([a-z-]+\.md)", text))
        if target in texts and target != name
    ]
    made = Call("memory", "create_relations", {"relations": relations})
    opened = Call("memory", "open_nodes", {"names": names[:4]})
    return way.stages([entities, observations, [made], [opened]])[-1][0]


def _entity(name: str, text: str, day: str) -> dict[str, Any]:
    """A document by its title."""
    title = next(line.removeprefix("# ") for line in text.splitlines() if line.startswith("# "))
    return {"name": name, "entityType": "document", "observations": [title, f"read on {day}"]}


def _observations(name: str, text: str) -> dict[str, Any]:
    """The first sentence of each section."""
    firsts = re.findall(r"^## .*\n+([A-Z].*)", text, re.MULTILINE)
    return {"entityName": name, "contents": [line.partition(". ")[0] for line in firsts][:6] or [text[:80]]}
