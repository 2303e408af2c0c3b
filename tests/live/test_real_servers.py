"""callmux in front of five real servers at once, driven by the official SDK's client.

The servers come from npm and PyPI through `scripts/interop`; see `tests/conftest.py` for how they are found.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

from tests.support import real_loop

from .harness import MARK, callmux, environment, marked, run, stdio, swept, until, write_config

Command = Callable[[str], list[str]]

META_TOOLS = {
    "callmux_batch",
    "callmux_cache_clear",
    "callmux_call",
    "callmux_dry_run",
    "callmux_get_result",
    "callmux_parallel",
    "callmux_pipeline",
    "callmux_recipe_dry_run",
    "callmux_recipe_run",
    "callmux_search_tools",
    "callmux_status",
}


def git(directory: Path, *args: str) -> str:
    """Runs git as nobody in particular."""
    env = environment(directory, "") | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    who = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    done = subprocess.run(
        ["git", *who, *args], cwd=directory, env=env, capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout


class Five:
    """A configuration with five servers, and the places they work on."""

    def __init__(self, tmp_path: Path, npm: Command, pypi: Command) -> None:
        self.files = tmp_path / "files"
        self.files.mkdir()
        self.inbox = self.files / "inbox"
        self.inbox.mkdir()
        (self.inbox / "notes.txt").write_text("ship the relay\nthen the bridge\n")
        self.repository = tmp_path / "repository"
        self.repository.mkdir()
        git(self.repository, "init", "--quiet", "--initial-branch=main")
        (self.repository / "a.txt").write_text("one\n")
        git(self.repository, "add", "a.txt")
        git(self.repository, "commit", "--quiet", "--message", "Begin")
        self.memory = tmp_path / "memory.jsonl"
        self.servers = {
            "everything": stdio([*npm("everything"), "stdio"]),
            "files": stdio([*npm("filesystem"), str(self.inbox), str(self.files)]),
            "memory": stdio(npm("memory"), env={"MEMORY_FILE_PATH": str(self.memory)}),
            "git": stdio([*pypi("git"), "--repository", str(self.repository)]),
            "time": stdio([*pypi("time"), "--local-timezone", "UTC"]),
        }
        self.config = write_config(tmp_path / "callmux.json", self.servers)


@pytest.fixture
def five(tmp_path: Path, npm_server: Command, pypi_server: Command) -> Five:
    if shutil.which("git") is None:
        pytest.skip("git is missing")
    return Five(tmp_path, npm_server, pypi_server)


def text(result: Any) -> str:
    return "\n".join(block.text for block in result.content if block.type == "text")


def payload(result: Any) -> dict[str, Any]:
    """What a meta-tool answered; its text says the same."""
    assert not result.is_error, text(result)
    assert json.loads(text(result)) == result.structured_content
    found: dict[str, Any] = result.structured_content
    return found


async def lists(client: Client, five: Five) -> None:
    """Tools of all five and the eleven of callmux, as the servers describe them."""
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert {name for name in tools if name.startswith("callmux_")} == META_TOOLS
    assert {name.split("__")[0] for name in tools if "__" in name} == set(five.servers)
    assert tools["files__write_file"].input_schema["required"] == ["path", "content"]
    assert tools["git__git_status"].input_schema["required"] == ["repo_path"]
    annotations = tools["files__read_text_file"].annotations
    assert annotations is not None
    assert annotations.read_only_hint is True


async def calls_directly(client: Client, five: Five) -> None:
    """One call on each server."""
    assert text(await client.call_tool("everything__echo", {"message": "héllo 🌍"})) == "Echo: héllo 🌍"
    entity = {"name": "callmux", "entityType": "program", "observations": ["relays"]}
    assert not (await client.call_tool("memory__create_entities", {"entities": [entity]})).is_error
    assert '"relays"' in five.memory.read_text()
    graph = await client.call_tool("memory__read_graph", {})
    assert graph.structured_content is not None
    assert graph.structured_content["entities"] == [entity]
    (five.repository / "a.txt").write_text("two\n")
    assert "a.txt" in text(await client.call_tool("git__git_status", {"repo_path": str(five.repository)}))
    asked = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
    assert "21:00" in text(await client.call_tool("time__convert_time", asked))
    image = await client.call_tool("everything__get-tiny-image", {})
    assert "image" in [block.type for block in image.content]
    refused = await client.call_tool("files__read_text_file", {"path": "/etc/passwd"})
    assert refused.is_error


async def calls_in_parallel(client: Client, five: Five) -> None:
    """One request, all five servers; the one that fails is named."""
    calls = [
        {"tool": "everything__get-sum", "arguments": {"a": 2, "b": 40}},
        {"tool": "read_text_file", "server": "files", "arguments": {"path": "notes.txt"}},
        {"tool": "memory__read_graph"},
        {"tool": "git__git_log", "arguments": {"repo_path": str(five.repository)}},
        {"tool": "time__get_current_time", "arguments": {"timezone": "UTC"}},
        {"tool": "files__read_text_file", "arguments": {"path": "missing.txt"}},
    ]
    answer = payload(await client.call_tool("callmux_parallel", {"calls": calls}))
    assert (answer["succeeded"], answer["failed"], answer["failedIndexes"]) == (5, 1, [5])
    shown = [json.dumps(entry["result"]) for entry in answer["results"]]
    for found, expected in zip(shown, ["42", "ship the relay", "callmux", "Begin", "UTC"], strict=False):
        assert expected in found


async def calls_in_a_batch(client: Client, five: Five) -> None:
    """One tool, many argument sets; the files prove it."""
    out = five.files / "out"
    items = [{"arguments": {"path": str(out / f"{n}.txt"), "content": f"file {n}\n"}} for n in range(6)]
    made = payload(
        await client.call_tool(
            "callmux_batch", {"tool": "files__create_directory", "items": [{"path": str(out)}]}
        )
    )
    assert [warning["code"] for warning in made["warnings"]] == ["auto_wrapped_flat_items"]
    assert made["status"] == "completed"
    answer = payload(await client.call_tool("callmux_batch", {"tool": "files__write_file", "items": items}))
    assert (answer["status"], answer["succeeded"]) == ("completed", 6)
    written = {path.name: path.read_text() for path in out.iterdir()}
    assert written == {f"{n}.txt": f"file {n}\n" for n in range(6)}


async def calls_in_a_pipeline(client: Client, five: Five) -> None:
    """A directory is listed, a file found in it is read, a summary is written: four calls on two servers."""
    steps = [
        {"tool": "files__directory_tree", "arguments": {"path": str(five.inbox)}},
        {"tool": "files__read_text_file", "inputMapping": {"path": "$json[0].name"}},
        {"tool": "everything__echo", "inputMapping": {"message": "$text"}},
        {
            "tool": "files__write_file",
            "arguments": {"path": str(five.files / "summary.txt")},
            "inputMapping": {"content": "$text"},
        },
    ]
    answer = payload(await client.call_tool("callmux_pipeline", {"steps": steps}))
    assert answer["status"] == "completed", answer
    assert (five.files / "summary.txt").read_text() == "Echo: ship the relay\nthen the bridge\n"


STORY = (lists, calls_directly, calls_in_parallel, calls_in_a_batch, calls_in_a_pipeline)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_the_sdk_client_works_through_callmux_on_five_real_servers(
    mode: Any, five: Five, tmp_path: Path
) -> None:
    mark = uuid.uuid4().hex
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "callmux", "--config", str(five.config)],
        env=environment(tmp_path, mark),
        cwd=tmp_path,
    )

    async def story() -> None:
        async with Client(command, mode=mode, read_timeout_seconds=40) as client:
            for part in STORY:
                await part(client, five)
        await until("nothing of callmux is left", lambda: not marked(mark))

    with swept(mark):
        run(story(), 60)


@real_loop()
async def test_a_server_behind_npx_leaves_nothing_when_callmux_is_killed(
    npm_server: Command, tmp_path: Path
) -> None:
    """`npx` starts a shell that starts the server: three generations, and `kill -9` reaches none of them."""
    npx = shutil.which("npx")
    if npx is None:
        pytest.skip("npx is missing")
    node_modules = next(p for p in Path(npm_server("memory")[1]).parents if p.name == "node_modules")
    entry = stdio([npx, "--no-install", "mcp-server-memory"], cwd=str(node_modules.parent))
    config = write_config(tmp_path / "callmux.json", {"memory": entry})

    async with callmux(tmp_path, "--config", config) as client:
        await client.initialize()
        assert "read_graph" in await client.names()
        (child,) = [p for p in client.ps.children() if p.environ().get(MARK) == client.mark]
        assert len(child.children(recursive=True)) >= 1
        family = [*client.ps.children(recursive=True)]
        client.process.kill()
        await until("npx and all it started ended", lambda: not any(p.is_running() for p in family))
        assert marked(client.mark) == []
