"""An MCP server on stdio with everything that the official conformance suite asks servers for.

    python server.py [FOLDER]

With a folder, all processes of the server list the same, also after a tool has changed a list in one of them.
The tools, prompts and resources are those that the suite's scenarios name. Standard library only, and no part
of callmux: it stands behind callmux, so that the suite tests what callmux makes of it.
"""

from __future__ import annotations

import itertools
import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Json = dict[str, Any]

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA="
STEP_SECONDS = 0.05

SCHEMA_2020_12: Json = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
DEFAULTS: Json = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    },
    "required": [],
}


def _titled(*titles: str) -> list[Json]:
    return [{"const": f"value{n}", "title": title} for n, title in enumerate(titles, 1)]


OPTIONS = ["option1", "option2", "option3"]
ENUMS: Json = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": OPTIONS},
        "titledSingle": {"type": "string", "oneOf": _titled("First Option", "Second Option", "Third Option")},
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": OPTIONS}},
        "titledMulti": {
            "type": "array",
            "items": {"anyOf": _titled("First Choice", "Second Choice", "Third Choice")},
        },
    },
    "required": [],
}
USER: Json = {
    "type": "object",
    "properties": {
        "username": {"type": "string", "description": "User's response"},
        "email": {"type": "string", "description": "User's email address"},
    },
    "required": ["username", "email"],
}


class Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


class Call:
    """One `tools/call`: its params, and ways to say something before its result."""

    def __init__(self, server: Server, params: Json) -> None:
        self.arguments: Json = params.get("arguments") or {}
        self.token = (params.get("_meta") or {}).get("progressToken")
        self.server = server

    def progress(self, done: int) -> None:
        if self.token is not None:
            params = {"progressToken": self.token, "progress": done, "total": 100}
            self.server.send({"method": "notifications/progress", "params": params})

    def log(self, text: str) -> None:
        params = {"level": "info", "logger": "conformance", "data": text}
        self.server.send({"method": "notifications/message", "params": params})

    def input(self, name: str, message: str, /, **properties: str) -> Json:
        """Asks the user for texts and flags; what was said."""
        return self.server.ask("elicitation/create", form(message, **properties), name)

    def elicit(self, message: str, schema: Json) -> str:
        """Asks the user; the answer in one line."""
        given = self.server.ask("elicitation/create", {"message": message, "requestedSchema": schema})
        return f"action={given['action']}, content={json.dumps(given.get('content', {}))}"


def form(message: str, /, **properties: str) -> Json:
    """The params of a question to the user."""
    kinds = {name: {"type": kind} for name, kind in properties.items()}
    schema = {"type": "object", "properties": kinds, "required": list(kinds)}
    return {"message": message, "requestedSchema": schema}


def sample(words: str) -> Json:
    """The params of a question to the client's model."""
    return {"messages": [{"role": "user", "content": {"type": "text", "text": words}}], "maxTokens": 100}


def text(value: str) -> list[Json]:
    """A content of one text."""
    return [{"type": "text", "text": value}]


def resource(uri: str, kind: str, value: str) -> Json:
    return {"type": "resource", "resource": {"uri": uri, "mimeType": kind, "text": value}}


def image() -> Json:
    return {"type": "image", "data": PNG, "mimeType": "image/png"}


# ---- tools ---------------------------------------------------------------------------------------------


def mixed(call: Call) -> list[Json]:
    data = json.dumps({"test": "data", "value": 123})
    embedded = resource("test://mixed-content-resource", "application/json", data)
    return [*text("Multiple content types test:"), image(), embedded]


def with_logging(call: Call) -> list[Json]:
    for words in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        call.log(words)
        time.sleep(STEP_SECONDS)
    return text("Tool with logging executed successfully")


def with_progress(call: Call) -> list[Json]:
    for done in (0, 50, 100):
        call.progress(done)
        time.sleep(STEP_SECONDS)
    return text(str(call.token))


def sampling(call: Call) -> list[Json]:
    given = call.server.ask("sampling/createMessage", sample(call.arguments["prompt"]))
    return text(f"LLM response: {given['content']['text']}")


def elicitation(call: Call) -> list[Json]:
    return text(f"User response: {call.elicit(call.arguments['message'], USER)}")


