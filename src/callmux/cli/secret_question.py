"""The questions where secrets of servers and of the configuration go. Called by `callmux.cli.wizard`."""

from __future__ import annotations

from collections.abc import Sequence

import questionary
from questionary import Choice

from callmux.cli.question import asked
from callmux.text import visible


def agrees(question: str) -> bool:
    """Whether the answer to a question is yes, which Return alone means."""
    return bool(asked(questionary.confirm(visible(question), default=True)))


def where_to_keep(names: Sequence[str], place: str) -> questionary.Question:
    """A question whose answer is `file`, `env` or `keyring`.

    Args:
        names: What the credentials are.
        place: Where secrets are kept by name, in words.
    """
    return questionary.select(
        f"Credentials were found ({', '.join(names)}). Where should they be kept?",
        choices=[
            Choice("In files that only you can read (0600)", "file"),
            Choice("In environment variables that you set yourself", "env"),
            Choice(f"By name, in {place}", "keyring"),
        ],
    )
