"""Tasks of servers of either era, and clients that follow them and clients that cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest

from tests.support import eventually, free_port

from .harness import Json, callmux, python_server, run, stdio, until, write_config
from .modern import asked, meta
from .sdk import connected, text
from .test_listener import run_listener

PARALLEL = {"calls": [{"tool": "a__work"}]}
EXTENSION = "io.modelcontextprotocol/tasks"


def config_of(tmp_path: Path, *options: str, **more: Any) -> Path:
    servers = {
        name: stdio(python_server("task_server.py", name, tmp_path / f"{name}.log", *options))
        for name in "ab"
    }
    return write_config(tmp_path / "c.json", servers, **more)


async def elicit(context: Any, params: Any) -> types.ElicitResult:
    return types.ElicitResult(action="accept", content={"name": "Ada"})


@pytest.mark.parametrize(
    ("way", "mode", "era"),
    [
        ("stdio", "legacy", ""),
        ("stdio", "legacy", "--modern"),
        ("listener", "2026-07-28", ""),
        ("bridge", "legacy", "--modern"),
    ],
)
def test_a_client_without_tasks_calls_tools_that_are_tasks_alone(
    way: str, mode: str, era: str, tmp_path: Path
) -> None:
    async def scene() -> None:
        config = config_of(tmp_path, *filter(None, [era]))
        async with connected(way, mode, tmp_path, config, elicitation_callback=elicit) as client:
            assert text(await client.call_tool("a__work", {})) == "a did work"
            assert text(await client.call_tool("b__ask", {})) == "b did ask for Ada"
            both = {"calls": [{"tool": "a__work"}, {"tool": "b__work"}]}
            found = text(await client.call_tool("callmux_parallel", both))
            assert "a did work" in found
            assert "b did work" in found

    run(scene(), 60)


class Follower:
    """A client of 2026-07-28 over HTTP that has the extension, or has not."""

    def __init__(self, port: int, *, extended: bool = True, name: str | None = None) -> None:
        self._port, self._number = port, 0
        self._headers = {} if name is None else {"Mcp-Name": name}
        extensions: Json = {"extensions": {EXTENSION: {}}} if extended else {}
        self._meta = meta(elicitation={}, **extensions)

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The result, or the error with the HTTP status beside it."""
        self._number += 1
        given = {**params, "_meta": self._meta}
        status, answer = asked(self._port, method, given, self._number, **self._headers)
        found: dict[str, Any] = answer.get("result") or {"status": status, **answer["error"]}
        return found

    def until(self, id: str, status: str) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def is_so() -> bool:
            found.clear()
            found.update(self.ask("tasks/get", taskId=id))
            return bool(found["status"] == status)

        eventually(is_so, status)
        return found


def test_tasks_of_several_servers_are_followed_by_ids_that_lead_to_each(tmp_path: Path) -> None:
    port = free_port()
    with run_listener(tmp_path, config_of(tmp_path, "--modern"), port):
        client = Follower(port)
        eventually(lambda: client.ask("server/discover")["ttlMs"] > 0, "the servers to start")
        assert client.ask("server/discover")["capabilities"]["extensions"][EXTENSION] == {}
        one, two = client.ask("tools/call", name="a__work"), client.ask("tools/call", name="b__ask")
        assert (one["resultType"], one["status"]) == ("task", "working")
        assert one["taskId"] != two["taskId"], "both servers call it the same"
        done = client.until(one["taskId"], "completed")
        assert done["result"]["content"][0]["text"] == "a did work"
        assert (done["taskId"], done["resultType"]) == (one["taskId"], "complete")
        waiting = client.until(two["taskId"], "input_required")
        assert list(waiting["inputRequests"]) == ["q"]
        said = {"q": {"action": "accept", "content": {"name": "Bob"}}}
        assert (
            client.ask("tasks/update", taskId=two["taskId"], inputResponses=said)["resultType"] == "complete"
        )
        assert client.until(two["taskId"], "completed")["result"]["content"][0]["text"] == "b did ask for Bob"
        never = client.ask("tools/call", name="b__slow")["taskId"]
        assert client.ask("tasks/cancel", taskId=never)["resultType"] == "complete"
        client.until(never, "cancelled")
        assert "tasks/get task 1" in (tmp_path / "a.log").read_text()
        inside = client.ask("tools/call", name="callmux_parallel", arguments=PARALLEL)
        assert "a did work" in json.dumps(inside), "inside a meta-tool nobody else can follow it"


def test_what_is_no_task_of_its_client_is_refused(tmp_path: Path) -> None:
    port = free_port()
    with run_listener(tmp_path, config_of(tmp_path, "--modern"), port):
        client, plain = Follower(port), Follower(port, extended=False)
        id = client.ask("tools/call", name="a__slow")["taskId"]
        for odd in ("task 1", id[:-1] + "9", "x:y:z:w", ":", ""):
            refused = client.ask("tasks/get", taskId=odd)
            assert (refused["code"], refused["status"]) == (-32602, 400), odd
        for method in ("tasks/get", "tasks/update", "tasks/cancel"):
            refused = plain.ask(method, taskId=id, inputResponses={})
            assert refused["code"] == -32021
            assert refused["data"]["requiredCapabilities"] == {"extensions": {EXTENSION: {}}}
        assert plain.ask("tools/call", name="a__work")["code"] == -32021, "as its server says"
        mistaken = Follower(port, name="another")
        assert mistaken.ask("tasks/get", taskId=id)["code"] == -32020
        assert client.ask("tasks/list")["code"] == client.ask("tasks/result", taskId=id)["code"] == -32601


def test_a_task_that_nobody_waits_for_is_cancelled(tmp_path: Path) -> None:
    log = tmp_path / "a.log"

    async def scene() -> None:
        async with callmux(tmp_path, "--config", str(config_of(tmp_path))) as client:
            await client.initialize()
            await client.tools()
            client.send("tools/call", {"name": "a__slow", "arguments": {}}, id=7)
            await until("the task to be waited for", lambda: "tasks/result" in log.read_text())
            client.notify("notifications/cancelled", {"requestId": 7})
            await until("the task to be cancelled", lambda: "tasks/cancel task 1" in log.read_text())

    run(scene(), 60)
