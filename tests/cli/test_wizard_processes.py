"""What the dialogue asks about processes, with keys for answers."""

from __future__ import annotations

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from callmux.cli.wizard_processes import SAID, ask_processes
from callmux.clients.dependence import Compared
from callmux.clients.entry import Entry
from callmux.setup.choices import Choices
from callmux.setup.plan import NewServer
from callmux.setup.probing import ProbeAnswer

ENTER, SPACE, DOWN = "\r", " ", "\x1b[B"
TIME = NewServer("time", Entry(command="uvx", args=("mcp-server-time",)))
GIT = NewServer("git", Entry(command="uvx", args=("mcp-server-git",)))
ODD = NewServer("odd", Entry(command="odd"))
EVEN = NewServer("even", Entry(command="even"))


def answered(
    *keys: str, added: list[NewServer], idle_stop: int | None = None, **compared: Compared
) -> Choices:
    choices = Choices(added=added, idle_stop=idle_stop)
    answers = {f"+{name}": ProbeAnswer(("t",), compared=found) for name, found in compared.items()}
    with create_pipe_input() as keyboard:
        keyboard.send_text("".join(keys))
        # A question too many is an EOFError then, and no wait.
        keyboard.close()
        with create_app_session(input=keyboard, output=DummyOutput()):
            ask_processes(choices, answers)
    return choices


def modes(choices: Choices) -> dict[str, str | None]:
    return {key.removeprefix("+"): found.mode for key, found in choices.decisions.items()}


def test_nothing_is_asked_where_everything_is_known() -> None:
    choices = answered(added=[GIT, TIME], idle_stop=60)
    assert modes(choices) == {"git": "session", "time": "global"}
    assert answered(added=[ODD], odd=Compared(changes="its tools change")).decisions["+odd"].mode == "session"


def test_enter_takes_what_seems_right_and_the_answer_stays() -> None:
    choices = answered(ENTER, added=[ODD, EVEN], odd=Compared(), even=Compared(speaks_of="path"))
    assert modes(choices) == {"odd": "global", "even": "session"}
    assert [found.reason for found in choices.decisions.values()] == [SAID, SAID]
    assert not any(found.guessed for found in choices.decisions.values())


def test_a_person_may_know_better() -> None:
    keys = (SPACE, DOWN, SPACE, ENTER)
    choices = answered(*keys, added=[ODD, EVEN], odd=Compared(), even=Compared(speaks_of="path"))
    assert modes(choices) == {"odd": "session", "even": "global"}


@pytest.mark.parametrize(("key", "seconds"), [(ENTER, None), ("y", 600)])
def test_servers_that_keep_nothing_may_be_stopped(key: str, seconds: int | None) -> None:
    assert answered(key, added=[TIME]).idle_stop == seconds
