"""`process.control_sockets`: where running processes are found, and what is said where none answers."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from callmux.process.control import served
from callmux.process.control_sockets import Unreachable, ask, directory, named, sockets
from tests.support import real_loop

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Unix sockets")


async def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    return {}


@real_loop()
async def test_processes_of_another_configuration_are_not_found_and_links_lead_to_the_same(
    tmp_path: Path, env: dict[str, str]
) -> None:
    config, link = tmp_path / "c.json", tmp_path / "link.json"
    config.write_text("{}")
    link.symlink_to(config)

    async with served(config, env, answer):
        assert sockets(tmp_path / "other.json", env) == {}
        assert sockets(link, env) == sockets(config, env)


@real_loop()
async def test_a_path_too_long_for_a_socket_gets_a_short_one_of_the_same_user(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose state is elsewhere is still told apart, also by a command that asks all processes of a user."""
    monkeypatch.setattr(tempfile, "tempdir", str(state))
    config = tmp_path / "c.json"
    env, other = ({"XDG_STATE_HOME": str(tmp_path / (letter * 120))} for letter in "xy")
    assert directory(env) != directory(other)
    assert directory(env).parent == directory(other).parent == state
    assert directory(env).name.startswith(f"callmux-{os.getuid()}-")

    async with served(config, env, answer), served(config, other, answer):
        assert len(sockets(config, env)) == 1
        assert len(named(directory(env), "*")) == len(named(directory(other), "*")) == 1


def test_where_nobody_listens_any_more_it_says_so(state: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(state / "left.sock"))
    for path in (state / "left.sock", state / "never.sock"):
        with pytest.raises(Unreachable, match="does not answer"):
            ask(path, {"method": "servers"}, 5)
