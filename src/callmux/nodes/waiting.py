"""Which process has the request that a client of 2026-07-28 goes on with: its `requestState` says so.

Called by `callmux.nodes.placing`. Whether the client may go on with it, that process decides
(`callmux.session.modern.parking`).
"""

from __future__ import annotations

import msgspec

from callmux.nodes.membership import Membership
from callmux.nodes.register import NodeFacts
from callmux.session.modern.parking import PROCESS_CHARS

_NAME = b"requestState"


class _Params(msgspec.Struct):
    state: str = msgspec.field(default="", name="requestState")


class _Going(msgspec.Struct):
    params: _Params = msgspec.field(default_factory=_Params)


_DECODER = msgspec.json.Decoder(_Going)


def process_of(body: bytes) -> str:
    """The process that has what a request goes on with; empty where it begins something.

    Args:
        body: The request.
    """
    if _NAME not in body:
        return ""
    try:
        return _DECODER.decode(body).params.state[:PROCESS_CHARS]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""


def waiting_at(body: bytes, membership: Membership) -> NodeFacts | None:
    """The other node that has what a request goes on with; None where this one has, or nobody.

    Args:
        body: The request.
        membership: The nodes.
    """
    process = process_of(body)
    if not process or process == membership.facts.process:
        return None
    return next((node for node in membership.nodes.values() if node.process == process), None)
