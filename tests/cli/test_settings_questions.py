"""What is asked about what agents see, and when nothing is asked."""

from __future__ import annotations

import io

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from prompt_toolkit.output.vt100 import Vt100_Output

from callmux.cli.grammar.setup import COMMANDS
from callmux.cli.parsing import read
from callmux.cli.settings_questions import choose_settings, which_preset
from callmux.config.presets import PRESETS
from callmux.setup.choices import Choices

ENTER, DOWN = "\r", "\x1b[B"


def chosen(keys: str, *flags: str, is_new: bool = True) -> tuple[str | None, int | None, bool | None]:
    """What is chosen by these keys; one key too few is an EOFError, one too many is left."""
    choices = Choices()
    with create_pipe_input() as keyboard:
        keyboard.send_text(keys)
        keyboard.close()
        with create_app_session(input=keyboard, output=DummyOutput()):
            choose_settings(choices, read(COMMANDS[0], list(flags)), is_new=is_new)
    return choices.preset, choices.cache_seconds, choices.meta_only


def test_the_preset_is_the_first_answer_and_the_only_question_then() -> None:
    assert chosen(ENTER) == ("lean", None, None)


def test_who_points_at_the_preset_reads_for_how_long_answers_are_kept() -> None:
    shown = io.StringIO()
    with create_pipe_input() as keyboard:
        keyboard.send_text(ENTER)
        output = Vt100_Output(shown, lambda: Size(rows=24, columns=80))
        with create_app_session(input=keyboard, output=output):
            assert which_preset().unsafe_ask() == "lean"
    assert "answers of read-only tools may be a minute old" in shown.getvalue()
    assert PRESETS["lean"]["cacheTtlSeconds"] == 60


def test_without_it_cache_and_listing_are_asked_about() -> None:
    assert chosen(DOWN + ENTER + ENTER + "n") == ("none", 0, None)
    assert chosen(DOWN + ENTER + DOWN + ENTER + "y") == ("none", 60, True)


@pytest.mark.parametrize(
    ("flags", "keys", "found"),
    [
        (("--preset", "lean"), "", ("lean", None, None)),
        (("--preset", "lean", "--cache", "5"), "", ("lean", 5, None)),
        (("--preset", "none"), ENTER + "n", ("none", 0, None)),
        (("--cache", "5"), "y", (None, 5, True)),
        (("--meta-only",), ENTER, (None, 0, True)),
        (("--cache", "5", "--meta-only"), "", (None, 5, True)),
    ],
)
def test_what_flags_say_is_not_asked(
    flags: tuple[str, ...], keys: str, found: tuple[str | None, int | None, bool | None]
) -> None:
    assert chosen(keys, *flags) == found


def test_a_configuration_that_is_there_keeps_its_settings_unless_a_flag_says_otherwise() -> None:
    assert chosen("", is_new=False) == (None, None, None)
    assert chosen("", "--preset", "lean", is_new=False) == ("lean", None, None)
