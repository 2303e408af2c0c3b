"""The recorded figures: what `docs/context.md`, its plots and the README are made of.

Kept as `figures.json` beside this file; written by `benchmarks/context.py --measure`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from replay.catalogues import Size
from replay.counting import Cost
from replay.fitted import Fit

FILE = Path(__file__).with_name("figures.json")


@dataclass(slots=True)
class Figures:
    """Everything that is measured.

    Attributes:
        tasks: Costs by task and way.
        catalogues: Sizes by server and way.
        formats: Tokens by answer and output format.
        about: Versions of the servers behind the traces.
        personas: What tasks cost each kind of client, simulated: by persona, by mode, by task.
    """

    tasks: dict[str, dict[str, Cost]] = field(default_factory=dict)
    catalogues: dict[str, dict[str, Size]] = field(default_factory=dict)
    formats: dict[str, dict[str, int]] = field(default_factory=dict)
    about: dict[str, str] = field(default_factory=dict)
    personas: dict[str, dict[str, dict[str, Fit]]] = field(default_factory=dict)

    @classmethod
    def load(cls) -> Figures:
        raw: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
        return cls(
            tasks={task: {w: Cost(**c) for w, c in ways.items()} for task, ways in raw["tasks"].items()},
            catalogues={key: {w: Size(**s) for w, s in by.items()} for key, by in raw["catalogues"].items()},
            formats=raw["formats"],
            about=raw["about"],
            personas={
                persona: {mode: {task: Fit(**f) for task, f in by.items()} for mode, by in modes.items()}
                for persona, modes in raw.get("personas", {}).items()
            },
        )

    def text(self) -> str:
        """The file's text."""
        return json.dumps(asdict(self), indent=1) + "\n"

    def save(self) -> None:
        FILE.write_text(self.text(), "utf-8")

    def digest(self) -> str:
        """What a plot carries to say which figures it shows."""
        return hashlib.sha256(self.text().encode()).hexdigest()[:16]
