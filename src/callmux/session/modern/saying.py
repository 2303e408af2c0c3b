"""What requests without a handshake say of their clients, and what these are told of callmux.

Called by `callmux.session.modern.serving`. Clients say the same with each request, so what was read is kept
for a while.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec
from msgspec import Raw

from callmux.protocol.jsonrpc import INVALID_PARAMS, RpcError
from callmux.protocol.methods import declared
from callmux.protocol.params import LEVELS
from callmux.protocol.versions import SUPPORTED
from callmux.router.greeting import Portrait
from callmux.session.facts import canonical


def declared_by(capabilities: bytes) -> bytes:
    """What a client declares, in one spelling.

    Raises:
        RpcError: It cannot be read.
    """
    declared = in_one_spelling(capabilities)
    if declared is not None:
        return declared
    try:
        return _canonical(capabilities)
    except (ValueError, msgspec.MsgspecError) as error:
        raise RpcError(INVALID_PARAMS, f"clientCapabilities: {error}") from None


@lru_cache(maxsize=256)
def in_one_spelling(capabilities: bytes) -> bytes | None:
    """The same; None where it cannot be read."""
    try:
        return _canonical(capabilities)
    except (ValueError, msgspec.MsgspecError):
        return None


def _canonical(capabilities: bytes) -> bytes:
    return canonical(msgspec.json.decode(capabilities, type=dict[str, Raw]))


def is_lower(level: str, than: str | None) -> bool:
    """Whether a log level lets more through than another one; None lets nothing through."""
    return than is None or LEVELS.index(level) < LEVELS.index(than)


def has(portrait: Portrait, needed: str) -> bool:
    """Whether callmux declares a capability."""
    told = portrait.capabilities
    return needed in told or needed in declared(msgspec.json.encode(told))


def discovery(portrait: Portrait) -> bytes:
    """The result of `server/discover`."""
    told: dict[str, object] = {"supportedVersions": list(SUPPORTED), "capabilities": portrait.capabilities}
    if portrait.instructions:
        told["instructions"] = portrait.instructions
    return msgspec.json.encode(told)
