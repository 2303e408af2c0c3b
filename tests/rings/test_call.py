"""A call is a record of what goes to a server."""

from __future__ import annotations

from msgspec import Raw

from tests.support import planned


def test_other_arguments_make_another_call() -> None:
    call = planned(server="s", target="x")
    changed = call.with_arguments(Raw(b"{}"))
    assert (call.arguments, changed.arguments, changed.asked) == (None, Raw(b"{}"), call.asked)


def test_what_is_known_of_the_target_stands_in_the_route() -> None:
    call = planned(server="s", method="prompts/get", target="x", safe=True)
    assert (call.server, call.method, call.tool, call.safe) == ("s", "prompts/get", None, True)
