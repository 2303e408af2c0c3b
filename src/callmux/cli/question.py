"""The answer to a question at the terminal, where Ctrl-C is none.

Called by the commands that ask: `callmux setup`, `callmux server add` and what offers a sign-in. Until the
terminal is in raw mode, Ctrl-C is a signal and no key, and the handler that `prompt_toolkit` would set for it
does nothing: it sets none here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from questionary import Question

HINT = "(space selects, Enter continues)"


def asked(question: Question) -> Any:
    """The answer to a question.

    Raises:
        KeyboardInterrupt: Ctrl-C; `questionary` would take it for an answer otherwise.
    """
    return question.application.run(handle_sigint=False)


async def asked_in_loop(question: Question) -> Any:
    """The same where a loop runs already."""
    return await question.application.run_async(handle_sigint=False)
