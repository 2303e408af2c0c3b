"""What was chosen."""

from __future__ import annotations

import pytest

from callmux.clients.entry import Entry
from callmux.errors import UsageError
from callmux.setup.choices import Choices, by_name, custom_server, keyed, leave_out
from callmux.setup.plan import NewServer, SetupPlan
from callmux.setup.probing import ProbeAnswer


def test_a_command_line_is_split_as_a_shell_does() -> None:
    server = custom_server("a", 'npx -y "a b" --f="c d" e\\ f')
    assert server.entry == Entry(command="npx", args=("-y", "a b", "--f=c d", "e f"))
    assert custom_server("a", "https://h/mcp").entry == Entry(url="https://h/mcp")


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("a", 'npx "x', "Unterminated"),
        ("a", " ", "is empty"),
        ("", "x", "letters"),
        ("a b", "x", "letters"),
        ("ä", "x", "letters"),
        ("a__b", "x", "__"),
    ],
)
def test_what_cannot_be_a_server_is_refused(name: str, line: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        custom_server(name, line)


def test_servers_without_an_answer_are_left_out() -> None:
    choices = Choices(added=[NewServer("a", Entry(command="a")), NewServer("b", Entry(command="b"))])
    answers = keyed(choices, {"+0:a": ProbeAnswer(problem="why"), "+1:b": ProbeAnswer(tools=("t",))})
    bad = leave_out(choices, answers)
    assert bad == {"a": "why"}
    assert [server.name for server in choices.added] == ["b"]


def test_answers_are_found_by_the_new_names() -> None:
    choices = Choices(added=[NewServer("a", Entry(command="a"))])
    answer = ProbeAnswer(tools=("t",))
    assert by_name(SetupPlan((), ("a-2",), {}, (), ()), choices, {"+a": answer}) == {"a-2": answer}
