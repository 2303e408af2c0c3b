"""What a client's `tools/call` asks for, as far as the bridge must know.

Called by `callmux.bridge.relay`: what a meta-tool will call says how long it may take and whether it may be
repeated.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux.errors import CallmuxError
from callmux.metatools.table import NAMES
from callmux.plan import Plan


class BridgedCall(msgspec.Struct):
    """The params of a `tools/call`."""

    name: str = ""
    arguments: Raw | UnsetType = UNSET


_TOOL_CALL = msgspec.json.Decoder(BridgedCall)


def read(params: Raw | None) -> BridgedCall:
    """The call; one without a name where the params are for the listener to refuse."""
    try:
        return _TOOL_CALL.decode(params if params is not None else b"{}")
    except msgspec.MsgspecError:
        return BridgedCall()


def plan_of(call: BridgedCall) -> Plan | None:
    """What a meta-tool will call; None where it is none, or its arguments are for the listener to refuse."""
    if call.name not in NAMES:
        return None
    # Not before: a bridge whose client calls no meta-tool reads none.
    from callmux.metatools.meta_tool import META_TOOLS

    try:
        return META_TOOLS[call.name].read(None if call.arguments is UNSET else call.arguments)
    except CallmuxError:
        return None
