"""One task done by a model, with real servers: without callmux, or with a callmux in front of them.

Called by `benchmarks/model.py`; talks to the model through `replay.endpoints`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from replay.endpoints import Endpoint, EndpointError, Reply, Told
from replay.goals import Goal
from replay.process import Process
from replay.workplace import Workplace, missing, workplace

WITHOUT = "without"
WAYS: dict[str, dict[str, Any] | None] = {
    WITHOUT: None,
    "lean": {"preset": "lean"},
    "callmux": {},
}
"""What the configuration says beside the servers; None is no callmux at all."""
SYSTEM = "Do what the user asks for with your tools. Do not ask back. When it is done, say so in a sentence."


@dataclass(slots=True)
class Outcome:
    """What came of a task.

    Attributes:
        tools: Tools the model was given.
        turns: Answers of the model that asked for calls.
        calls: Calls it asked for.
        failed: Those that came back as an error.
        read: Tokens of all requests, as the endpoint counts them.
        cached: How many of these came from the endpoint's cache.
        written: Tokens of all answers.
        problems: What is not right in the end; none is a task that is done.
        said: The last words of the model.
    """

    tools: int = 0
    turns: int = 0
    calls: int = 0
    failed: int = 0
    read: int = 0
    cached: int = 0
    written: int = 0
    problems: list[str] = field(default_factory=list)
    said: str = ""


def attempt(
    task: ModuleType, goal: Goal, way: str, endpoint: Endpoint, callmux: Sequence[str], turns: int
) -> Outcome:
    """Lets a model do a task.

    Args:
        task: Its module.
        goal: What is asked for.
        way: One of `WAYS`.
        endpoint: The model.
        callmux: Its command.
        turns: How many it may take.

    Raises:
        RuntimeError: A server that the task needs is not installed.
    """
    with workplace(task) as place, contextlib.ExitStack() as stack:
        absent = missing(place.commands)
        if needed := sorted(goal.servers.intersection(absent)):
            raise RuntimeError(f"not installed: {', '.join(needed)} (see benchmarks/README.md)")
        for key in absent:
            del place.commands[key]
        tools = _with_callmux if WAYS[way] is not None else _direct
        hands = tools(stack, place, task, way, callmux)
        outcome = Outcome(tools=len(hands.tools))
        _talk(endpoint, hands, goal.request.format(project=place.project), turns, outcome)
        outcome.problems += goal.problems(place, outcome.said)
        return outcome


@dataclass(frozen=True, slots=True)
class Hands:
    """What a model can do: tools as they are listed, what is said of them, and who answers which."""

    tools: list[dict[str, Any]]
    instructions: str
    owners: Mapping[str, tuple[Process, str]]

    def call(self, tool: str, arguments: Mapping[str, Any]) -> tuple[str, bool]:
        """The text of a result, and whether it is an error."""
        if tool not in self.owners:
            return f"there is no tool {tool}", True
        process, own = self.owners[tool]
        try:
            result = process.call(own, arguments)
        except RuntimeError as problem:
            return str(problem), True
        shown = [
            block["text"] if block["type"] == "text" else f"[{block['type']}]" for block in result["content"]
        ]
        return "\n".join(shown), bool(result.get("isError"))


def _direct(
    stack: contextlib.ExitStack, place: Workplace, _task: ModuleType, _way: str, _callmux: Sequence[str]
) -> Hands:
    """Every server by itself; names get the server's key in front, as clients do it."""
    listed, said, owners = [], [], {}
    for key, command in place.commands.items():
        process = stack.enter_context(Process(command, place.home, place.environment, place.project))
        said.append(process.instructions)
        for tool in process.tools():
            name = f"{key}__{tool['name']}"
            listed.append({**tool, "name": name})
            owners[name] = (process, tool["name"])
    return Hands(listed, "\n\n".join(filter(None, said)), owners)


def _with_callmux(
    stack: contextlib.ExitStack, place: Workplace, task: ModuleType, way: str, callmux: Sequence[str]
) -> Hands:
    servers = {
        key: {"command": command[0], "args": command[1:], "env": place.environment}
        for key, command in place.commands.items()
    }
    recipes = {
        name: recipe
        for name, recipe in task.RECIPES.items()
        if all(call["tool"].partition("__")[0] in servers for call in recipe["calls"])
    }
    keys = WAYS[way] or {}
    config = place.home / "callmux.json"
    config.write_text(json.dumps({"servers": servers, "recipes": recipes, **keys}), "utf-8")
    command = [*callmux, "--config", str(config)]
    process = stack.enter_context(Process(command, place.home, place.environment, place.project))
    tools = process.tools()
    return Hands(tools, process.instructions, {tool["name"]: (process, tool["name"]) for tool in tools})


def _talk(endpoint: Endpoint, hands: Hands, request: str, turns: int, outcome: Outcome) -> None:
    """The conversation, until the model asks for nothing more."""
    try:
        reply = endpoint.begin("\n\n".join(filter(None, [SYSTEM, hands.instructions])), request, hands.tools)
        _count(reply, outcome)
        while reply.calls:
            if outcome.turns > turns:
                outcome.problems.append(f"not done after {turns} turns")
                return
            results = []
            for asked in reply.calls:
                if asked.arguments is None:
                    text, failed = "the arguments are not a JSON object", True
                else:
                    text, failed = hands.call(asked.tool, asked.arguments)
                outcome.failed += failed
                results.append(Told(asked.id, text, failed))
            reply = endpoint.tell(results)
            _count(reply, outcome)
    except EndpointError as problem:
        outcome.problems.append(str(problem))


def _count(reply: Reply, outcome: Outcome) -> None:
    outcome.turns += bool(reply.calls)
    outcome.calls += len(reply.calls)
    outcome.read += reply.read
    outcome.cached += reply.cached
    outcome.written += reply.written
    outcome.said = reply.text
    if not reply.whole:
        outcome.problems.append("an answer of the model was cut: allow it more with --longest")
