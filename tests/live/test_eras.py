"""Real servers of earlier revisions behind callmux, and clients of every revision in front of it.

The official SDK's client asks for a revision without a handshake first (`auto`), for no other
(`2026-07-28`), or begins with `initialize` (`legacy`). Whatever it does, on stdio, over HTTP and through the
bridge, it lists, calls, reads, and is asked.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from mcp.client import Client

from tests.live.harness import (
    Refused,
    callmux,
    run,
    stdio,
    text_of,
    until,
    write_config,
)
from tests.live.modern import meta
from tests.live.sdk import WAYS, connected, text
from tests.live.test_listener import run_listener
from tests.support import free_port

Command = Callable[[str], list[str]]
MODES = ("auto", "2026-07-28", "legacy")


class Person:
    """Who answers a client's questions."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def elicit(self, context: Any, params: Any) -> types.ElicitResult:
        self.asked.append("elicitation")
        return types.ElicitResult(action="accept", content={"name": "Ada"})

    async def sample(self, context: Any, params: Any) -> types.CreateMessageResult:
        self.asked.append("sampling")
        said = types.TextContent(type="text", text="forty-two")
        return types.CreateMessageResult(role="assistant", content=said, model="m")


@asynccontextmanager
async def met(
    way: str, mode: str, tmp_path: Path, config: Path, port: int
) -> AsyncIterator[tuple[Client, Person]]:
    """A client, and who answers its questions."""
    person = Person()
    asked = {"elicitation_callback": person.elicit, "sampling_callback": person.sample}
    async with connected(way, mode, tmp_path, config, port, **asked) as client:
        yield client, person


@pytest.fixture(scope="module")
def real_servers(tmp_path_factory: pytest.TempPathFactory, npm_server: Command, pypi_server: Command) -> Path:
    """The configuration of four real servers, one of which has `note.txt` beside it."""
    folder = tmp_path_factory.mktemp("servers")
    (folder / "note.txt").write_text("hello")
    servers = {
        "everything": stdio([*npm_server("everything"), "stdio"]),
        "files": stdio([*npm_server("filesystem"), str(folder)]),
        "memory": stdio(npm_server("memory"), env={"MEMORY_FILE_PATH": str(folder / "m.jsonl")}),
        "time": stdio([*pypi_server("time"), "--local-timezone", "UTC"]),
    }
    return write_config(folder / "callmux.json", servers)


@pytest.fixture(scope="module")
def listening(real_servers: Path) -> Iterator[int]:
    """The port of one listener in front of them, for the clients of every revision."""
    port = free_port()
    with run_listener(real_servers.parent, real_servers, port):
        yield port


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", WAYS)
def test_real_servers_serve_clients_of_every_revision(
    way: str, mode: str, tmp_path: Path, real_servers: Path, listening: int
) -> None:
    note_file = real_servers.with_name("note.txt")

    async def scene() -> None:
        async with met(way, mode, tmp_path, real_servers, listening) as (client, person):
            wanted = "2025-11-25" if mode == "legacy" else "2026-07-28"
            assert client.session.protocol_version == wanted
            tools = {tool.name for tool in (await client.list_tools()).tools}
            assert {"everything__echo", "files__read_text_file", "memory__read_graph"} <= tools
            echo = await client.call_tool("everything__echo", {"message": "héllo"})
            assert text(echo) == "Echo: héllo"
            note = await client.call_tool("files__read_text_file", {"path": str(note_file)})
            assert text(note) == "hello"
            assert not (await client.call_tool("memory__read_graph", {})).is_error
            now = await client.call_tool("time__get_current_time", {"timezone": "UTC"})
            assert '"timezone": "UTC"' in text(now)
            prompt = await client.get_prompt("everything__simple-prompt")
            assert prompt.messages
            found = await client.list_resources()
            read = await client.read_resource(found.resources[0].uri)
            assert read.contents
            both = {
                "calls": [
                    {"tool": "everything__echo", "arguments": {"message": "a"}},
                    {"tool": "everything__trigger-sampling-request", "arguments": {"prompt": "?"}},
                ]
            }
            parallel = await client.call_tool("callmux_parallel", both)
            assert "forty-two" in text(parallel)
            form = await client.call_tool("everything__trigger-elicitation-request", {})
            assert "Ada" in text(form)
            assert sorted(person.asked) == ["elicitation", "sampling"]
            unknown = await client.call_tool("everything__nothing", {})
            assert unknown.is_error

    run(scene(), 60)


