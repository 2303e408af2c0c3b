"""What keeps a running listener from being one with others, as its status says. Pure.

Called by `callmux.doctor.listener`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def company_problems(payload: Any) -> Iterator[str]:
    """What is wrong with what it shares and with the nodes that it knows.

    Args:
        payload: What `callmux_status` has answered.
    """
    listener = payload.get("listener") if isinstance(payload, dict) else None
    for part in ("state", "cluster"):
        facts = listener.get(part) if isinstance(listener, dict) else None
        problem = facts.get("problem") if isinstance(facts, dict) else None
        if isinstance(problem, str):
            yield f"what it shares with other listeners ({part}): {problem}"
