"""Whether a browser can be opened here."""

from __future__ import annotations

import threading

import pytest

from callmux.cli import browser
from callmux.cli.browser import opened, reason_against
from tests.support import real_loop


@pytest.mark.parametrize(
    ("env", "platform", "reason"),
    [
        ({"DISPLAY": ":0"}, "linux", None),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", None),
        ({}, "darwin", None),
        ({}, "win32", None),
        ({}, "linux", "there is no display"),
        ({"DISPLAY": ""}, "linux", "there is no display"),
        ({"DISPLAY": ":10", "SSH_CONNECTION": "a b"}, "linux", "this is a session over ssh"),
        ({"SSH_TTY": "/dev/pts/1"}, "darwin", "this is a session over ssh"),
        ({"SSH_TTY": "/dev/pts/1", "BROWSER": "open-there"}, "linux", None),
    ],
)
def test_over_ssh_and_without_a_display_there_is_none_unless_one_is_named(
    env: dict[str, str], platform: str, reason: str | None
) -> None:
    assert reason_against(env, platform) == reason


@real_loop()
async def test_what_opens_and_what_does_not_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import webbrowser

    def fail(url: str) -> bool:
        raise webbrowser.Error("no")

    monkeypatch.setattr("webbrowser.open", lambda url: url == "https://x")
    assert await opened("https://x")
    assert not await opened("https://y")
    monkeypatch.setattr("webbrowser.open", fail)
    assert not await opened("https://x")


@real_loop()
async def test_a_browser_that_keeps_the_terminal_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    end = threading.Event()
    monkeypatch.setattr(browser, "OPEN_SECONDS", 0.05)
    monkeypatch.setattr("webbrowser.open", lambda url: end.wait(60))
    assert not await opened("https://x")
    end.set()
