"""The same server as `server.py`, written with the official SDK, over HTTP and for every revision.

    python -m tests.conformance.modern_server PORT

It stands behind callmux, or alone in its place: what the suite finds then is what callmux is held to. Its
tools are those of `server.py`. Where a client has no handshake, each is run anew for each round of a
call, with what the client has said so far, which travels in `requestState`; the SDK seals that.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import mcp_types as types
import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.subscriptions import PromptsListChanged, ToolsListChanged

from tests.conformance import server as plain
from tests.conformance.server import PROMPTS, TOOLS, Call, Json

MODERN = "2026-07-28"
QUESTIONS: dict[str, tuple[Any, Any]] = {
    "elicitation/create": (types.ElicitRequest, types.ElicitResult),
    "sampling/createMessage": (types.CreateMessageRequest, types.CreateMessageResult),
    "roots/list": (types.ListRootsRequest, types.ListRootsResult),
}


class Unanswered(Exception):
    """A tool needs what the client has not said yet."""


class Round(plain.Server):
    """One round of one call: what a tool of `server.py` takes for its server."""

    def __init__(self, everything: Everything, context: Any, answers: Json, declared: Json) -> None:
        super().__init__()
        self.changed = everything.changed
        self.declared = declared
        self._everything = everything
        self._context = context
        self.answers = answers
        self.questions: dict[str, Json] = {}

    def send(self, message: Json) -> None:
        anyio.from_thread.run(self._everything.tell, self._context, message)

    def put(self, method: str, params: Json, name: str | None) -> Any:
        key = name or f"question{len(self.questions)}"
        if self._context.protocol_version != MODERN:
            self.answers[key] = anyio.from_thread.run(self._everything.ask, self._context, method, params)
        if key not in self.answers:
            self.questions[key] = {"method": method, "params": params}
        return key

    def heard(self, waiting: Any) -> Json:
        if waiting not in self.answers:
            raise Unanswered
        found: Json = self.answers[waiting]
        return found


class Everything:
    """The server."""

    def __init__(self) -> None:
        self.changed = {"tools": 0, "prompts": 0}
        self._bus = InMemorySubscriptionBus()
        self._lists = plain.Server()
        self._lists.changed = self.changed
        schemas = {name: schema for name, (schema, _) in TOOLS.items()}
        self.server: Server[Any] = Server(
            "conformance",
            version="1.0.0",
            get_tool_input_schema=schemas.get,
            on_list_tools=self._listing("tools", self._lists.tools, types.ListToolsResult),
            on_call_tool=self._call,
            on_list_prompts=self._listing("prompts", self._lists.prompts, types.ListPromptsResult),
            on_get_prompt=self._prompt,
            on_list_resources=self._listing("resources", self._lists.resources, types.ListResourcesResult),
            on_list_resource_templates=self._listing(
                "resourceTemplates", self._lists.templates, types.ListResourceTemplatesResult
            ),
            on_read_resource=self._read,
            on_subscribe_resource=self._nothing,
            on_unsubscribe_resource=self._nothing,
            on_completion=self._complete,
            on_set_logging_level=self._nothing,
            on_subscriptions_listen=ListenHandler(self._bus),
        )
        self.server.middleware.append(
            RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience="conformance")
        )

    def _listing(self, name: str, listed: Callable[[], Any], kind: Any) -> Any:
        async def give(context: Any, params: Any) -> Any:
            return kind.model_validate({name: listed()})

        return give

    async def _nothing(self, context: Any, params: Any) -> types.EmptyResult:
        return types.EmptyResult()

    async def _complete(self, context: Any, params: Any) -> types.CompleteResult:
        return types.CompleteResult.model_validate(self._lists.methods["completion/complete"]({}))

    async def _read(self, context: Any, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        try:
            return types.ReadResourceResult.model_validate(plain.read(str(params.uri)))
        except plain.Refused as refused:
            raise MCPError(code=-32602, message=str(refused), data=refused.data) from None

    async def _call(self, context: Any, params: types.CallToolRequestParams) -> Any:
        if params.name not in TOOLS:
            raise MCPError(code=-32602, message=f"Unknown tool: {params.name}")

        def work(round: Round) -> Any:
            try:
                meta = {"progressToken": (context.meta or {}).get("progress_token")}
                call = Call(round, {"arguments": params.arguments, "_meta": meta})
                return {"content": TOOLS[params.name][1](call)}
            except RuntimeError as error:
                return {"content": plain.text(str(error)), "isError": True}

        return await self._rounds(context, params, work, types.CallToolResult)

    async def _prompt(self, context: Any, params: types.GetPromptRequestParams) -> Any:
        if params.name not in PROMPTS:
            raise MCPError(code=-32602, message=f"Unknown prompt: {params.name}")

        def work(round: Round) -> Any:
            return round.prompt({"name": params.name, "arguments": params.arguments})

        return await self._rounds(context, params, work, types.GetPromptResult)

    async def _rounds(self, context: Any, params: Any, work: Callable[[Round], Any], kind: Any) -> Any:
        """The result, or what has to be known first."""
        answers: Json = json.loads(params.request_state) if params.request_state else {}
        for key, answer in (params.input_responses or {}).items():
            answers[key] = answer.model_dump(by_alias=True, mode="json", exclude_none=True)
        capabilities = context.session.client_capabilities
        declared = capabilities.model_dump(exclude_none=True) if capabilities is not None else {}
        round = Round(self, context, answers, declared)
        try:
            return kind.model_validate(await anyio.to_thread.run_sync(work, round))
        except Unanswered:
            pass
        lacking = {_capability(q["method"]) for q in round.questions.values()} - declared.keys()
        if lacking:
            needs: Json = {name: {} for name in lacking}
            raise MCPError(code=-32021, message="the client lacks it", data={"requiredCapabilities": needs})
        asked = {key: QUESTIONS[q["method"]][0].model_validate(q) for key, q in round.questions.items()}
        return types.InputRequiredResult(input_requests=asked, request_state=json.dumps(answers))

    async def ask(self, context: Any, method: str, params: Json) -> Json:
        """Asks a client that has a handshake."""
        question, answer = QUESTIONS[method]
        asked = question.model_validate({"method": method, "params": params})
        about = ServerMessageMetadata(related_request_id=context.request_id)
        given = await context.session.send_request(asked, answer, metadata=about)
        found: Json = given.model_dump(by_alias=True, mode="json", exclude_none=True)
        return found

    async def tell(self, context: Any, message: Mapping[str, Any]) -> None:
        """Says something to the client of a call, or to all who listen."""
        method, params = message["method"], message.get("params", {})
        if method == "notifications/tools/list_changed":
            await self._bus.publish(ToolsListChanged())
        elif method == "notifications/prompts/list_changed":
            await self._bus.publish(PromptsListChanged())
        elif method == "notifications/progress":
            token, done, total = params["progressToken"], params["progress"], params["total"]
            id = str(context.request_id)
            await context.session.send_progress_notification(token, done, total, related_request_id=id)
        else:
            level, data = params["level"], params["data"]
            await context.session.send_log_message(level, data, params["logger"], context.request_id)


def _capability(method: str) -> str:
    return {"roots/list": "roots", "sampling/createMessage": "sampling"}.get(method, "elicitation")


def main(port: int) -> None:
    app = Everything().server.streamable_http_app()
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main(int(sys.argv[1]))
