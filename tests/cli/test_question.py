"""The answer to a question at the terminal."""

from __future__ import annotations

import pytest
import questionary
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from callmux.cli.question import asked


def answer(keys: str) -> object:
    with create_pipe_input() as keyboard:
        keyboard.send_text(keys)
        with create_app_session(input=keyboard, output=DummyOutput()):
            return asked(questionary.confirm("Really?"))


def test_ctrl_c_is_no_answer() -> None:
    assert answer("n") is False
    with pytest.raises(KeyboardInterrupt):
        answer("\x03")
