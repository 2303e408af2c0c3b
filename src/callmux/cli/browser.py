"""Opens a page in the browser of the person at this terminal, where there is one.

Called by `callmux.cli.presenting`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from callmux.aside import aside

OPEN_SECONDS = 10.0
_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")
_REMOTE = ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")


def reason_against(env: Mapping[str, str], platform: str = sys.platform) -> str | None:
    """Why no browser can be opened here; None where one can. `BROWSER` names one in any case.

    Args:
        env: The environment.
        platform: As `sys.platform` has it.
    """
    if env.get("BROWSER"):
        return None
    if any(env.get(name) for name in _REMOTE):
        return "this is a session over ssh"
    if platform not in ("darwin", "win32") and not any(env.get(name) for name in _DISPLAYS):
        return "there is no display"
    return None


async def opened(url: str) -> bool:
    """Opens a page. Gives whether a browser took it."""
    import webbrowser

    try:
        return await aside(lambda: webbrowser.open(url), OPEN_SECONDS)
    except (TimeoutError, webbrowser.Error, OSError):
        return False
