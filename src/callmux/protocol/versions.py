"""The MCP revisions we speak and how one is agreed on. Pure.

Called by both peers and `callmux.upstream.lanes`. "Legacy" means every revision with an `initialize`
handshake. Lifecycle rules: MCP 2025-11-25, basic/lifecycle, "Version Negotiation".
"""

from __future__ import annotations

from enum import Enum


class Era(Enum):
    """How a conversation agrees on its revision. A connection has one era, whatever its clients speak."""

    __hash__ = object.__hash__  # looked up for every message; Enum's own hash runs in Python

    LEGACY = "it begins with initialize"
    MODERN = "each request names its revision"


LATEST_LEGACY = "2025-11-25"
LEGACY = (LATEST_LEGACY, "2025-06-18", "2025-03-26", "2024-11-05", "2024-10-07")
"""Newest first. 2024-10-07 was never released; old clients ask for it, and callmux (npm) accepts it."""

MODERN = ("2026-07-28",)
"""Newest first. Each request names its own (MCP 2026-07-28, basic/versioning)."""
SUPPORTED = MODERN + LEGACY[:-1]
"""What we say that we speak: all that was released."""

HEADER_MISMATCH = -32020
"""A header does not say what the body says (MCP 2026-07-28, basic, "Error Codes")."""
MISSING_CAPABILITY = -32021
"""The client did not declare what the request needs of it."""
UNSUPPORTED_VERSION = -32022
"""The request names a revision that is not spoken here."""
MODERN_CODES = frozenset({HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION})
"""Who answers with one of these speaks a revision without a handshake."""

BATCHES = frozenset({"2025-03-26"})
"""The revisions in which several messages may come in one array."""


def agree(requested: object) -> str:
    """The revision to answer a client's `initialize` with: the requested one, else our newest."""
    return requested if isinstance(requested, str) and requested in LEGACY else LATEST_LEGACY


def era_of(revision: object) -> Era | None:
    """The era of a revision that we speak; None for any other."""
    if revision in MODERN:
        return Era.MODERN
    return Era.LEGACY if revision in LEGACY else None


def is_supported(offered: object) -> bool:
    """Whether we can go on with the revision a server answered with."""
    return isinstance(offered, str) and offered in LEGACY
