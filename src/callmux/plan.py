"""What a request will do: the calls in it, parsed once and read by everybody after. Pure.

Made by the router (direct calls) and by the parsers of `callmux.metatools`; read by permission, time
budgets, logging and execution, none of which looks at raw JSON again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw

from callmux.protocol.calling import DirectCall


class ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """One tool call as the caller wrote it, its name not yet looked up.

    Attributes:
        spelling: The tool's name as the caller wrote it.
        server: The server the caller named beside it.
        arguments: The JSON object to send, or None for none.
        timeout_ms: The caller's own limit.
        cwd: An absolute directory.
        force_reconnect: Whether to connect to a server that is down at once, whatever its backoff says.
        opaque: Keys of `arguments` whose values are data of a server: never scanned for references.
        meta: The `_meta` of a direct request's params, passed on.
        extra: Its other members, which we do not know, passed on.
    """

    spelling: str
    server: str | None = None
    arguments: Raw | None = None
    timeout_ms: int | None = None
    cwd: str | None = None
    force_reconnect: bool = False
    opaque: frozenset[str] = frozenset()
    meta: Raw | None = None
    extra: Mapping[str, Raw] = {}

    def echo(self) -> dict[str, Any]:
        """The call as `callmux_parallel` shows it beside its result."""
        shown: dict[str, Any] = {"tool": self.spelling}
        if self.server is not None:
            shown["server"] = self.server
        if self.arguments is not None:
            shown["arguments"] = self.arguments
        if self.timeout_ms is not None:
            shown["timeoutMs"] = self.timeout_ms
        if self.cwd is not None:
            shown["cwd"] = self.cwd
        return shown


Asked: TypeAlias = ToolCall | DirectCall
"""A tool call as the caller wrote it."""


def whole(asked: Asked) -> ToolCall:
    """The call with all members of a `ToolCall`."""
    if isinstance(asked, ToolCall):
        return asked
    return ToolCall(spelling=asked.spelling, arguments=asked.arguments, meta=asked.meta)


class Made(msgspec.Struct):
    """The calls that a request has made, by their size.

    Attributes:
        asked: Bytes of the request's arguments.
        sizes: Bytes of the arguments and of the result of each call, together.
        in_turns: Whether each call needed what came before it.
    """

    asked: int
    sizes: list[int] = []
    in_turns: bool = False


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed request.

    Attributes:
        name: The meta-tool's name, or the spelling of a direct call.
        calls: The tool calls it will make, in order; empty where it calls nothing.
        output_format: The `outputFormat` argument, if given.
        options: Everything else the meta-tool's own `run` needs, typed by that meta-tool.
        warnings: What was repaired on the way, each `{code, message, recommendation}`.
        made: Takes note of the calls that it makes; None where nobody asks.
        via: The meta-tool through which this one was asked for; empty where it was called itself.
    """

    name: str
    calls: Sequence[ToolCall] = ()
    output_format: str | None = None
    options: Any = None
    warnings: Sequence[Mapping[str, str]] = ()
    made: Made | None = None
    via: str = ""
