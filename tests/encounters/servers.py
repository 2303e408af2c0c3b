"""The servers that clients meet: how each is started, and what a client does there.

Used by `visits.py`. Some are fetched by `scripts/interop`; the others only for the table, by
`scripts/try-servers` (`.ci/apps`, and one environment for each version of FastMCP).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

Json = dict[str, Any]

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".cache"
FASTMCP = {"fastmcp-4": "4.2.3", "fastmcp-2": "2.14.5"}
"""Of two generations: the newer speaks 2026-07-28, too."""
APPS = (
    "basic-react",
    "basic-vanillajs",
    "basic-vue",
    "budget-allocator",
    "cohort-heatmap",
    "customer-segmentation",
    "scenario-modeler",
    "shadertoy",
    "system-monitor",
    "threejs",
)
"""MCP-App servers of npm, by what stands behind `@modelcontextprotocol/server-`."""


class Deed(msgspec.Struct, frozen=True):
    """Something a client does at a server.

    Attributes:
        name: What it is called in the table's notes.
        method: The request.
        params: Its params; names of tools and prompts are the server's own.
        varies: Whether two answers differ by digits.
    """

    name: str
    method: str
    params: Json
    varies: bool = False


def call(tool: str, *, varies: bool = False, **arguments: Any) -> Deed:
    shown = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    return Deed(f"call {tool}({shown})", "tools/call", {"name": tool, "arguments": arguments}, varies)


def read(uri: str) -> Deed:
    return Deed(f"read {uri}", "resources/read", {"uri": uri})


def prompt(name: str, **arguments: str) -> Deed:
    return Deed(f"prompt {name}", "prompts/get", {"name": name, "arguments": arguments})


def complete(name: str, argument: str, value: str) -> Deed:
    about = {"ref": {"type": "ref/prompt", "name": name}, "argument": {"name": argument, "value": value}}
    return Deed(f"complete {name}", "completion/complete", about)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One server.

    Attributes:
        name: Its key in the configuration.
        words: Gives its command, for a directory that is its own; None where it was not fetched.
        deeds: What is done there beside listing everything and reading what it lists.
        plain_tools: Whether each tool that needs no argument is called.
    """

    name: str
    words: Callable[[Path], list[str] | None]
    deeds: Sequence[Deed] = ()
    plain_tools: bool = False


def _npm(folder: str, script: str, *more: str) -> list[str] | None:
    node, found = shutil.which("node"), CACHE / folder / "node_modules" / ".bin" / script
    return [node, str(found.resolve()), *more] if node and found.exists() else None


def _files(folder: Path) -> list[str] | None:
    (own := folder / "files").mkdir()
    (own / "note.txt").write_text("hello\n")
    (own / "out").mkdir()
    words = _npm("npm", "mcp-server-filesystem")
    return None if words is None else [*words, str(own)]


def _memory(folder: Path) -> list[str] | None:
    entity = {"type": "entity", "name": "mux", "entityType": "program", "observations": ["relays"]}
    (kept := folder / "memory.jsonl").write_text(json.dumps(entity) + "\n")
    words = _npm("npm", "mcp-server-memory")
    return None if words is None else ["/usr/bin/env", f"MEMORY_FILE_PATH={kept}", *words]


def _time(folder: Path) -> list[str] | None:
    script = CACHE / "servers" / "bin" / "mcp-server-time"
    if not script.exists():
        return None
    return [str(script.parent / "python"), str(script), "--local-timezone", "UTC"]


def _fastmcp(name: str) -> Callable[[Path], list[str] | None]:
    python = CACHE / name / "bin" / "python"
    return lambda folder: [str(python), str(HERE / "fastmcp_server.py")] if python.exists() else None


def app_command(name: str) -> list[str] | None:
    """The command of one of the `APPS`."""
    package = CACHE / "apps" / "node_modules" / "@modelcontextprotocol" / f"server-{name}"
    node = shutil.which("node")
    if node is None or not package.exists():
        return None
    programs = json.loads((package / "package.json").read_text())["bin"]
    script = programs if isinstance(programs, str) else next(iter(programs.values()))
    return [node, str(package / script), "--stdio"]


def _app(name: str) -> Row:
    return Row(name=name, words=lambda folder: app_command(name), plain_tools=True)


IN_CI = (
    Row(
        name="everything",
        words=lambda folder: _npm("npm", "mcp-server-everything", "stdio"),
        deeds=(
            call("echo", message="héllo 🌍"),
            call("get-sum", a=2, b=40),
            call("get-structured-content", location="New York"),
            call("get-tiny-image"),
            call("get-annotated-message", messageType="error", includeImage=True),
            call("get-resource-links", count=2),
            call("get-resource-reference", resourceType="Text", resourceId=1, varies=True),
            call("nothing-of-that-name"),
            Deed("read a template", "resources/read", {"uri": "demo://resource/dynamic/text/1"}, varies=True),
            prompt("simple-prompt"),
            prompt("args-prompt", city="Paris", state="France"),
            complete("completable-prompt", "department", "E"),
            call("trigger-elicitation-request"),
            call("trigger-sampling-request", prompt="?", maxTokens=10),
        ),
    ),
    Row(
        name="files",
        words=_files,
        deeds=(
            call("read_text_file", path="note.txt"),
            call("list_directory", path="."),
            call("read_text_file", path="/etc/passwd"),
            call("write_file", path="out/made.txt", content="made"),
            call("read_multiple_files", paths=["note.txt", "out/made.txt"]),
        ),
    ),
    Row(name="memory", words=_memory, deeds=(call("read_graph"), call("search_nodes", query="mux"))),
    Row(
        name="time",
        words=_time,
        deeds=(
            call("get_current_time", timezone="UTC", varies=True),
            call(
                "convert_time", source_timezone="UTC", time="12:00", target_timezone="Asia/Tokyo", varies=True
            ),
            call("convert_time", source_timezone="Nowhere", time="12:00", target_timezone="UTC"),
        ),
    ),
)
"""What `scripts/interop` fetches."""

_FASTMCP_DEEDS = (
    call("add", a=2, b=40),
    call("add", a="two", b=40),
    call("words"),
    call("ask_name"),
    call("ask_model"),
    read("data://greeting/Ada"),
    prompt("summary", topic="relays"),
)
ROWS = (
    *IN_CI,
    Row(
        name="context7",
        words=lambda folder: _npm("apps", "context7-mcp"),
        deeds=(
            call("resolve-library-id", libraryName="react", query="hooks", varies=True),
            call("query-docs", libraryId="/facebook/react", query="hooks", varies=True),
        ),
    ),
    *(Row(name=name, words=_fastmcp(name), deeds=_FASTMCP_DEEDS) for name in FASTMCP),
    _app("basic-react"),
    _app("budget-allocator"),
)
"""All that the table shows."""
