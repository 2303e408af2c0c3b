"""A model on this machine that is a script: it does the tasks as the recorded agents do. Used by
`benchmarks/model.py --scripted` and by tests, to see that the harness works without a key.

It knows of its tools and their answers only what stands in the requests. The tokens it reports are counted
here, with the tokenizer of `replay.counting`.
"""

from __future__ import annotations

import contextlib
import json
import queue
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any

from replay.answers import value_of
from replay.counting import compact, tokens
from replay.record import moved
from replay.recording import HOME, Call
from replay.ways import Callmux, Direct, Lean, Way

SECONDS = 120
"""How long the script or the harness may let the other wait."""
_HEADING = re.compile(r"(?m)^===.*\[0\] [^\n:]*: [^\n]*$")


class Script:
    """One conversation: the task in a thread of its own, which waits where it needs a result."""

    def __init__(self, task: ModuleType, home: str, tools: list[dict[str, Any]], system: str) -> None:
        self._home = home
        self._asks: queue.Queue[list[tuple[str, Any]] | str] = queue.Queue()
        self._results: queue.Queue[list[str] | None] = queue.Queue()
        self.instructions = system
        self._listed = tools
        self._task = task
        threading.Thread(target=self._run, daemon=True).start()

    def next(self, results: list[str] | None) -> list[tuple[str, Any]] | str:
        """What the model asks for next, or its last words."""
        if results is not None:
            self._results.put([moved(text, self._home, HOME) for text in results])
        return self._asks.get(timeout=SECONDS)

    def tools(self) -> list[dict[str, Any]]:
        return self._listed

    def call(self, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The result of a tool, as a client of MCP has it."""
        return self.calls([(tool, arguments)])[0]

    def calls(self, asked: Sequence[tuple[str, Mapping[str, Any]]]) -> list[dict[str, Any]]:
        """The results of tools that are asked for in one turn."""
        return [
            {"content": [{"type": "text", "text": part} for part in blocks(text)]} for text in self.ask(asked)
        ]

    def ask(self, asked: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
        self._asks.put([(tool, moved(arguments, HOME, self._home)) for tool, arguments in asked])
        if (results := self._results.get(timeout=SECONDS)) is None:
            raise RuntimeError("the conversation was given up")
        return results

    def _run(self) -> None:
        try:
            made = self._task.perform(self._way())
            self._asks.put(f"Done: {json.dumps(made, ensure_ascii=False)}")
        except Exception as problem:  # noqa: BLE001 (whatever it is, the harness is told)
            self._asks.put(f"the script failed: {problem!r}")

    def _way(self) -> Way:
        names = [tool["name"] for tool in self._listed]
        process: Any = self
        if "callmux_call" not in names:
            return Together(self)
        called = _Names()
        listed = any("__" in name for name in names)
        return Callmux(process, called) if listed else Lean(process, called, self._task.QUERIES)


class Together(Direct):
    """Every server connected to the agent, which asks for several calls a turn."""

    def __init__(self, script: Script) -> None:
        super().__init__(lambda call: self._texts([call])[0], script.tools(), together=True)
        self._script = script

    def many(self, calls: Sequence[Call]) -> list[Any]:
        return [value_of(text) for text in self._texts(calls)]

    def _texts(self, calls: Sequence[Call]) -> list[str]:
        return self._script.ask([(f"{call.server}__{call.tool}", call.arguments) for call in calls])


class _Names(dict[tuple[str, str], str]):
    """What a tool is called behind callmux."""

    def __missing__(self, key: tuple[str, str]) -> str:
        return "__".join(key)


def blocks(text: str) -> list[str]:
    """The texts of a result that a client has put together."""
    first, _, rest = text.partition("\n")
    if rest and first.startswith("{") and isinstance(value_of(first), dict):
        return [first, rest]
    if (found := _HEADING.search(text)) is None:
        return [text]
    mark = found[0].partition("[0] ")[0]
    parts = re.split(rf"\n(\n?{re.escape(mark)}\[\d+\] [^\n:]*: [^\n]*\n)", text)
    # After a heading stands what joined it to its text.
    return [
        part.removeprefix("\n") if number and number % 2 == 0 else part for number, part in enumerate(parts)
    ]


@dataclass(slots=True)
class ScriptedModel:
    """The server of scripted models.

    Attributes:
        url: Its base address.
        requests: Every request, by path and body.
        keys: The keys that came with them.
        refusals: Statuses that the next requests are refused with.
    """

    task: ModuleType | None = None
    url: str = ""
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    refusals: list[int] = field(default_factory=list)
    script: Script | None = None

    def answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """What a model would answer to this request."""
        self.requests.append((path, body))
        chat = path.endswith("/chat/completions")
        messages = body["messages"]
        results = _told(messages)
        if results is None:
            assert self.task is not None
            system = messages[0]["content"] if chat else body.get("system", "")
            tools = [_listed(tool) for tool in body["tools"]]
            self.script = Script(self.task, _home(messages[-1]["content"]), tools, system)
        assert self.script is not None
        said = self.script.next(results)
        read = tokens(compact([body["tools"], messages, body.get("system", "")]))
        return (_chat if chat else _messages)(said, read)


@contextlib.contextmanager
def scripted_model() -> Iterator[ScriptedModel]:
    """A server on this machine that answers as both kinds of endpoints do."""
    model = ScriptedModel()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
            model.keys.append(bearer or self.headers.get("x-api-key", ""))
            status = model.refusals.pop(0) if model.refusals else 200
            said = model.answer(self.path, body) if status == 200 else {"error": {"message": "not now"}}
            data = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("retry-after", "0")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is written to the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    model.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield model
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def _home(request: str) -> str:
    """The user's home, which a request names with its project; without one, the invented one."""
    found = re.search(r"(/\S+)/atlas\b", request)
    return found[1] if found else HOME


def _listed(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A tool as MCP has it."""
    given = tool.get("function", tool)
    schema = given["parameters"] if "parameters" in given else given["input_schema"]
    return {"name": given["name"], "description": given["description"], "inputSchema": schema}


def _told(messages: Sequence[Mapping[str, Any]]) -> list[str] | None:
    """The results that came last; None at the beginning."""
    if messages[-1]["role"] == "tool":
        last = 1
        while messages[-last - 1]["role"] == "tool":
            last += 1
        return [message["content"] for message in messages[-last:]]
    content = messages[-1]["content"]
    return None if isinstance(content, str) else [block["content"] for block in content]


def _chat(said: list[tuple[str, Any]] | str, read: int) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": said if isinstance(said, str) else None}
    if not isinstance(said, str):
        message["tool_calls"] = [
            {
                "id": f"call_{number}",
                "type": "function",
                "function": {"name": name, "arguments": compact(arguments)},
            }
            for number, (name, arguments) in enumerate(said)
        ]
    reason = "stop" if isinstance(said, str) else "tool_calls"
    usage = {"prompt_tokens": read, "completion_tokens": tokens(compact(said))}
    return {"choices": [{"message": message, "finish_reason": reason}], "usage": usage}


def _messages(said: list[tuple[str, Any]] | str, read: int) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"type": "text", "text": said}]
    if not isinstance(said, str):
        content = [
            {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": arguments}
            for number, (name, arguments) in enumerate(said)
        ]
    usage = {"input_tokens": read, "output_tokens": tokens(compact(said))}
    reason = "end_turn" if isinstance(said, str) else "tool_use"
    return {"content": content, "stop_reason": reason, "usage": usage}
