"""The questions of `callmux setup` about what agents see and what is kept. Called by `callmux.cli.wizard`."""

from __future__ import annotations

import questionary
from questionary import Choice

from callmux.cli.parsing import Given
from callmux.cli.question import asked
from callmux.setup.choices import Choices

CACHE_SECONDS = 60
ABOUT_LEAN = "answers of read-only tools may be a minute old, and say so (cacheTtlSeconds)"
"""Shown where the preset is pointed at."""


def choose_settings(choices: Choices, given: Given, *, is_new: bool) -> None:
    """Takes what the flags say into `choices`, and asks about the rest where there is no configuration yet.

    Raises:
        KeyboardInterrupt: Ctrl-C.
    """
    choices.preset = given.text("--preset")
    choices.cache_seconds = given.number("--cache")
    choices.meta_only = True if given.on("--meta-only") else None
    if not is_new:
        return
    if choices.preset is None and choices.cache_seconds is None and choices.meta_only is None:
        choices.preset = asked(which_preset())
    if choices.preset == "lean":
        return
    if choices.cache_seconds is None:
        choices.cache_seconds = int(asked(how_long_to_keep()))
    if choices.meta_only is None:
        question = "List only the callmux_* tools? (agents search for the others first)"
        choices.meta_only = bool(asked(questionary.confirm(question, default=False))) or None


def which_preset() -> questionary.Question:
    """A question whose answer is `lean` or `none`."""
    return questionary.select(
        "What do agents see?",
        choices=[
            Choice("callmux's own tools, short answers (lean, recommended)", "lean", description=ABOUT_LEAN),
            Choice("The servers' tools, too", "none"),
        ],
    )


def how_long_to_keep() -> questionary.Question:
    """A question whose answer is a number of seconds."""
    return questionary.select(
        "Results of read-only tools are not kept, unless you say so.",
        choices=[
            Choice("Do not keep them", 0),
            Choice(f"Keep them for {CACHE_SECONDS} seconds", CACHE_SECONDS),
        ],
    )
