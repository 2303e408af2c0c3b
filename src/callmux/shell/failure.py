"""Why a call from a shell could not be made. Pure."""

from __future__ import annotations

from callmux.errors import CallmuxError


class ShellFailed(CallmuxError):
    """The call was not made, or nobody knows what became of it: exit code 2.

    A tool that ran and failed is no such error: that is exit code 1.

    Args:
        message: What happened and what to do about it.
    """

    code = "shell_failed"
    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(f"Error: {message}")
