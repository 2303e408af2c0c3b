"""The answer to a question at the terminal, where Ctrl-C is none.

Called by `callmux.cli.wizard` and `callmux.cli.wizard_processes`.
"""

from __future__ import annotations

from typing import Any

HINT = "(space selects, Enter continues)"


def asked(question: Any) -> Any:
    """The answer to a question.

    Raises:
        KeyboardInterrupt: Ctrl-C; `questionary` would take it for an answer otherwise.
    """
    return question.unsafe_ask()
