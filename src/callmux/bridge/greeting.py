"""What the bridge says of itself in the answer to `initialize`: what its listener says, once that has. Pure.

Called by `callmux.bridge.relay`. Clients never ask again, so a listener that is starting is waited for; only
where none answers does the bridge declare all that one may turn out to have.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from callmux import __version__
from callmux.protocol.params import members
from callmux.protocol.sse import REQUEST_STREAMS

IDENTITY = {"name": "callmux-bridge", "version": __version__}
CAPABILITIES = {
    "tools": {"listChanged": True},
    "resources": {"subscribe": True, "listChanged": True},
    "prompts": {"listChanged": True},
    "completions": {},
    "logging": {},
    "extensions": {"io.modelcontextprotocol/skills": {"directoryRead": True}},
}
_ENCODER = msgspec.json.Encoder()
_NULL = b"null"


def for_nobody(version: str) -> bytes:
    """The answer while no listener is there.

    Args:
        version: The MCP revision.
    """
    return _ENCODER.encode({"protocolVersion": version, "capabilities": CAPABILITIES, "serverInfo": IDENTITY})


def declared(answer: bytes) -> frozenset[str]:
    """The names of the capabilities that the listener declares."""
    given = members(members(answer).get("capabilities"))
    return frozenset(name for name, raw in given.items() if bytes(raw) != _NULL)


def of_listener(answer: bytes) -> bytes:
    """The listener's own answer, less what is between it and the bridge."""
    given = {name: raw for name, raw in members(answer).items() if bytes(raw) != _NULL}
    declared = {name: raw for name, raw in members(given.get("capabilities")).items() if bytes(raw) != _NULL}
    if REQUEST_STREAMS in (experimental := members(declared.get("experimental"))):
        del experimental[REQUEST_STREAMS]
        if experimental:
            declared["experimental"] = Raw(_ENCODER.encode(experimental))
        else:
            del declared["experimental"]
    given["capabilities"] = Raw(_ENCODER.encode(declared))
    return _ENCODER.encode(given)