def defaults(call: Call) -> list[Json]:
    return text(f"Elicitation completed: {call.elicit('Please confirm these values', DEFAULTS)}")


def enums(call: Call) -> list[Json]:
    return text(f"Elicitation completed: {call.elicit('Please choose', ENUMS)}")


def slow(call: Call) -> list[Json]:
    call.log("about to take a while")
    time.sleep(10 * STEP_SECONDS)
    return text("done")


def fails(call: Call) -> list[Json]:
    raise RuntimeError("This tool intentionally returns an error for testing")


def needs_name(call: Call) -> list[Json]:
    given = call.input("user_name", "What is your name?", name="string")
    return text(f"Hello, {given.get('content', {}).get('name')}!")


def needs_sample(call: Call) -> list[Json]:
    asked = sample("What is the capital of France?")
    given = call.server.ask("sampling/createMessage", asked, "capital_question")
    return text(given["content"]["text"])


def needs_roots(call: Call) -> list[Json]:
    return text(json.dumps(call.server.ask("roots/list", {}, "client_roots")["roots"]))


def needs_state(call: Call) -> list[Json]:
    call.input("confirm", "Please confirm", ok="boolean")
    return text("state-ok")


def needs_three(call: Call) -> list[Json]:
    questions = {
        "user_name": ("elicitation/create", form("What is your name?", name="string")),
        "greeting": ("sampling/createMessage", sample("Generate a greeting")),
        "client_roots": ("roots/list", {}),
    }
    waiting = [call.server.put(method, params, name) for name, (method, params) in questions.items()]
    return text(json.dumps([call.server.heard(one) for one in waiting]))


def needs_two_rounds(call: Call) -> list[Json]:
    call.input("step1", "Step 1: What is your name?", name="string")
    call.input("step2", "Step 2: What is your favorite color?", color="string")
    return text("both known")


def needs_what_there_is(call: Call) -> list[Json]:
    if "elicitation" in call.server.declared:
        call.input("user_name", "What is your name?", name="string")
    if "sampling" in call.server.declared:
        call.server.ask("sampling/createMessage", sample("Generate a greeting"), "greeting")
    return text("asked what can be answered")


def changes(kind: str) -> Callable[[Call], list[Json]]:
    """A tool that changes a list, and says so."""

    def change(call: Call) -> list[Json]:
        call.server.changed[kind] += 1
        call.server.send({"method": f"notifications/{kind}/list_changed"})
        return text("changed")

    return change


def _needs(name: str) -> Json:
    return {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}


MIRRORED: Json = {
    "type": "object",
    "properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
    "required": ["region"],
}
NOTHING: Json = {"type": "object", "properties": {}}
TOOLS: dict[str, tuple[Json, Callable[[Call], list[Json]]]] = {
    "test_simple_text": (NOTHING, lambda call: text("This is a simple text response for testing.")),
    "test_image_content": (NOTHING, lambda call: [image()]),
    "test_audio_content": (NOTHING, lambda call: [{"type": "audio", "data": WAV, "mimeType": "audio/wav"}]),
    "test_embedded_resource": (
        NOTHING,
        lambda call: [
            resource("test://embedded-resource", "text/plain", "This is an embedded resource content.")
        ],
    ),
    "test_multiple_content_types": (NOTHING, mixed),
    "test_tool_with_logging": (NOTHING, with_logging),
    "test_tool_with_progress": (NOTHING, with_progress),
    "test_error_handling": (NOTHING, fails),
    "test_sampling": (_needs("prompt"), sampling),
    "test_elicitation": (_needs("message"), elicitation),
    "test_elicitation_sep1034_defaults": (NOTHING, defaults),
    "test_elicitation_sep1330_enums": (NOTHING, enums),
    "test_reconnection": (NOTHING, slow),
    "test_input_required_result_elicitation": (NOTHING, needs_name),
    "test_input_required_result_sampling": (NOTHING, needs_sample),
    "test_input_required_result_list_roots": (NOTHING, needs_roots),
    "test_input_required_result_request_state": (NOTHING, needs_state),
    "test_input_required_result_tampered_state": (NOTHING, needs_state),
    "test_input_required_result_multiple_inputs": (NOTHING, needs_three),
    "test_input_required_result_multi_round": (NOTHING, needs_two_rounds),
    "test_input_required_result_capabilities": (NOTHING, needs_what_there_is),
    "test_missing_capability": (NOTHING, needs_sample),
    "test_streaming_elicitation": (NOTHING, needs_name),
    "test_logging_tool": (NOTHING, with_logging),
    "test_trigger_tool_change": (NOTHING, changes("tools")),
    "test_trigger_prompt_change": (NOTHING, changes("prompts")),
    "test_mirrored": (MIRRORED, lambda call: text(json.dumps(call.arguments))),
    "json_schema_2020_12_tool": (SCHEMA_2020_12, lambda call: text(json.dumps(call.arguments))),
}

