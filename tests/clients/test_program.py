"""How clients start this callmux."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.clients.program import (
    NotInstalled,
    Program,
    is_fleeting,
    lasting,
    lasting_path,
    start_command,
)


def program(
    script: str | None = "/venv/bin/callmux", path: dict[str, str] | None = None, **more: Any
) -> Program:
    links = {"/home/al/.local/bin/callmux": "/venv/bin/callmux"}
    return Program("/venv/bin/python", script, (path or {}).get, lambda name: links.get(name, name), **more)


LINK = {"callmux": "/home/al/.local/bin/callmux"}
INSIDE = {"callmux": "/venv/bin/callmux"}
OTHER = {"callmux": "/usr/bin/callmux"}


@pytest.mark.parametrize(
    ("running", "absolute", "expected"),
    [
        (program("/usr/bin/callmux", OTHER), False, ("callmux",)),
        (program("/usr/bin/callmux", OTHER), True, ("/usr/bin/callmux",)),
        (program("/usr/bin/callmux"), False, ("/usr/bin/callmux",)),
        (program(path=LINK, isolated=True), False, ("/home/al/.local/bin/callmux",)),
        (program(path=LINK, isolated=True), True, ("/home/al/.local/bin/callmux",)),
        (program(path=INSIDE, isolated=True), False, ("/venv/bin/callmux",)),
        (program(path=INSIDE, isolated=True), True, ("/venv/bin/callmux",)),
        (program(path=OTHER, isolated=True), False, ("/venv/bin/callmux",)),
        (program(isolated=True), False, ("/venv/bin/callmux",)),
        (program(None, OTHER), False, ("/venv/bin/python", "-m", "callmux")),
    ],
)
def test_the_command_leads_to_this_callmux_in_every_terminal(
    running: Program, absolute: bool, expected: tuple[str, ...]
) -> None:
    """A `callmux` on PATH may be the one for Node, or there only while an environment is active."""
    assert start_command(running, absolute=absolute) == expected


def test_what_was_fetched_for_one_run_is_not_entered_anywhere() -> None:
    installed = program()
    assert lasting(installed) is installed
    with pytest.raises(NotInstalled, match="uv tool install callmux"):
        lasting(program(fleeting=True))


@pytest.mark.parametrize(
    ("path", "fleeting"),
    [
        ("/home/al/.cache/uv/archive-v0/Xyz/bin/callmux", True),
        ("/big/disk/environments-v2/callmux-1/bin/callmux", True),
        ("/home/al/.local/share/pipx/.cache/a1/bin/callmux", True),
        ("/home/al/.cache/pipx/a1/bin/callmux", True),
        ("/home/al/.local/share/uv/tools/callmux/bin/callmux", False),
        ("/home/al/.local/share/pipx/venvs/callmux/bin/callmux", False),
        ("/home/al/archive-very-old/bin/callmux", False),
    ],
)
def test_caches_are_known_by_their_directories(path: str, fleeting: bool) -> None:
    assert is_fleeting(path) is fleeting


def test_servers_get_the_directories_of_path_that_last() -> None:
    parts = ["/home/al/.nvm/bin", "", ".", "/c/archive-v0/x/bin", "/usr/bin", "/home/al/.nvm/bin", "rel/bin"]
    assert lasting_path(program()) == ""
    assert lasting_path(program().__class__("p", None, lambda name: None, str, path=":".join(parts))) == (
        "/home/al/.nvm/bin:/usr/bin"
    )
