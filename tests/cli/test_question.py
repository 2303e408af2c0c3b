"""The answer to a question at the terminal."""

from __future__ import annotations

import os
import signal
from contextlib import AbstractContextManager

import pytest
import questionary
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.input.posix_pipe import PosixPipeInput
from prompt_toolkit.output import DummyOutput

from callmux.cli.question import asked


def answer(keys: str) -> object:
    with create_pipe_input() as keyboard:
        keyboard.send_text(keys)
        with create_app_session(input=keyboard, output=DummyOutput()):
            return asked(questionary.confirm("Really?"))


def test_ctrl_c_before_a_question_is_shown_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the terminal is in raw mode it is a signal."""
    enter = PosixPipeInput.raw_mode

    def late(keyboard: PosixPipeInput) -> AbstractContextManager[None]:
        os.kill(os.getpid(), signal.SIGINT)
        return enter(keyboard)

    monkeypatch.setattr(PosixPipeInput, "raw_mode", late)
    with pytest.raises(KeyboardInterrupt):
        answer("y")


def test_ctrl_c_is_no_answer() -> None:
    assert answer("n") is False
    with pytest.raises(KeyboardInterrupt):
        answer("\x03")
