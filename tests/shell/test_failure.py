"""What a script sees of a call that could not be made."""

from __future__ import annotations

from callmux.shell.failure import ShellFailed


def test_it_is_told_from_a_tool_that_failed() -> None:
    failed = ShellFailed("no way there")
    assert (failed.exit_code, failed.message) == (2, "Error: no way there")
