"""Yes, no, or everything first."""

from __future__ import annotations

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from callmux.cli.last_question import SHOW, write_or_show


@pytest.mark.parametrize(
    ("key", "answer"), [("y", True), ("\r", True), ("n", False), ("s", SHOW), ("S", SHOW), ("xs", SHOW)]
)
def test_a_key_answers(key: str, answer: object) -> None:
    assert typed(key) == answer


@pytest.mark.parametrize(("keys", "answer"), [("\ry", True), ("\rn", False), ("\r\rs", SHOW)])
def test_the_enter_behind_an_s_writes_nothing(keys: str, answer: object) -> None:
    assert typed(keys, shown=True) == answer


def typed(keys: str, **more: bool) -> object:
    with create_pipe_input() as keyboard:
        keyboard.send_text(keys)
        keyboard.close()
        with create_app_session(input=keyboard, output=DummyOutput()):
            return write_or_show(**more).unsafe_ask()