@pytest.mark.parametrize("way", WAYS)
def test_progress_and_log_messages_reach_a_client_without_a_handshake(
    way: str, tmp_path: Path, npm_server: Command, listening: int
) -> None:
    config = write_config(tmp_path / "c.json", {"everything": stdio([*npm_server("everything"), "stdio"])})

    async def scene() -> None:
        async with connected(way, "2026-07-28", tmp_path, config, listening) as client:
            seen: list[float] = []

            async def progress(progress: float, total: float | None, message: str | None) -> None:
                seen.append(progress)

            tool = "trigger-long-running-operation"
            long = tool if way == "stdio" else f"everything__{tool}"
            await client.call_tool(long, {"duration": 0.6, "steps": 3}, progress_callback=progress)
            await asyncio.sleep(0)
            assert seen == [1, 2, 3]

    run(scene(), 60)


CONFORMANCE = Path(__file__).parent.parent / "conformance" / "server.py"
META = meta(elicitation={})


def asking(tmp_path: Path) -> Path:
    server = stdio([sys.executable, "-I", str(CONFORMANCE)])
    return write_config(tmp_path / "callmux.json", {"asking": server})


@pytest.mark.parametrize("hard", [True, False])
def test_a_listener_that_goes_between_question_and_answer_leaves_nobody_waiting(
    hard: bool, tmp_path: Path
) -> None:
    """The call that waited is gone with its process: whoever comes with the answer is told so at once, and
    the bridge's next call is served."""
    config, port = asking(tmp_path), free_port()
    url = f"http://127.0.0.1:{port}/mcp"
    tool = {"name": "test_elicitation", "arguments": {"message": "who?"}, "_meta": META}

    async def scene() -> None:
        async with callmux(tmp_path, "bridge", "--url", url) as client:
            with run_listener(tmp_path, config, port) as process:
                asked = await client.request("tools/call", tool)
                ((key, question),) = asked["inputRequests"].items()
                assert question["params"]["message"] == "who?"
                process.kill() if hard else process.terminate()
                process.wait(20)
            answers = {"inputResponses": {key: {"action": "decline"}}}
            with run_listener(tmp_path, config, port):
                late = {**tool, **answers, "requestState": asked["requestState"]}
                with pytest.raises(Refused) as refused:
                    await client.request("tools/call", late)
                assert "requestState" in str(refused.value)
                asked = await client.request("tools/call", tool)
                going_on = {**tool, **answers, "requestState": asked["requestState"]}
                done = await client.request("tools/call", going_on)
                assert "decline" in text_of(done)
            assert client.asked == [], "nothing is pushed"

    run(scene(), 60)


@pytest.mark.parametrize("way", ["stdio", "bridge"])
def test_a_subscription_hears_of_a_new_server_and_ends_with_its_client(way: str, tmp_path: Path) -> None:
    config, port = asking(tmp_path), free_port()
    url = f"http://127.0.0.1:{port}/mcp"
    listening = nullcontext() if way == "stdio" else run_listener(tmp_path, config, port)
    words = ["--config", str(config)] if way == "stdio" else ["bridge", "--url", url]

    async def scene() -> None:
        with listening:
            async with callmux(tmp_path, *words) as client:
                await client.request("tools/list", {"_meta": META})
                wanted = {"notifications": {"toolsListChanged": True}, "_meta": META}
                client.send("subscriptions/listen", wanted, id="mine")
                await until("the acknowledgement", lambda: client.notes)
                server = stdio([sys.executable, "-I", str(CONFORMANCE)])
                write_config(config, {"asking": server, "another": server})
                await until("word of the change", lambda: len(client.notes) > 1)
                tags = [note["params"]["_meta"] for note in client.notes]
                assert tags == [{"io.modelcontextprotocol/subscriptionId": "mine"}] * len(tags)
                assert client.notes[1]["method"] == "notifications/tools/list_changed"
                listed = await client.request("tools/list", {"_meta": META})
                assert any(tool["name"].startswith("another__") for tool in listed["tools"])
                assert await client.leave(10) == 0

    run(scene(), 60)
