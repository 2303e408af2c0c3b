"""Where a call goes, and everything that is known of it before it comes: worked out once, then carried. Pure.

Made by `callmux.router.routing` at the first use of a name and kept by `callmux.router.names`; read by every
stage. Nothing in it depends on who calls or how the name was spelled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from callmux.guard.tiers import WRITE
from callmux.protocol.shapes import Tool
from callmux.rings.stage import NO_STAGES, Stages
from callmux.traits import Traits


class CachingVerdict(msgspec.Struct, frozen=True):
    """What the rules of caching say of one tool.

    Attributes:
        reads: Whether calling it changes nothing.
        shared: Whether equal calls at the same time may be one: it reads, and no `denyTools` names it.
        cached: Whether its results may be kept.
        aged: Whether it is told how old one is that was kept.
    """

    reads: bool
    shared: bool
    cached: bool
    aged: bool = False


if TYPE_CHECKING:
    from callmux.rings.coercion import Shaper
    from callmux.rings.shield.compact import Limits

WRITES = CachingVerdict(False, False, False)
ONLY_READS = CachingVerdict(True, False, False)
KEPT = CachingVerdict(True, False, True)
"""That of a read whose server says for how long it holds."""


_FORM = b'{"jsonrpc":"2.0","id":%%d,"method":"tools/call","params":{"name":%b,"arguments":%%b}}\n'
_FORM_WITH_META = _FORM.replace(b"%%b}}", b'%%b,"_meta":%%b}}')


class Route(msgspec.Struct, eq=False, kw_only=True):
    """One tool of one server, or one other method of it, or a meta-tool.

    Attributes:
        server: The server's key in the configuration; empty for a meta-tool.
        method: The MCP method, such as `tools/call`.
        bare: The tool's own name; empty for other methods.
        names: Every name that a pattern may mean the tool by.
        tool: What the catalogue knows of the tool; None for a server that has not listed yet.
        seconds: How long one attempt may take where the caller does not say.
        safe: Whether repeating a call does no harm: the tool says so, or the operator does.
        tier: What it may do: `read`, `write` or `destroy`.
        asks: Whether a person is asked before such a call is made.
        verdict: What the rules of caching say.
        shaper: Brings arguments into the shape that the tool declares; None where it could change nothing.
        limits: At which size its results are shortened; None for never.
        own: What the meta-tool is; None for all that servers have.
        form: The line of a plain call of the tool, with places for id and arguments.
        form_with_meta: The same with a place for `_meta`.
        stages: What stands around a call inside of a request.
        direct: What stands around a direct call, which is a request and a call at once.
    """

    server: str
    method: str = "tools/call"
    bare: str = ""
    names: tuple[str, ...] = ()
    tool: Tool | None = None
    seconds: float = 180.0
    safe: bool = False
    tier: str = WRITE
    asks: bool = False
    verdict: CachingVerdict = WRITES
    shaper: Shaper | None = None
    limits: Limits | None = None
    own: Traits | None = None
    form: bytes = b""
    form_with_meta: bytes = b""
    stages: Stages = NO_STAGES
    direct: Stages = NO_STAGES

    def __post_init__(self) -> None:
        if self.method == "tools/call" and self.own is None:
            name = msgspec.json.encode(self.bare).replace(b"%", b"%%")
            self.form, self.form_with_meta = _FORM % name, _FORM_WITH_META % name

    def seconds_for(self, timeout_ms: int | None) -> float:
        """How long one attempt may take: the caller's own limit goes first."""
        return self.seconds if timeout_ms is None else timeout_ms / 1000


Find: TypeAlias = Callable[[str, str | None], Route]
"""Gives the route of a tool's name, and of the server named beside it; raises `CallmuxError` for none."""
