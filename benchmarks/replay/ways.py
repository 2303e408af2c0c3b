"""The ways of doing a task: call by call, through callmux, and through a callmux that lists its own tools.

A task (`replay.tasks`) says what it needs in terms of `one` call, `many` independent calls, a `chain` of
calls and a `named` workflow; each way turns that into what an agent would send, and keeps every turn.
Whatever a task goes on with stood in an earlier answer, so that no way knows more than its agent.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from callmux.doctor.arriving import descriptions
from replay.answers import answer_of, bare, page_of, unwrapped, value_of
from replay.counting import Turn, compact
from replay.process import Process, text_of
from replay.recording import Call


@dataclass(frozen=True, slots=True)
class Step:
    """A call of a chain.

    Attributes:
        call: The call.
        mapping: Further arguments out of the result before: the expression, and the same for an agent that
            reads that result itself.
    """

    call: Call
    mapping: Mapping[str, tuple[str, Callable[[Any], Any]]] = field(default_factory=dict)


class Way(ABC):
    """How an agent does a task.

    Attributes:
        tools: What stands in its context.
        instructions: What stands there beside them.
        turns: What it asked and was told.
    """

    def __init__(self, tools: Sequence[Mapping[str, Any]], instructions: str = "") -> None:
        self.tools = list(tools)
        self.instructions = instructions
        self.turns: list[Turn] = []

    @abstractmethod
    def one(self, call: Call) -> Any:
        """What a call says: the JSON value of its text, else the text."""

    @abstractmethod
    def many(self, calls: Sequence[Call]) -> list[Any]:
        """What each of several calls says, none of which needs another."""

    @abstractmethod
    def chain(self, steps: Sequence[Step]) -> Any:
        """What the last of several calls says, each of which needs the one before."""

    def stages(self, groups: Sequence[Sequence[Call]]) -> list[list[Any]]:
        """What calls say that must be made in this order, and of which none needs what another one says: each
        group comes after the one before it is done."""
        return [self.many(group) for group in groups]

    def named(self, recipe: str, parameters: Mapping[str, Any], calls: Sequence[Call]) -> list[Any]:
        """What the calls of a workflow say that the user calls by its name."""
        return self.many(calls)


class Direct(Way):
    """Every server connected to the agent, one call after the other.

    Args:
        call: Makes a call; the text of its result.
        tools: The servers' own listings.
        together: The agent asks for calls that do not need each other in one turn, as some clients can.
    """

    def __init__(
        self, call: Callable[[Call], str], tools: Sequence[Mapping[str, Any]], *, together: bool = False
    ) -> None:
        super().__init__(tools)
        self._call = call
        self._together = together

    def one(self, call: Call) -> Any:
        return self.many([call])[0]

    def many(self, calls: Sequence[Call]) -> list[Any]:
        texts = [self._call(call) for call in calls]
        requests = [request(call.tool, call.arguments) for call in calls]
        if self._together:
            self.turns.append(Turn(requests, list(texts)))
        else:
            self.turns += [Turn([asked], [told]) for asked, told in zip(requests, texts, strict=True)]
        return [value_of(text) for text in texts]

    def chain(self, steps: Sequence[Step]) -> Any:
        value: Any = None
        for step in steps:
            taken = {name: read(value) for name, (_, read) in step.mapping.items()}
            call = step.call
            value = self.one(Call(call.server, call.tool, {**call.arguments, **taken}))
        return value


class InOrder(Direct):
    """As `Direct`; a turn may also ask for calls that must be made in order, which the client keeps."""

    def stages(self, groups: Sequence[Sequence[Call]]) -> list[list[Any]]:
        said = iter(self.many([call for group in groups for call in group]))
        return [[next(said) for _ in group] for group in groups]

    def chain(self, steps: Sequence[Step]) -> Any:
        if any(step.mapping for step in steps):
            return super().chain(steps)
        return self.many([step.call for step in steps])[-1]


class Callmux(Way):
    """One callmux in front of all servers.

    Args:
        process: The callmux.
        names: What a tool is called, by server and own name.
    """

    def __init__(self, process: Process, names: Mapping[tuple[str, str], str]) -> None:
        super().__init__(process.tools(), process.instructions)
        self._process = process
        self._names = names

    def _ask(self, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The result of a call that is a turn of its own."""
        result = self._process.call(tool, arguments)
        self.turns.append(Turn([request(tool, arguments)], [text_of(result)]))
        return result

    def _name(self, call: Call) -> str:
        return self._names[call.server, call.tool]

    def one(self, call: Call) -> Any:
        return self._value(self._ask(self._name(call), call.arguments), None)

    def many(self, calls: Sequence[Call]) -> list[Any]:
        if len(calls) == 1:
            return [self.one(calls[0])]
        if len({(call.server, call.tool) for call in calls}) == 1:
            items = [{"arguments": call.arguments} for call in calls]
            asked = {"tool": self._name(calls[0]), "items": items}
            return self._said("callmux_batch", asked, "results", len(calls))
        shown = [{"tool": self._name(call), "arguments": call.arguments} for call in calls]
        return self._said("callmux_parallel", {"calls": shown}, "results", len(calls))

    def chain(self, steps: Sequence[Step]) -> Any:
        shown = []
        for step in steps:
            said: dict[str, Any] = {"tool": self._name(step.call), "arguments": step.call.arguments}
            if step.mapping:
                said["inputMapping"] = {name: expression for name, (expression, _) in step.mapping.items()}
            shown.append(said)
        return self._said("callmux_pipeline", {"steps": shown}, "steps", len(steps))[-1]

    def stages(self, groups: Sequence[Sequence[Call]]) -> list[list[Any]]:
        """One pipeline: it makes its steps one after the other and stops at the first that fails."""
        calls = [call for group in groups for call in group]
        shown = [{"tool": self._name(call), "arguments": call.arguments} for call in calls]
        said = iter(self._said("callmux_pipeline", {"steps": shown}, "steps", len(calls)))
        return [[next(said) for _ in group] for group in groups]

    def named(self, recipe: str, parameters: Mapping[str, Any], calls: Sequence[Call]) -> list[Any]:
        asked = {"recipe": recipe, "arguments": parameters}
        return self._said("callmux_recipe_run", asked, "results", len(calls))

    def _said(self, tool: str, arguments: Mapping[str, Any], key: str, count: int) -> list[Any]:
        """What each call of a fan-out or a pipeline says, with the rest of a shortened answer."""
        answer = answer_of(self._ask(tool, arguments), key)
        entries = list(answer.entries)
        if answer.ref is not None:
            entries = self._whole(answer.ref, key, entries, count)
        if len(entries) != count:
            raise RuntimeError(f"{tool}: {len(entries)} of {count} results came")
        return entries

    def _whole(self, ref: str, key: str, entries: list[Any], count: int) -> list[Any]:
        """The entries of an answer that came shortened."""
        return [unwrapped(entry["result"]) for entry in self._rest(ref, key)]

    def _value(self, result: Mapping[str, Any], path: str | None) -> Any:
        """What a single answer says, the pages of a shortened one included."""
        value = value_of(text_of(result))
        if not isinstance(value, dict) or "_callmux" not in value:
            return value
        rest = self._rest(value["_callmux"]["ref"], path)
        if isinstance(rest, dict):
            return bare(rest)
        return value_of(rest) if isinstance(rest, str) else rest

    def _rest(self, ref: str, path: str | None) -> Any:
        """A stored result, or a part of it, in as many pages as it takes."""
        whole: Any = None
        asked: dict[str, Any] = {"ref": ref} | ({"path": path} if path else {})
        while True:
            # More than a page takes: it ends where it is full.
            page = page_of(self._ask("callmux_get_result", {**asked, "limit": 100}))
            whole = page["data"] if whole is None else whole + page["data"]
            if not page["hasMore"]:
                return whole
            asked["offset"] = page.get("nextOffset", page["offset"] + page["count"])


