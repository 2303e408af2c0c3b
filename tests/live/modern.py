"""A client without a handshake at a listener: it says of itself in each request what others say once.

Used by tests of listeners; `test_listener.post` sends what this makes.
"""

from __future__ import annotations

from typing import Any

from .harness import Json
from .test_listener import post, request

REVISION = "2026-07-28"
_NAMED = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "tasks/get": "taskId",
    "tasks/update": "taskId",
    "tasks/cancel": "taskId",
}
"""The member of the params that the headers repeat."""


def meta(**capabilities: Any) -> Json:
    """What stands in the `_meta` of each request of a client that declares these."""
    return {
        "io.modelcontextprotocol/protocolVersion": REVISION,
        "io.modelcontextprotocol/clientCapabilities": capabilities,
    }


META = meta()
"""Of a client that declares nothing."""


def heads(method: str, params: Json) -> dict[str, str]:
    """The headers of a request, beside those of every POST."""
    head = {"MCP-Protocol-Version": REVISION, "Mcp-Method": method}
    if (named := params.get(_NAMED.get(method, ""))) is not None:
        head["Mcp-Name"] = named
    return head


def asked(port: int, method: str, params: Json, id: int = 1, /, **headers: str) -> tuple[int, Any]:
    """The HTTP status and the answer to a request.

    Args:
        params: With the client's own `_meta` where it is not `META`.
        headers: More of them, or others.
    """
    given = {"_meta": META, **params}
    status, answer, session = post(port, request(id, method, given), **{**heads(method, params), **headers})
    assert session is None
    return status, answer
