"""One look at a server in one directory."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from callmux.config.servers import StdioServer
from callmux.protocol.shapes import Tool
from callmux.upstream.directory_probe import SeenThere, is_harmless, look_there, questions
from callmux.upstream.failures import CallFailure
from tests.support import SECONDS, real_loop
from tests.upstream.test_probe import DEAF, given_up_at_its_end

SERVER = """
import json, os, sys
def send(message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)
def answer(method, params):
    if method == "initialize":
        return {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}, "resources": {}}}
    if method == "tools/list":
        schema = {"type": "object"}
        reads = {"readOnlyHint": True}
        return {"tools": [
            {"name": "where", "inputSchema": schema, "annotations": reads},
            {"name": "write", "inputSchema": schema},
            {"name": "needs", "inputSchema": {**schema, "required": ["x"]}, "annotations": reads},
            {"name": "fails", "inputSchema": schema, "annotations": reads},
        ]}
    if method == "resources/list":
        return {"resources": [{"uri": "x://a", "name": "a"}]}
    if method == "resources/templates/list":
        return {"resourceTemplates": []}
    if method == "resources/read":
        return {"contents": [{"uri": "x://a", "text": "the same"}]}
    if method == "tools/call":
        if params["name"] == "fails":
            return None
        assert params["name"] == "where", params
        return {"content": [{"type": "text", "text": os.getcwd()}]}
for line in sys.stdin:
    m = json.loads(line)
    if m.get("method") == "notifications/initialized" and "--roots" in sys.argv:
        send({"id": "r", "method": "roots/list"})
        send({"id": "s", "method": "sampling/createMessage", "params": {}})
    if "id" in m and "method" in m:
        result = answer(m["method"], m.get("params"))
        failed = {"error": {"code": -32000, "message": "no"}}
        send({"id": m["id"], **(failed if result is None else {"result": result})})
"""


async def look(place: Path, *words: str, script: str = SERVER) -> SeenThere:
    server = StdioServer(command=sys.executable, args=("-I", "-S", "-c", script, *words))
    return await look_there("s", server, place, seconds=SECONDS, base_dir=Path())


@real_loop()
async def test_only_tools_that_read_are_called_and_resources_are_read(tmp_path: Path) -> None:
    found = await look(tmp_path)
    assert found.answers.keys() == {"tool where", "resource x://a"}
    assert str(tmp_path).encode() in found.answers["tool where"]
    assert [tool.name for tool in found.seen.tools] == ["where", "write", "needs", "fails"]
    assert not found.asked_for_roots


@real_loop()
async def test_a_server_that_asks_for_roots_is_told_its_directory(tmp_path: Path) -> None:
    assert (await look(tmp_path, "--roots")).asked_for_roots


@real_loop()
async def test_a_server_that_ends_cannot_be_looked_at(tmp_path: Path) -> None:
    with pytest.raises(CallFailure):
        await look(tmp_path, script="")


def test_a_tool_must_say_that_it_reads_does_not_reach_out_and_needs_nothing() -> None:
    reads = {"annotations": {"readOnlyHint": True}}
    assert is_harmless(json.dumps({"name": "a", **reads, "inputSchema": {"required": []}}).encode())
    for other in (
        {"name": "a"},
        {"name": "a", "annotations": {"readOnlyHint": False}},
        {"name": "a", "annotations": {"readOnlyHint": True, "openWorldHint": True}},
        {"name": "a", **reads, "inputSchema": {"required": ["x"]}},
        {"name": "a", "annotations": 7},
    ):
        assert not is_harmless(json.dumps(other).encode())


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ({}, ["a", "b"]),
        ({"tools": ("b",)}, ["b"]),
        ({"deny_tools": ("b",)}, ["a"]),
        ({"tiers": {"a": "write"}}, ["b"]),
        ({"tiers": {"s__*": "destroy"}}, []),
        ({"tiers": {"c": "read"}}, ["a", "b"]),
    ],
)
def test_what_clients_may_not_have_or_the_configuration_calls_writing_is_not_called(
    said: dict[str, Any], wanted: list[str]
) -> None:
    reads = {"annotations": {"readOnlyHint": True}}
    tools = [
        Tool(json.dumps(tool).encode())
        for tool in ({"name": "a", **reads}, {"name": "b", **reads}, {"name": "c"})
    ]
    assert questions("s", StdioServer(command="x", **said), tools) == wanted


@real_loop()
@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ({"deny_tools": ("where",)}, {"resource x://a"}),
        ({"resources": ("x://b",)}, {"tool where"}),
        ({"tools": (), "resources": ()}, set()),
    ],
)
async def test_what_is_kept_from_clients_is_neither_called_nor_read(
    tmp_path: Path, said: dict[str, Any], wanted: set[str]
) -> None:
    server = StdioServer(command=sys.executable, args=("-I", "-S", "-c", SERVER), **said)
    found = await look_there("s", server, tmp_path, seconds=SECONDS, base_dir=Path())
    assert found.answers.keys() == wanted


@real_loop()
async def test_one_that_is_given_up_while_its_server_ends_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as by the time that its caller has: the guardian of its server would stay for good."""
    await given_up_at_its_end(look_there("s", DEAF, tmp_path, seconds=0.2, base_dir=Path()), monkeypatch)
