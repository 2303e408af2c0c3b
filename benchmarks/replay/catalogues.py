"""What the listings of well-known servers cost, plain and through callmux. Called by `benchmarks/context.py`.

The catalogues are no part of the repository; each is a list of tools as its server gave them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callmux.protocol.apps import EXTENSION
from replay.counting import compact, definitions, tokens
from replay.measuring import SERVER
from replay.process import Process, text_of

OWN = "callmux"
ALL = "all seven"
PLAIN = "plain"
LEAN = "lean"
"""With the preset: our own tools, with the index of all others in their descriptions."""
APPS = {"extensions": {EXTENSION: {"mimeTypes": ["text/html;profile=mcp-app"]}}}
"""What a client declares that shows apps: it is listed also the tools that only their pages call."""
MODES: dict[str, dict[str, Any]] = {
    "balanced": {},
    "aggressive": {"schemaCompression": {"mode": "aggressive"}},
}


@dataclass(frozen=True, slots=True)
class Size:
    """What a listing takes.

    Attributes:
        tools: How many there are.
        size: Bytes of the definitions as JSON, everything in them.
        tokens: Tokens of their names, descriptions and input schemas.
    """

    tools: int
    size: int
    tokens: int


def size_of(tools: Iterable[Mapping[str, Any]]) -> Size:
    """The size of these tools."""
    listed = list(tools)
    return Size(len(listed), sum(len(compact(tool).encode()) for tool in listed), definitions(listed))


def measure_catalogues(
    catalogues: Path, products: Mapping[bool, Sequence[str]], folder: Path
) -> dict[str, dict[str, Size]]:
    """The sizes by server and way; under `callmux` the meta-tools', under `all seven` the others.

    Args:
        catalogues: The folder of the lists.
        products: The command of callmux, and under True that of the other product.
        folder: For configurations.
    """
    files = {path.stem: path for path in sorted(catalogues.glob("*.json"))}
    plain = {key: json.loads(path.read_text("utf-8")) for key, path in files.items()}
    found = {key: {PLAIN: size_of(tools)} for key, tools in plain.items()}
    found[ALL] = {PLAIN: size_of(tool for tools in plain.values() for tool in tools)}
    found[OWN] = {}
    for other, command in products.items():
        for mode, keys in MODES.items():
            way = f"{mode}, npm" if other else mode
            listed = _listed(files, command, keys, folder)
            own = [tool for tool in listed if tool["name"].startswith("callmux_")]
            if len(listed) - len(own) != found[ALL][PLAIN].tools:
                raise RuntimeError(f"{way}: {len(listed) - len(own)} tools are listed")
            found[OWN][way] = size_of(own)
            found[ALL][way] = size_of(tool for tool in listed if tool not in own)
            for key in files:
                found[key][way] = size_of(t for t in listed if t["name"].startswith(f"{key}__"))
    with _started(files, products[False], {"preset": "lean"}, folder) as process:
        found[OWN][LEAN] = size_of(process.tools())
    return found


FORMATS = ("json", "auto", "toon", "plain", "shortest")
QUESTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "`callmux_search_tools`, 20 tools": ("callmux_search_tools", {"query": "issue", "limit": 20}),
    "`callmux_status` of seven servers": ("callmux_status", {"recommendations": False}),
}
"""Answers of callmux that are lists of equal objects."""


def measure_formats(catalogues: Path, command: Sequence[str], folder: Path) -> dict[str, dict[str, int]]:
    """The tokens of an answer by question and output format."""
    files = {path.stem: path for path in sorted(catalogues.glob("*.json"))}
    with _started(files, command, {}, folder) as process:
        process.tools()
        found = {label: _by_format(process, tool, asked) for label, (tool, asked) in QUESTIONS.items()}
    tracker = {"command": sys.executable, "args": ["-m", "callmux.demo.servers.tracker"]}
    config = folder / "tracker.json"
    document = {"servers": {"tracker": tracker}, "responseShield": {"maxArrayItems": 10}}
    config.write_text(json.dumps(document), "utf-8")
    with Process([*command, "--config", str(config)], folder) as process:
        process.tools()
        reply = json.loads(text_of(process.call("list_issues", {"limit": 40})))
        page = {"ref": reply["_callmux"]["ref"], "path": "issues", "fields": ["number", "title", "assignee"]}
        found["A page of 40 rows of three fields"] = _by_format(process, "callmux_get_result", page)
    return found


def _by_format(process: Process, tool: str, arguments: Mapping[str, Any]) -> dict[str, int]:
    return {
        name: tokens(text_of(process.call(tool, {**arguments, "outputFormat": name}))) for name in FORMATS
    }


def _listed(
    files: Mapping[str, Path], command: Sequence[str], keys: Mapping[str, Any], folder: Path
) -> list[dict[str, Any]]:
    with _started(files, command, keys, folder) as process:
        return process.tools()


def _started(
    files: Mapping[str, Path], command: Sequence[str], keys: Mapping[str, Any], folder: Path
) -> Process:
    config = folder / "catalogues.json"
    servers = {
        key: {"command": sys.executable, "args": [str(SERVER), str(path), key]} for key, path in files.items()
    }
    # Names keep their length, so that both products list the same ones.
    config.write_text(json.dumps({"servers": servers, "toolNameLimit": 0, **keys}), "utf-8")
    return Process([*command, "--config", str(config)], folder, capabilities=APPS)
