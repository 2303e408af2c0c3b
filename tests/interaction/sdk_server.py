"""A server made with the official SDK that has everything: run as `sdk_server.py stdio`, `http` or `sse`.

Over HTTP it prints its address. Its log messages and its answers say what it was told.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import warnings
from typing import Any

import mcp_types as types
from mcp.server.lowlevel.server import NotificationOptions, Server
from mcp.server.sse import SseServerTransport
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

warnings.simplefilter("ignore")

OBJECT: dict[str, Any] = {"type": "object"}
ICON = types.Icon(src="data:,", mime_type="image/png", sizes=["48x48"])
TEXT = types.SamplingMessage(role="user", content=types.TextContent(type="text", text="hello"))
FORM = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


class Everything:
    """What the server has, and what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.changed = False
        self.started = asyncio.Event()

    # ---- lists

    async def list_tools(self, ctx: Any, params: Any) -> types.ListToolsResult:
        names = [name.removeprefix("do_") for name in dir(self) if name.startswith("do_")]
        if self.changed:
            names.append("new")
        at = int(params.cursor) if params is not None and params.cursor else 0
        tools = [
            types.Tool(name=name, title=name.title(), input_schema=OBJECT, icons=[ICON])
            for name in names[at : at + 4]
        ]
        after = str(at + 4) if at + 4 < len(names) else None
        return types.ListToolsResult(tools=tools, next_cursor=after)

    async def list_prompts(self, ctx: Any, params: Any) -> types.ListPromptsResult:
        names = ["greet", "new"] if self.changed else ["greet"]
        argument = types.PromptArgument(name="who", required=True)
        return types.ListPromptsResult(
            prompts=[types.Prompt(name=name, arguments=[argument]) for name in names]
        )

    async def list_resources(self, ctx: Any, params: Any) -> types.ListResourcesResult:
        uris = ["note://1", "note://new"] if self.changed else ["note://1"]
        return types.ListResourcesResult(resources=[types.Resource(uri=uri, name=uri) for uri in uris])

    async def list_templates(self, ctx: Any, params: Any) -> types.ListResourceTemplatesResult:
        template = types.ResourceTemplate(uri_template="note://{id}", name="note")
        return types.ListResourceTemplatesResult(resource_templates=[template])

    # ---- requests

    async def get_prompt(self, ctx: Any, params: Any) -> types.GetPromptResult:
        content = types.TextContent(type="text", text=f"Hello {(params.arguments or {}).get('who')}")
        return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=content)])

    async def read(self, ctx: Any, params: Any) -> types.ReadResourceResult:
        uri = str(params.uri)
        if uri == "note://none":
            raise MCPError(-32002, "Resource not found", {"uri": uri})
        contents = types.TextResourceContents(uri=uri, text=f"text of {uri}")
        return types.ReadResourceResult(contents=[contents])

    async def subscribe(self, ctx: Any, params: Any) -> types.EmptyResult:
        self.told.append(f"subscribe {params.uri}")
        return types.EmptyResult()

    async def unsubscribe(self, ctx: Any, params: Any) -> types.EmptyResult:
        self.told.append(f"unsubscribe {params.uri}")
        return types.EmptyResult()

    async def complete(self, ctx: Any, params: Any) -> types.CompleteResult:
        of = getattr(params.ref, "name", None) or params.ref.uri
        context = params.context.arguments if params.context else None
        values = [f"{of} {params.argument.name}={params.argument.value} {context}"]
        return types.CompleteResult(completion=types.Completion(values=values, total=1, has_more=False))

    async def set_level(self, ctx: Any, params: Any) -> types.EmptyResult:
        self.told.append(f"level {params.level}")
        return types.EmptyResult()

    async def roots_changed(self, ctx: Any, params: Any) -> None:
        self.told.append("roots changed")

    async def progressed(self, ctx: Any, params: Any) -> None:
        self.told.append(f"progress {params.progress_token} {params.progress}")

    async def call(self, ctx: Any, params: Any) -> types.CallToolResult:
        if params.name == "new":
            return said("new")
        result: types.CallToolResult = await getattr(self, f"do_{params.name}")(ctx, params.arguments or {})
        return result

    # ---- tools

    async def do_echo(self, ctx: Any, given: Any) -> types.CallToolResult:
        return types.CallToolResult(
            content=[
                types.TextContent(type="text", text=str(given)),
                types.ResourceLink(type="resource_link", uri="note://1", name="note", icons=[ICON]),
            ],
            structured_content=given,
            _meta={"example/n": 1},
        )

    async def do_fail(self, ctx: Any, given: Any) -> types.CallToolResult:
        return types.CallToolResult(content=[types.TextContent(type="text", text="no")], is_error=True)

    async def do_authorize(self, ctx: Any, given: Any) -> types.CallToolResult:
        one = {"mode": "url", "elicitationId": "e1", "url": "https://x.example/", "message": "Go"}
        raise MCPError(-32042, "Authorize first", {"elicitations": [one]})

    async def do_sample(self, ctx: Any, given: Any) -> types.CallToolResult:
        tools = [types.Tool(name="t", input_schema=OBJECT)] if given.get("tools") else None
        result = await ctx.session.create_message(
            [TEXT], max_tokens=7, tools=tools, related_request_id=ctx.request_id
        )
        return said(f"{result.model}: {result.content}")

    async def do_elicit(self, ctx: Any, given: Any) -> types.CallToolResult:
        result = await ctx.session.elicit_form("Who?", FORM, ctx.request_id)
        return said(f"{result.action} {result.content}")

    async def do_elicit_url(self, ctx: Any, given: Any) -> types.CallToolResult:
        result = await ctx.session.elicit_url("Go", "https://x.example/", "e1", ctx.request_id)
        await ctx.session.send_elicit_complete("e1", ctx.request_id)
        return said(result.action)

    async def do_roots(self, ctx: Any, given: Any) -> types.CallToolResult:
        result = await ctx.session.list_roots()
        return said(" ".join(str(root.uri) for root in result.roots))

    async def do_ping(self, ctx: Any, given: Any) -> types.CallToolResult:
        await ctx.session.send_ping()
        return said("pong")

    async def do_progress(self, ctx: Any, given: Any) -> types.CallToolResult:
        for n in range(3):
            await ctx.session.report_progress(n, 3, f"step {n}")
        return said("done")

    async def do_log(self, ctx: Any, given: Any) -> types.CallToolResult:
        for level in ("debug", "warning", "error"):
            await ctx.session.send_log_message(level, {"at": level}, "own", related_request_id=ctx.request_id)
        return said("done")

    async def do_wait(self, ctx: Any, given: Any) -> types.CallToolResult:
        self.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.told.append("cancelled")
            raise
        raise AssertionError

    async def do_started(self, ctx: Any, given: Any) -> types.CallToolResult:
        await self.started.wait()
        return said("started")

    async def do_change(self, ctx: Any, given: Any) -> types.CallToolResult:
        self.changed = True
        await ctx.session.send_tool_list_changed()
        await ctx.session.send_prompt_list_changed()
        await ctx.session.send_resource_list_changed()
        return said("changed")

    async def do_update(self, ctx: Any, given: Any) -> types.CallToolResult:
        await ctx.session.send_resource_updated(given["uri"])
        return said("updated")

    async def do_told(self, ctx: Any, given: Any) -> types.CallToolResult:
        async with asyncio.timeout(60):
            while given["what"] not in self.told:
                await asyncio.sleep(0.005)
        return said("yes")

    async def do_capabilities(self, ctx: Any, given: Any) -> types.CallToolResult:
        return types.CallToolResult(
            content=[],
            structured_content=ctx.session.client_capabilities.model_dump(by_alias=True, exclude_none=True),
        )