# ---- prompts and resources -----------------------------------------------------------------------------


def _user(*contents: Json) -> list[Json]:
    return [{"role": "user", "content": content} for content in contents]


PROMPTS: dict[str, tuple[tuple[str, ...], Callable[[Json], list[Json]]]] = {
    "test_simple_prompt": ((), lambda given: _user(*text("This is a simple prompt for testing."))),
    "test_prompt_with_arguments": (
        ("arg1", "arg2"),
        lambda given: _user(*text(f"Prompt with arguments: arg1='{given['arg1']}', arg2='{given['arg2']}'")),
    ),
    "test_prompt_with_embedded_resource": (
        ("resourceUri",),
        lambda given: _user(
            resource(given["resourceUri"], "text/plain", "Embedded resource content for testing."),
            *text("Please process the embedded resource above."),
        ),
    ),
    "test_prompt_with_image": (
        (),
        lambda given: _user(image(), *text("Please analyze the image above.")),
    ),
    "test_input_required_result_prompt": ((), lambda given: _user(*text(given["context"]))),
}
STATIC_TEXT: Json = {"mimeType": "text/plain", "text": "This is the content of the static text resource."}
RESOURCES: dict[str, Json] = {
    "test://static-text": STATIC_TEXT,
    "test://static-binary": {"mimeType": "image/png", "blob": PNG},
    "test://watched-resource": {"mimeType": "text/plain", "text": "Watched resource content."},
}


def read(uri: str) -> Json:
    """The contents of a resource."""
    before, after = "test://template/", "/data"
    if uri in RESOURCES:
        found = RESOURCES[uri]
    elif uri.startswith(before) and uri.endswith(after):
        id = uri[len(before) : -len(after)]
        data = {"id": id, "templateTest": True, "data": f"Data for ID: {id}"}
        found = {"mimeType": "application/json", "text": json.dumps(data)}
    else:
        raise Refused(-32002, f"Resource not found: {uri}", {"uri": uri})
    return {"contents": [{"uri": uri, **found}]}


# ---- the server ----------------------------------------------------------------------------------------


