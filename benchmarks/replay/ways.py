"""The ways of doing a task: call by call, through callmux, and through a callmux that lists its own tools.

A task (`replay.tasks`) says what it needs in terms of `one` call, `many` independent calls, a `chain` of
calls and a `named` workflow; each way turns that into what an agent would send, and keeps every turn.
Whatever a task goes on with stood in an earlier answer, so that no way knows more than its agent.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import toons

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
        turns: What it asked and was told.
    """

    def __init__(self, tools: Sequence[Mapping[str, Any]]) -> None:
        self.tools = list(tools)
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
        requests = [_request(call.tool, call.arguments) for call in calls]
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


class Callmux(Way):
    """One callmux in front of all servers.

    Args:
        process: The callmux.
        names: What a tool is called, by server and own name.
    """

    def __init__(self, process: Process, names: Mapping[tuple[str, str], str]) -> None:
        super().__init__(process.tools())
        self._process = process
        self._names = names

    def _ask(self, tool: str, arguments: Mapping[str, Any]) -> str:
        return text_of(self._asked_for(tool, arguments))

    def _asked_for(self, tool: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        result = self._process.call(tool, arguments)
        self.turns.append(Turn([_request(tool, arguments)], [text_of(result)]))
        return result

    def _name(self, call: Call) -> str:
        return self._names[call.server, call.tool]

    def one(self, call: Call) -> Any:
        return self._value(self._ask(self._name(call), call.arguments))

    def many(self, calls: Sequence[Call]) -> list[Any]:
        if len(calls) == 1:
            return [self.one(calls[0])]
        if len({(call.server, call.tool) for call in calls}) == 1:
            items = [{"arguments": call.arguments} for call in calls]
            return self._outcomes("callmux_batch", {"tool": self._name(calls[0]), "items": items})
        shown = [{"tool": self._name(call), "arguments": call.arguments} for call in calls]
        return self._outcomes("callmux_parallel", {"calls": shown})

    def chain(self, steps: Sequence[Step]) -> Any:
        shown = []
        for step in steps:
            said: dict[str, Any] = {"tool": self._name(step.call), "arguments": step.call.arguments}
            if step.mapping:
                said["inputMapping"] = {name: expression for name, (expression, _) in step.mapping.items()}
            shown.append(said)
        result = self._asked_for("callmux_pipeline", {"steps": shown})
        if (plain := PlainAnswer.of(result)) is not None:
            return self._plain_values(plain, "steps")[-1]
        outcome, ref = _completed(text_of(result))
        return _unwrapped(self._rest(ref, "finalResult") if ref else outcome["finalResult"])

    def named(self, recipe: str, parameters: Mapping[str, Any], calls: Sequence[Call]) -> list[Any]:
        return self._outcomes("callmux_recipe_run", {"recipe": recipe, "arguments": parameters})

    def _outcomes(self, tool: str, arguments: Mapping[str, Any]) -> list[Any]:
        """What each call of a fan-out says, the pages of a shortened answer included."""
        result = self._asked_for(tool, arguments)
        if (plain := PlainAnswer.of(result)) is not None:
            return self._plain_values(plain, "results")
        outcome, ref = _completed(text_of(result))
        entries = self._rest(ref, "results") if ref else outcome["results"]
        return [_unwrapped(entry["result"]) for entry in entries]

    def _plain_values(self, plain: PlainAnswer, key: str) -> list[Any]:
        """What each call of a plain answer says; what came shortened is read on, all at once where several
        did."""
        if not plain.shortened:
            return plain.values
        if len(plain.shortened) > 1:
            return [_unwrapped(entry["result"]) for entry in self._rest(plain.ref, key)]
        values = list(plain.values)
        for index in plain.shortened:
            values[index] = _unwrapped(self._rest(plain.ref, f"{key}[{index}].result"))
        return values

    def _value(self, text: str) -> Any:
        """What a single answer says, the pages of a shortened one included."""
        value = value_of(text)
        if not isinstance(value, dict) or "_callmux" not in value:
            return value
        rest = self._rest(value["_callmux"]["ref"], None)
        if isinstance(rest, dict) and list(rest) == ["content"]:
            return value_of(rest["content"])
        return value_of(rest) if isinstance(rest, str) else rest

    def _rest(self, ref: str, path: str | None) -> Any:
        """A stored result, or a part of it, in as many pages as it takes."""
        whole: Any = None
        asked: dict[str, Any] = {"ref": ref} | ({"path": path} if path else {})
        while True:
            # More than a page takes: it ends where it is full.
            page = _page(self._asked_for("callmux_get_result", {**asked, "limit": 100}))
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
            self._found += self._ask("callmux_search_tools", arguments)
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
        return self._value(self._ask("callmux_call", arguments))


@dataclass(frozen=True, slots=True)
class PlainAnswer:
    """A plain answer to several calls, read as an agent reads it.

    Attributes:
        values: What each call says, or as much of it as came.
        shortened: The indexes of those that came shortened or not at all.
        ref: Where the whole is kept.
    """

    values: list[Any]
    shortened: list[int]
    ref: str

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> PlainAnswer | None:
        """The answer in this result; None where it is in another form.

        Raises:
            RuntimeError: Not every call succeeded.
        """
        summary, *blocks = (block["text"] for block in result["content"] if block["type"] == "text")
        if (found := re.search(r'under a line "(.*)index\] tool"', summary)) is None:
            return None
        if not summary.startswith("completed"):
            raise RuntimeError(f"not every call succeeded: {summary}")
        heading = re.compile(rf"\n?{re.escape(found[1])}\d+\] .*?: (.*)\n")
        texts: list[list[str]] = []
        shortened = []
        for text in blocks:
            if (begins := heading.fullmatch(text)) is None:
                texts[-1].append(text)
                continue
            if "shortened" in begins[1] or "left out" in begins[1]:
                shortened.append(len(texts))
            texts.append([])
        kept = re.search(r'"ref":"([^"]*)"', summary)
        return cls([value_of("\n".join(said)) for said in texts], shortened, kept[1] if kept else "")


def value_of(text: str) -> Any:
    """The value of a text that is JSON or, exactly, TOON; else the text."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        value = toons.loads(text)
        return value if isinstance(value, (dict, list)) and toons.dumps(value) == text else text
    except ValueError:
        return text


def _request(tool: str, arguments: Mapping[str, Any]) -> str:
    return compact({"name": tool, "arguments": arguments})


def _payload(text: str) -> Any:
    """The payload of a meta-tool, in whichever format."""
    return json.loads(text) if text[:1] == "{" else toons.loads(text)


def _page(result: Mapping[str, Any]) -> Any:
    """A page of a stored result, in whichever format."""
    about, *data = (block["text"] for block in result["content"])
    return {**json.loads(about), "data": data[0]} if data else _payload(about)


def _completed(text: str) -> tuple[Any, str | None]:
    """The payload of a fan-out or a pipeline, and where the whole is kept if it came shortened.

    Raises:
        RuntimeError: Not every call succeeded.
    """
    payload = _payload(text)
    if "_callmux" in payload:
        return None, payload["_callmux"]["ref"]
    if payload["status"] != "completed":
        raise RuntimeError(f"not every call succeeded: {text[:2000]}")
    return payload, None


def _unwrapped(result: Any) -> Any:
    """What a result says, however a fan-out shows it."""
    if not isinstance(result, dict) or not isinstance(result.get("content"), list):
        return result
    if result["content"]:
        return value_of(text_of(result))
    content = result["structuredContent"]
    if isinstance(content, dict) and list(content) == ["content"]:
        return value_of(content["content"])
    return content
