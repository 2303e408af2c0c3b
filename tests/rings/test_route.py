"""A route says how long a call may take."""

from __future__ import annotations

from tests.support import route


def test_the_callers_own_limit_goes_before_the_one_of_the_server() -> None:
    made = route("s", seconds=5.0)
    assert (made.seconds_for(None), made.seconds_for(20)) == (5.0, 0.02)


def test_two_routes_are_two_however_alike() -> None:
    """They are compared by identity: they stand for look-ups, and are keys of what is kept."""
    assert route("s") != route("s")


def test_only_a_call_of_a_servers_tool_has_its_line_ready() -> None:
    assert b"100%%" in route("s", bare="100%").form
    assert route("s", method="prompts/get", bare="p").form == b""
