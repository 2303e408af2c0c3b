"""The person at this terminal decides whether calls may be made.

Called by `callmux.cli.approve`, and by `callmux.cli.conversing` when a call from a shell is asked something.
Everything is printed to stderr: the result of the call is for stdout.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

from callmux.shell.message import answer_to, refusal_of
from callmux.text import visible

FIELD = "decision"
KEYS = {"y": "once", "s": "session", "p": "project", "n": "deny"}
"""What is typed for each answer that may be offered."""
_LABELS = {
    "once": "y this time",
    "session": "s for this session",
    "project": "p for this project",
    "deny": "n refuse",
}


def reply_to(question: dict[str, Any]) -> bytes:
    """The answer to a request of the server's, as a message: what the person decides about an approval."""
    params = question.get("params")
    choices = _choices(params) if question.get("method") == "elicitation/create" else []
    if not isinstance(params, dict) or not choices:
        return refusal_of(question)
    # With another session than this command there is nothing to remember for.
    choices = [choice for choice in choices if choice != "session"]
    print("\n".join(map(visible, str(params.get("message", "")).splitlines())), file=sys.stderr)
    decision = decided(choices)
    answer: dict[str, Any] = {"action": "decline"}
    if decision not in (None, "deny"):
        answer = {"action": "accept", "content": {FIELD: decision}}
    return answer_to(question, "result", answer)


def _choices(params: object) -> list[str]:
    """The answers that an approval offers; none where it is another form."""
    schema = params.get("requestedSchema") if isinstance(params, dict) else None
    fields = schema.get("properties") if isinstance(schema, dict) else None
    field = fields.get(FIELD) if isinstance(fields, dict) and len(fields) == 1 else None
    offered = field.get("enum") if isinstance(field, dict) else None
    return [choice for choice in offered if choice in _LABELS] if isinstance(offered, list) else []


def decided(choices: list[str], later: str = "") -> str | None:
    """What the person at the terminal chooses; None where they end their input, or choose nothing.

    Args:
        later: What is said of choosing nothing; empty where that is no choice.
    """
    offered = ", ".join([*(_LABELS[choice] for choice in choices), *([later] if later else [])])
    forget_typed()
    while True:
        print(f"Allow? ({offered}) ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        typed = line.strip().lower()
        if not line or (later and not typed):
            if not line:
                print(file=sys.stderr)
            return None
        if (choice := KEYS.get(typed)) in choices:
            return choice


def forget_typed() -> None:
    """What was typed before a question was shown is no answer to it."""
    try:
        import termios
    except ImportError:
        return
    with suppress(termios.error, OSError, ValueError):
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
