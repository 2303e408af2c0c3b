"""`callmux.process.server_output`: the last lines of each server, bounded."""

from __future__ import annotations

from callmux.process.server_output import LONGEST_LINE, MOST_LINES, MOST_SERVERS, ServerOutput


def _texts(output: ServerOutput, server: str, after: int = 0, most: int | None = None) -> list[str]:
    return [line.text for line in output.after(server, after, most)]


def test_lines_are_kept_by_server_with_their_time() -> None:
    moments = iter([10.0, 11.0, 12.0])
    output = ServerOutput(lambda: next(moments))
    for server, text in (("a", "one"), ("b", "two"), ("a", "three")):
        output.add(server, text)
    assert [(line.number, line.time, line.text) for line in output.after("a", 0)] == [
        (1, 10.0, "one"),
        (3, 12.0, "three"),
    ]
    assert _texts(output, "nobody") == []


def test_only_what_came_after_a_line_is_given_and_only_the_last_of_it() -> None:
    output = ServerOutput(lambda: 0.0)
    for number in range(1, 6):
        output.add("a", str(number))
    assert _texts(output, "a", after=3) == ["4", "5"]
    assert _texts(output, "a", most=2) == ["4", "5"]
    assert _texts(output, "a", most=0) == []
    assert _texts(output, "a", most=99) == ["1", "2", "3", "4", "5"]


def test_lines_their_length_and_servers_have_a_bound() -> None:
    output = ServerOutput(lambda: 0.0)
    output.add("long", "x" * (LONGEST_LINE + 7))
    assert len(_texts(output, "long")[0]) == LONGEST_LINE
    for number in range(MOST_LINES + 3):
        output.add("many", str(number))
    assert _texts(output, "many")[0] == "3"
    assert len(_texts(output, "many")) == MOST_LINES
    for number in range(MOST_SERVERS):
        output.add(f"s{number}", "x")
    assert _texts(output, "long") == []
    assert _texts(output, f"s{MOST_SERVERS - 1}") == ["x"]
