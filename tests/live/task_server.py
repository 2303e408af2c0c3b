"""An MCP server on stdio whose tools are tasks.

    python task_server.py NAME LOG [--modern]

By MCP 2025-11-25 its tools must be called as tasks (`execution.taskSupport`); with `--modern` it speaks
2026-07-28 alone and has the extension `io.modelcontextprotocol/tasks`, which it wants its client to declare.
Ids are the same whatever its name. `work` ends by itself; `ask` wants to know something first; `slow` never
ends. The log has a line for each request.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

REVISION = "2026-07-28"
EXTENSION = "io.modelcontextprotocol/tasks"
RELATED = "io.modelcontextprotocol/related-task"
FORM = {
    "mode": "form",
    "message": "who?",
    "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}},
}
LACKING = {
    "code": -32021,
    "message": "Missing required client capability",
    "data": {"requiredCapabilities": {"extensions": {EXTENSION: {}}}},
}


class Task:
    def __init__(self, number: int, tool: str) -> None:
        self.id, self.tool = f"task {number}", tool
        self.answer: Any = None
        self.looks = 0
        self.cancelled = False
        self.answered = threading.Event()

    @property
    def status(self) -> str:
        if self.cancelled:
            return "cancelled"
        if self.tool == "slow":
            return "working"
        if self.tool == "ask":
            return "input_required" if self.answer is None else "completed"
        return "completed" if self.looks > 1 else "working"


class Server:
    def __init__(self, name: str, log: str, *, modern: bool) -> None:
        self._name, self._modern = name, modern
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._out = threading.Lock()
        self._tasks: dict[str, Task] = {}
        self._asked: dict[str, Task] = {}

    def say(self, message: Any) -> None:
        with self._out:
            os.write(1, json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    def result(self, id: Any, result: Any) -> None:
        about = {"resultType": "complete"} if self._modern else {}
        self.say({"id": id, "result": {**about, **result}})

    def refuse(self, id: Any, code: int, message: str) -> None:
        self.say({"id": id, "error": {"code": code, "message": message}})

    def receive(self, message: dict[str, Any]) -> None:
        id, method, params = message.get("id"), message.get("method"), message.get("params") or {}
        if method is None:
            task = self._asked.pop(str(id))
            task.answer = message["result"]
            task.answered.set()
            return
        if id is None:
            return
        os.write(self._log, f"{method} {params.get('taskId', params.get('name', ''))}\n".encode())
        if method == "server/discover" and self._modern:
            told = {"supportedVersions": [REVISION], "ttlMs": 0, "cacheScope": "private"}
            self.result(id, {**told, "capabilities": {"tools": {}, "extensions": {EXTENSION: {}}}})
        elif method == "initialize" and not self._modern:
            about = {"serverInfo": {"name": self._name, "version": "1"}}
            able: Any = {"tools": {}, "tasks": {"cancel": {}, "requests": {"tools": {"call": {}}}}}
            self.result(id, {"protocolVersion": "2025-11-25", "capabilities": able, **about})
        elif method == "tools/list":
            more: dict[str, Any] = {} if self._modern else {"execution": {"taskSupport": "required"}}
            tools = [
                {"name": name, "inputSchema": {"type": "object"}, **more} for name in ("work", "ask", "slow")
            ]
            hints = {"ttlMs": 0, "cacheScope": "private"} if self._modern else {}
            self.result(id, {"tools": tools, **hints})
        elif method == "tools/call":
            self.call(id, params)
        elif method.startswith("tasks/"):
            self.of_task(id, method, params)
        elif method == "ping":
            self.result(id, {})
        else:
            self.refuse(id, -32601, f"no {method}")

    def declares(self, params: Any) -> bool:
        declared = params.get("_meta", {}).get("io.modelcontextprotocol/clientCapabilities", {})
        return EXTENSION in declared.get("extensions", {})

    def call(self, id: Any, params: Any) -> None:
        if self._modern and not self.declares(params):
            self.say({"id": id, "error": LACKING})
            return
        if not self._modern and "task" not in params:
            self.refuse(id, -32601, "this tool is a task")
            return
        task = Task(len(self._tasks) + 1, params["name"])
        self._tasks[task.id] = task
        told = self.told(task)
        self.say({"id": id, "result": {"resultType": "task", **told} if self._modern else {"task": told}})

    def told(self, task: Task) -> dict[str, Any]:
        when = "2026-01-01T00:00:00Z"
        status = task.status
        told: dict[str, Any] = {"taskId": task.id, "createdAt": when, "lastUpdatedAt": when, "status": status}
        if not self._modern:
            return {**told, "ttl": None, "pollInterval": 50}
        told |= {"ttlMs": None, "pollIntervalMs": 50}
        if status == "input_required":
            told["inputRequests"] = {"q": {"method": "elicitation/create", "params": FORM}}
        if status == "completed":
            told["result"] = self.outcome(task)
        return told

    def outcome(self, task: Task) -> dict[str, Any]:
        said = "" if task.answer is None else f" for {task.answer['content']['name']}"
        return {
            "content": [{"type": "text", "text": f"{self._name} did {task.tool}{said}"}],
            "isError": False,
        }

    def of_task(self, id: Any, method: str, params: Any) -> None:
        if self._modern and not self.declares(params):
            self.say({"id": id, "error": LACKING})
            return
        task = self._tasks.get(params["taskId"])
        if task is None:
            self.refuse(id, -32602, "no such task")
        elif method == "tasks/get":
            task.looks += 1
            self.result(id, self.told(task))
        elif method == "tasks/update":
            task.answer = params["inputResponses"]["q"]
            self.result(id, {})
        elif method == "tasks/cancel":
            task.cancelled = True
            self.result(id, {} if self._modern else self.told(task))
        elif method == "tasks/result" and not self._modern:
            threading.Thread(target=self.fetch, args=(id, task), daemon=True).start()
        else:
            self.refuse(id, -32601, f"no {method}")

    def fetch(self, id: Any, task: Task) -> None:
        if task.tool == "ask":
            question = f"about {task.id}"
            self._asked[question] = task
            related = {"_meta": {RELATED: {"taskId": task.id}}}
            self.say({"id": question, "method": "elicitation/create", "params": {**FORM, **related}})
            task.answered.wait()
        elif task.tool == "slow":
            return
        self.result(id, {**self.outcome(task), "_meta": {RELATED: {"taskId": task.id}}})


if __name__ == "__main__":
    own, log, *options = sys.argv[1:]
    server = Server(own, log, modern="--modern" in options)
    for line in sys.stdin:
        server.receive(json.loads(line))
