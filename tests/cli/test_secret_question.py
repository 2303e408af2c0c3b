"""The question where credentials go names each place."""

from __future__ import annotations

from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from callmux.cli.secret_question import where_to_keep


def test_each_place_can_be_chosen() -> None:
    answers = []
    for keys in ("\r", "\x1b[B\r", "\x1b[B\x1b[B\r"):
        with create_pipe_input() as typed, create_app_session(input=typed, output=DummyOutput()):
            typed.send_text(keys)
            answers.append(where_to_keep(["gh: TOKEN"], "the system's keyring").unsafe_ask())
    assert answers == ["file", "env", "keyring"]
