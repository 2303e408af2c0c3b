"""What each kind of client makes of callmux: its cuts and deferrals, simulated. Called by `replay.measuring`.

The rules are those of `callmux.router.personas`, applied by `callmux.doctor.arriving`. No real client runs
here; that its model sees what these rules leave is what `benchmarks/sight.py` looks at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from callmux.doctor.arriving import descriptions, is_aside, reaching
from callmux.router.personas import RELAYS, TAKES, Persona
from replay.counting import Turn, shown
from replay.process import Process
from replay.recording import Call
from replay.ways import Callmux, Lean, Step, index_of, request

CODE = "code"
"""The persona of clients whose model orders its calls in code that it writes."""
_RECIPE, _PIPELINE = "callmux_recipe_run", "callmux_pipeline"


@dataclass(frozen=True, slots=True)
class Reach:
    """What reaches a model.

    Attributes:
        instructions: What is left of them.
        tools: What is left of each definition; the name alone of one that is put aside.
        aside: The definitions that a search of the client's own would show, by name.
    """

    instructions: str
    tools: Sequence[Mapping[str, Any]]
    aside: Mapping[str, Mapping[str, Any]]

    def texts(self) -> list[str]:
        """Every text in which an index can stand."""
        return [self.instructions, *descriptions(list(self.tools))]


@dataclass(frozen=True, slots=True)
class Fit:
    """What a task costs a kind of client, in tokens but for `turns`.

    Attributes:
        definitions: What it sees at every turn before it asks for anything.
        turns: Turns, those of its own search included.
        read: What is read over all turns.
        visible: Whether all tools that the task needs, and its recipe, are named in what it sees at once.
    """

    definitions: int
    turns: int
    read: int
    visible: bool


def reach(persona: Persona, instructions: str, tools: Sequence[Mapping[str, Any]]) -> Reach:
    """What reaches the model of this client of what it is told and listed."""
    left, aside = [], {}
    for tool in tools:
        cut = reaching(persona, tool)
        if is_aside(persona, tool):
            aside[tool["name"]] = cut
            left.append({"name": tool["name"]})
        else:
            left.append(cut)
    return Reach(instructions[: persona.instructions], left, aside)


class Fitted(Lean):
    """A client of one kind in front of the preset `lean`, that asks for several calls in one turn.

    Args:
        persona: What kind of client.
    """

    def __init__(
        self,
        process: Process,
        names: Mapping[tuple[str, str], str],
        queries: Mapping[str, str],
        persona: Persona,
    ) -> None:
        Callmux.__init__(self, process, names)
        self._left = reach(persona, process.instructions, self.tools)
        self.tools, self.instructions = list(self._left.tools), self._left.instructions
        self._queries = queries
        self._several, self._in_order = True, persona.name == CODE
        self._asked: dict[str, Any] = {"includeInputSchema": True}
        self._found = ""
        self._index = index_of(self._left.texts())
        self._loaded: set[str] = set()
        self._listed = {tool["name"] for tool in self.tools}
        said = next((str(tool.get("description")) for tool in self.tools if tool["name"] == RELAYS), "")
        self._relayed = {name for name in TAKES if name not in self._listed and name in said}
        self.blind = False
        """Whether the task needed something that neither the list nor a search shows."""

    def sees(self, own: str) -> bool:
        """Whether the name of a server's tool reaches the model before it asks for anything."""
        return any(re.search(rf"\b{re.escape(own)}\b", text) for text in self._left.texts())

    def _load(self, tool: str) -> None:
        """Lets the client's own search, whatever it is called there, show a tool that is put aside."""
        if tool not in self._left.aside or tool in self._loaded:
            return
        self._loaded.add(tool)
        found = self._left.aside[tool]
        self.turns.append(Turn([request("tool_search", {"query": tool})], [shown(found)]))
        self._index |= index_of(descriptions(found))

    def _name(self, call: Call) -> str:
        # The instructions say that the index begins there.
        self._load("callmux_call")
        return super()._name(call)

    def _ask(self, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        if tool in self._relayed:
            tool, arguments = RELAYS, {"tool": tool, "arguments": arguments}
        self._load(tool)
        return super()._ask(tool, arguments)

    def _knows(self, tool: str) -> bool:
        """Whether it is listed one of our own tools, or told how it has it through another."""
        return tool in self._listed or tool in self._relayed

    def named(self, recipe: str, parameters: Mapping[str, Any], calls: Sequence[Call]) -> list[Any]:
        if self._knows(_RECIPE):
            return super().named(recipe, parameters, calls)
        self.blind = True
        return self.many(calls)

    def stages(self, groups: Sequence[Sequence[Call]]) -> list[list[Any]]:
        if self._knows(_PIPELINE):
            return super().stages(groups)
        if not self._in_order:
            return [self.many(group) for group in groups]
        said = iter(self.many([call for group in groups for call in group]))
        return [[next(said) for _ in group] for group in groups]

    def chain(self, steps: Sequence[Step]) -> Any:
        if self._knows(_PIPELINE):
            return super().chain(steps)
        if any(step.mapping for step in steps):
            raise RuntimeError("a step takes what an earlier one said: not simulated")
        return self.stages([[step.call] for step in steps])[-1][0]
