"""What the dialogue of `callmux setup` asks about processes: which servers need one for each directory, and
which may be stopped. Loads `questionary`.

Called by `callmux.cli.wizard`. What is asked about, and what Enter takes, is decided by
`callmux.setup.processes`.
"""

from __future__ import annotations

from collections.abc import Mapping

import questionary
from questionary import Choice

from callmux.cli.question import HINT, asked
from callmux.setup.choices import Choices, decide
from callmux.setup.probing import ProbeAnswer
from callmux.setup.processes import IDLE_STOP_SECONDS, CwdChoice, can_be_stopped
from callmux.text import visible

SAID = "you said so"


def ask_processes(choices: Choices, answers: Mapping[str, ProbeAnswer]) -> None:
    """Decides, and asks where somebody knows better; changes `choices`.

    Args:
        answers: What the servers said, by their keys.
    """
    decide(choices, answers)
    guessed = {key: found for key, found in choices.decisions.items() if found.guessed}
    if guessed:
        picked = asked(
            questionary.checkbox(
                "Which of these answer the same in every directory? They get one process for all.",
                choices=[
                    Choice(visible(_shown(key, found)), key, checked=found.mode == "global")
                    for key, found in guessed.items()
                ],
                instruction=HINT,
            )
        )
        for key in guessed:
            choices.decisions[key] = CwdChoice("global" if key in picked else "session", SAID)
    if choices.idle_stop is None and (names := stoppable(choices)):
        question = (
            f"{', '.join(names)} {'keeps' if len(names) == 1 else 'keep'} nothing between calls."
            f" Start only when used, and stop after {IDLE_STOP_SECONDS // 60} minutes without use?"
        )
        if asked(questionary.confirm(visible(question), default=False)):
            choices.idle_stop = IDLE_STOP_SECONDS


def stoppable(choices: Choices) -> list[str]:
    """The chosen servers that are known to keep nothing between calls."""
    chosen = [(item.name, item.entry) for item in choices.moved]
    chosen += [(item.name, item.entry) for item in choices.added]
    return list(dict.fromkeys(name for name, entry in chosen if can_be_stopped(entry)))


def _shown(key: str, found: CwdChoice) -> str:
    return f"{key.rpartition(chr(10))[2].removeprefix('+')}  ({found.reason})"
