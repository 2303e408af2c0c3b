"""One request to one upstream, its target looked up: what the call ring carries. Pure.

Made by `callmux.router.door`; the stages of the call ring read it.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from callmux.context import Scope
from callmux.plan import Patience, ToolCall
from callmux.protocol.shapes import Tool
from callmux.rings.route import Route


class Call(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """A call.

    Attributes:
        route: Where it goes.
        target: The bare tool name, a prompt's name or a URI.
        key: The member of the params that the target stands in; None where it stands deeper or nowhere.
        asked: The call as the caller wrote it.
        arguments: What is sent: `asked.arguments`, unless a stage changed them.
        seconds: How long one attempt may take.
        deadline: When the first attempt must be over, by the loop's clock; waiting for a turn counts.
        bare: The request has no params at all.
        scope: The directory or credentials its connection must have; None for the one that all share.
        patience: Goes before `deadline` and `seconds` where other callers may come to share the call.
    """

    route: Route
    target: str
    key: str | None = "name"
    asked: ToolCall
    arguments: Raw | None = None
    seconds: float
    deadline: float
    bare: bool = False
    scope: Scope | None = None
    patience: Patience | None = None

    @property
    def server(self) -> str:
        """The server's key in the configuration."""
        return self.route.server

    @property
    def method(self) -> str:
        """The MCP method."""
        return self.route.method

    @property
    def tool(self) -> Tool | None:
        """What the catalogue knows of the tool."""
        return self.route.tool

    @property
    def safe(self) -> bool:
        """Repeating it does no harm."""
        return self.route.safe

    def with_arguments(self, arguments: Raw) -> Call:
        """The same call with other arguments."""
        return msgspec.structs.replace(self, arguments=arguments)
