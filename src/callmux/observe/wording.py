"""What others wrote, as logs and pages may show it. Pure.

Called by `callmux.observe.audit_lines`, `callmux.observe.recent`, `callmux.observe.event_rows` and
`callmux.observe.event_query`.
"""

from __future__ import annotations

from callmux.config.veil import EVERYWHERE


def said(text: str, longest: int) -> str:
    """What a client or a server wrote, without secrets and no longer than is of use.

    Args:
        longest: Characters that are shown.
    """
    if not text:
        return text
    shown = EVERYWHERE.hide(text[: 2 * longest])[:longest]
    # Half a surrogate pair cannot be written.
    return shown if shown.isascii() else shown.encode("utf-8", "replace").decode()