class Shared(dict[str, int]):
    """How often each list has changed, as sizes of files."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        for kind in ("tools", "prompts"):
            (folder / kind).touch()

    def __getitem__(self, kind: str) -> int:
        return (self._folder / kind).stat().st_size

    def __setitem__(self, kind: str, count: int) -> None:
        with (self._folder / kind).open("ab") as file:
            file.write(b"+" * (count - self[kind]))


class Server:
    """Reads lines, answers each request in a thread of its own."""

    def __init__(self, changed: dict[str, int] | None = None) -> None:
        self._out = threading.Lock()
        self._ids = itertools.count(1)
        self.declared: Json = {}
        self.changed = {"tools": 0, "prompts": 0} if changed is None else changed
        self._asked: dict[int | str, tuple[threading.Event, list[Json]]] = {}
        self.methods: dict[str, Callable[[Json], Json]] = {
            "initialize": self.initialize,
            "ping": lambda params: {},
            "logging/setLevel": lambda params: {},
            "tools/list": lambda params: {"tools": self.tools()},
            "tools/call": self.call,
            "prompts/list": lambda params: {"prompts": self.prompts()},
            "prompts/get": self.prompt,
            "resources/list": lambda params: {"resources": self.resources()},
            "resources/templates/list": lambda params: {"resourceTemplates": self.templates()},
            "resources/read": lambda params: read(params["uri"]),
            "resources/subscribe": lambda params: {},
            "resources/unsubscribe": lambda params: {},
            "completion/complete": lambda params: {
                "completion": {"values": ["paris", "park", "party"], "total": 3, "hasMore": False}
            },
        }

    def send(self, message: Json) -> None:
        with self._out:
            sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
            sys.stdout.flush()

    def ask(self, method: str, params: Json, name: str | None = None) -> Json:
        """Asks the client; its result."""
        return self.heard(self.put(method, params, name))

    def put(self, method: str, params: Json, name: str | None) -> tuple[threading.Event, list[Json]]:
        """Asks the client. The name, which is unique within a call, is the id of the question."""
        number = next(self._ids)
        id = number if name is None or name in self._asked else name
        waiting = self._asked[id] = threading.Event(), []
        self.send({"id": id, "method": method, "params": params})
        return waiting

    def heard(self, waiting: tuple[threading.Event, list[Json]]) -> Json:
        """What the client says."""
        done, answer = waiting
        if not done.wait(30):
            raise RuntimeError("the client does not answer")
        if "error" in answer[0]:
            raise RuntimeError(answer[0]["error"]["message"])
        result: Json = answer[0]["result"]
        return result

    def initialize(self, params: Json) -> Json:
        self.declared = params.get("capabilities") or {}
        changing = {"listChanged": True}
        capabilities: Json = {"tools": changing, "prompts": changing, "resources": {"subscribe": True}}
        capabilities |= {"logging": {}, "completions": {}}
        about = {"name": "conformance", "version": "1.0.0"}
        return {
            "protocolVersion": params["protocolVersion"],
            "capabilities": capabilities,
            "serverInfo": about,
        }

    def tools(self) -> list[Json]:
        return [
            {"name": name, "description": f"What the official suite expects of {name}", "inputSchema": schema}
            for name, (schema, _) in TOOLS.items()
        ] + [
            {"name": f"added_{n}", "description": "Added", "inputSchema": NOTHING}
            for n in range(self.changed["tools"])
        ]

    def call(self, params: Json) -> Json:
        if params["name"] not in TOOLS:
            raise Refused(-32602, f"Unknown tool: {params['name']}")
        try:
            return {"content": TOOLS[params["name"]][1](Call(self, params))}
        except RuntimeError as error:
            return {"content": text(str(error)), "isError": True}

    def prompts(self) -> list[Json]:
        return [
            {
                "name": name,
                "description": f"What the official suite expects of {name}",
                "arguments": [{"name": n, "description": n, "required": True} for n in arguments],
            }
            for name, (arguments, _) in PROMPTS.items()
        ] + [{"name": f"added_{n}", "description": "Added"} for n in range(self.changed["prompts"])]

    def prompt(self, params: Json) -> Json:
        if params["name"] not in PROMPTS:
            raise Refused(-32602, f"Unknown prompt: {params['name']}")
        given: Json = params.get("arguments") or {}
        if params["name"] == "test_input_required_result_prompt":
            asked = form("What context should the prompt use?", context="string")
            given = self.ask("elicitation/create", asked, "user_context")["content"]
        return {"messages": PROMPTS[params["name"]][1](given)}

    def resources(self) -> list[Json]:
        return [
            {"uri": uri, "name": uri, "description": uri, "mimeType": found["mimeType"]}
            for uri, found in RESOURCES.items()
        ]

    def templates(self) -> list[Json]:
        kind = {"name": "template", "description": "A template", "mimeType": "application/json"}
        return [{"uriTemplate": "test://template/{id}/data", **kind}]

    def answer(self, id: Any, method: str, params: Json) -> None:
        run = self.methods.get(method)
        try:
            if run is None:
                raise Refused(-32601, f"Method not found: {method}")
            self.send({"id": id, "result": run(params)})
        except Refused as refused:
            error = {"code": refused.code, "message": str(refused)}
            self.send({"id": id, "error": error if refused.data is None else {**error, "data": refused.data}})

    def serve(self) -> None:
        """Serves until stdin ends."""
        for line in sys.stdin:
            message = json.loads(line)
            method, id = message.get("method"), message.get("id")
            if method is None:
                done, answer = self._asked.pop(id)
                answer.append(message)
                done.set()
            elif id is not None:
                given = (id, method, message.get("params") or {})
                threading.Thread(target=self.answer, args=given, daemon=True).start()


if __name__ == "__main__":
    Server(Shared(Path(sys.argv[1])) if sys.argv[1:] else None).serve()