def said(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)])


def make() -> Server[Any]:
    it = Everything()
    server: Server[Any] = Server(
        "everything",
        version="1",
        title="Everything",
        instructions="Has everything.",
        on_list_tools=it.list_tools,
        on_call_tool=it.call,
        on_list_resources=it.list_resources,
        on_list_resource_templates=it.list_templates,
        on_read_resource=it.read,
        on_subscribe_resource=it.subscribe,
        on_unsubscribe_resource=it.unsubscribe,
        on_list_prompts=it.list_prompts,
        on_get_prompt=it.get_prompt,
        on_completion=it.complete,
        on_set_logging_level=it.set_level,
        on_roots_list_changed=it.roots_changed,
        on_progress=it.progressed,
    )
    return server


def options(server: Server[Any]) -> Any:
    return server.create_initialization_options(NotificationOptions(True, True, True))


async def serve_stdio() -> None:
    server = make()
    async with stdio_server() as (read, write):
        await server.run(read, write, options(server))


def older(server: Server[Any]) -> Starlette:
    """The older transport."""
    transport = SseServerTransport("/messages/")

    async def stream(request: Request) -> Response:
        async with transport.connect_sse(request.scope, request.receive, request._send) as (read, write):
            await server.run(read, write, options(server))
        return Response()

    return Starlette(
        routes=[
            Route("/sse", stream, methods=["GET"]),
            Mount("/messages/", app=transport.handle_post_message),
        ]
    )


async def serve_http(app: Starlette, path: str) -> None:
    import uvicorn

    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listening.getsockname()[1]}{path}", flush=True)
    config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1)
    await uvicorn.Server(config).serve([listening])


def main() -> None:
    kind = sys.argv[1]
    if kind == "stdio":
        asyncio.run(serve_stdio())
    elif kind == "http":
        asyncio.run(serve_http(make().streamable_http_app(), "/mcp"))
    else:
        asyncio.run(serve_http(older(make()), "/sse"))


if __name__ == "__main__":
    main()
