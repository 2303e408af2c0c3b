"""How clients start this callmux."""

from __future__ import annotations

import pytest

from callmux.clients.program import Program, start_command


def program(
    python: str = "/venv/bin/python",
    script: str | None = "/venv/bin/callmux",
    path: dict[str, str] | None = None,
) -> Program:
    links = {"/home/al/.local/bin/callmux": "/venv/bin/callmux"}
    return Program(python, script, (path or {}).get, lambda name: links.get(name, name))


OURS = {"callmux": "/home/al/.local/bin/callmux"}
OTHER = {"callmux": "/usr/bin/callmux"}
CACHE = "/home/al/.cache/uv/archive-v0/Xyz/bin/python"


@pytest.mark.parametrize(
    ("running", "absolute", "expected"),
    [
        (program(path=OURS), False, ("callmux",)),
        (program(path=OURS), True, ("/home/al/.local/bin/callmux",)),
        (program(path=OTHER), False, ("/venv/bin/callmux",)),
        (program(), False, ("/venv/bin/callmux",)),
        (program(script=None, path=OTHER), False, ("/venv/bin/python", "-m", "callmux")),
        (program(CACHE, path={"uvx": "/usr/bin/uvx"}), False, ("uvx", "callmux")),
        (program(CACHE, path={"uvx": "/usr/bin/uvx"}), True, ("/usr/bin/uvx", "callmux")),
        (program(CACHE, path={}), False, ("/venv/bin/callmux",)),
        (
            program("/home/al/.cache/pipx/a1/bin/python", path={"pipx": "/usr/bin/pipx"}),
            False,
            ("pipx", "run", "callmux"),
        ),
    ],
)
def test_the_command_leads_to_this_callmux_and_no_other(
    running: Program, absolute: bool, expected: tuple[str, ...]
) -> None:
    """A `callmux` on PATH may be the one for Node; what was fetched for one run will be gone."""
    assert start_command(running, absolute=absolute) == expected