class MetaOnly(Callmux):
    """A callmux that lists its own tools only: the agent looks for what it will need before it begins.

    Args:
        queries: Words for what each tool does, by its own name, as somebody who does not know it says them.
    """

    def __init__(
        self, process: Process, names: Mapping[tuple[str, str], str], queries: Mapping[str, str]
    ) -> None:
        super().__init__(process, names)
        (search,) = (tool for tool in self.tools if tool["name"] == "callmux_search_tools")
        properties = search["inputSchema"]["properties"]
        schemas = next((name for name in properties if "schema" in name.lower()), None)
        # A product that shows schemas is asked for them: an agent must not guess types.
        self._asked = {schemas: True} if schemas else {}
        self._found = ""
        for tool, query in queries.items():
            self._look_for(next(name for (_, own), name in names.items() if own == tool), query)

    def _look_for(self, name: str, query: str) -> None:
        for limit in (3, 20):
            if self._has_seen(name):
                return
            arguments = {"query": query, "limit": limit, **self._asked}
            self._found += text_of(self._ask("callmux_search_tools", arguments))
        if not self._has_seen(name):
            raise RuntimeError(f"{query!r} does not find {name}")

    def _name(self, call: Call) -> str:
        name = super()._name(call)
        if not self._has_seen(name):
            raise RuntimeError(f"no search has shown {name}: the agent cannot know it")
        return name

    def _has_seen(self, name: str) -> bool:
        return re.search(rf"\b{re.escape(name)}\b", self._found) is not None

    def one(self, call: Call) -> Any:
        arguments = {"tool": self._name(call), "arguments": call.arguments}
        return self._value(self._ask("callmux_call", arguments), None)


