"""How a client can ask its person, as it declares it. Pure.

The rules are those of MCP 2025-11-25, client/elicitation, "Capabilities". Called by `callmux.session.reach`
and `callmux.protocol.modern` for forms, and by `callmux.rings.inviting` and `callmux.rings.visiting` for
addresses.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux.protocol.params import members

FORM = "form"
URL = "url"


class _Capabilities(msgspec.Struct):
    elicitation: Raw | UnsetType = UNSET


_CAPABILITIES = msgspec.json.Decoder(_Capabilities)


def modes(capabilities: bytes) -> frozenset[str]:
    """The ways, `FORM` and `URL`; one that names neither of them shows forms."""
    try:
        declared = _CAPABILITIES.decode(capabilities).elicitation
    except msgspec.MsgspecError:
        return frozenset()
    if declared is UNSET or bytes(declared)[:1] != b"{":
        return frozenset()
    return frozenset(members(declared).keys() & {FORM, URL}) or frozenset({FORM})
