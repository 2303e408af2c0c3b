"""The question before setup writes: yes, no, or show every change first. Called by `callmux.cli.wizard`."""

from __future__ import annotations

from typing import Any

import questionary
from prompt_toolkit.key_binding import KeyBindings, merge_key_bindings

SHOW = "show"
"""The answer of somebody who wants to see every change first."""


def write_or_show(*, shown: bool = False) -> Any:
    """A question whose answer is True, False or `SHOW`.

    Args:
        shown: Whether every change was just shown, because somebody pressed `s`. Many press enter behind
            that, and must not have written anything with it: then only `y` says yes.
    """
    hint = "(y/n, s shows every change again) " if shown else "(Y/n, s shows every change) "
    question = questionary.confirm("Write this?", instruction=hint)
    bindings = KeyBindings()

    if shown:

        @bindings.add("enter", eager=True)
        def wait(event: Any) -> None:
            """Nothing: it may be the one behind `s`."""

    @bindings.add("s")
    @bindings.add("S")
    def show(event: Any) -> None:
        event.app.exit(result=SHOW)

    own = question.application.key_bindings
    question.application.key_bindings = merge_key_bindings([bindings] if own is None else [own, bindings])
    return question