class Lean(MetaOnly):
    """A callmux with the preset `lean`: the agent reads an index of the tools, and searches for none whose
    parameters stand there.

    Args:
        queries: As for `MetaOnly`, for tools that the index does not show.
        several: It asks for calls that do not need each other in one turn, each by itself.
        in_order: These are made one after the other, as some clients do with tools that may change something.
    """

    def __init__(
        self,
        process: Process,
        names: Mapping[tuple[str, str], str],
        queries: Mapping[str, str],
        *,
        several: bool = False,
        in_order: bool = False,
    ) -> None:
        super().__init__(process, names, {})
        self._queries = queries
        self._several, self._in_order = several, in_order
        self._index = index_of([process.instructions, *descriptions(self.tools)])

    def _name(self, call: Call) -> str:
        name = self._names[call.server, call.tool]
        line = self._index.get(name)
        if line is None or not keys_in(call.arguments) <= set(re.findall(r"\w+", line)):
            self._look_for(name, self._queries[call.tool])
        return name

    def _whole(self, ref: str, key: str, entries: list[Any], count: int) -> list[Any]:
        """The pages go on after the last whole entry."""
        return [*entries, *(unwrapped(entry["result"]) for entry in self._on(ref))]

    def _value(self, result: Mapping[str, Any], path: str | None) -> Any:
        value = value_of(text_of(result))
        if not isinstance(value, dict) or "_callmux" not in value:
            return value
        return value["preview"] + self._on(value["_callmux"]["ref"])

    def _on(self, ref: str) -> Any:
        """The rest of a result that came shortened, from where its beginning ended."""
        whole: Any = None
        asked: dict[str, Any] = {"ref": ref}
        while True:
            page = page_of(self._ask("callmux_get_result", asked))
            whole = page["data"] if whole is None else whole + page["data"]
            if not page["hasMore"]:
                return whole
            asked["offset"] = page["nextOffset"]

    def many(self, calls: Sequence[Call]) -> list[Any]:
        if not self._several or len(calls) == 1:
            return super().many(calls)
        asked = [("callmux_call", {"tool": self._name(call), "arguments": call.arguments}) for call in calls]
        if self._in_order:
            results = [self._process.call(tool, arguments) for tool, arguments in asked]
        else:
            results = self._process.calls(asked)
        requests = [request(tool, arguments) for tool, arguments in asked]
        self.turns.append(Turn(requests, [text_of(result) for result in results]))
        return [self._value(result, None) for result in results]


def index_of(texts: Iterable[str]) -> dict[str, str]:
    """The lines of an index that say what a tool takes, by the tool's name."""
    found: dict[str, str] = {}
    for text in texts:
        for part in re.split(r"(?m)^## ", text)[1:]:
            heading, _, rest = part.partition(":\n")
            prefix, _, only = heading.partition(" (")
            if only.startswith("names"):
                continue
            for line in rest.splitlines():
                if (tool := re.match(r"[\w-]+(?=\()", line)) is not None:
                    found[prefix + tool[0]] = line
    return found


def keys_in(value: Any) -> set[str]:
    """Every key of arguments, at any depth."""
    if isinstance(value, Mapping):
        return set(value).union(*(keys_in(inner) for inner in value.values()))
    if isinstance(value, list):
        return set().union(*(keys_in(inner) for inner in value))
    return set()


def request(tool: str, arguments: Mapping[str, Any]) -> str:
    """What a model writes for a call."""
    return compact({"name": tool, "arguments": arguments})
