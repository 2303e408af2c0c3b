"""A question that two calls answer: too small for callmux to help."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from replay.recording import PROJECT, Call
from replay.ways import Way

TITLE = "A question of two calls"
ABOUT = "What is the version in pyproject.toml, and what time is it in Lisbon?"
QUERIES = {
    "read_text_file": "read a file",
    "get_current_time": "current time in Lisbon",
}
RECIPES: dict[str, Any] = {}


def prepare(folder: Path) -> None:
    """The clone is all there is."""


def perform(way: Way) -> Any:
    """Both answers."""
    return way.many(
        [
            Call("files", "read_text_file", {"path": f"{PROJECT}/pyproject.toml", "head": 10}),
            Call("time", "get_current_time", {"timezone": "Europe/Lisbon"}),
        ]
    )
