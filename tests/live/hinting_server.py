"""An MCP server of 2026-07-28, made with the official SDK, that says for how long its results hold.

    python hinting_server.py LOG TTL SCOPE

Its resource `x:/n` tells how often it was read; LOG has a line for each list and each read.
"""

from __future__ import annotations

import asyncio
import sys
import warnings
from pathlib import Path
from typing import Any, cast

import mcp_types as types
from mcp.server.caching import CacheHint
from mcp.server.lowlevel.server import Server
from mcp.server.stdio import stdio_server

warnings.simplefilter("ignore")


class Hinting:
    def __init__(self, log: Path) -> None:
        self._log = log
        self._reads = 0

    def note(self, what: str) -> None:
        with self._log.open("a") as log:
            log.write(f"{what}\n")

    async def list_tools(self, context: Any, params: Any) -> types.ListToolsResult:
        self.note("tools")
        return types.ListToolsResult(tools=[types.Tool(name="t", input_schema={"type": "object"})])

    async def list_resources(self, context: Any, params: Any) -> types.ListResourcesResult:
        self.note("resources")
        return types.ListResourcesResult(resources=[types.Resource(uri="x:/n", name="n")])

    async def read(self, context: Any, params: Any) -> types.ReadResourceResult:
        self._reads += 1
        self.note("read")
        content = types.TextResourceContents(uri="x:/n", text=str(self._reads))
        return types.ReadResourceResult(contents=[content])


async def main() -> None:
    log, ttl, scope = sys.argv[1:]
    made = Hinting(Path(log))
    hint = CacheHint(int(ttl), cast(Any, scope))
    server: Any = Server(
        "hinting",
        on_list_tools=made.list_tools,
        on_list_resources=made.list_resources,
        on_read_resource=made.read,
        cache_hints={"tools/list": hint, "resources/list": hint, "resources/read": hint},
    )
    async with stdio_server() as (reader, writer):
        await server.run(reader, writer, server.create_initialization_options())


if __name__ == "__main__":
    asyncio.run(main())
