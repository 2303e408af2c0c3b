"""Commands of the same user find the processes of a configuration, and nobody else does."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from callmux.errors import ServerNotFound
from callmux.process.control import served
from callmux.process.control_sockets import ProcessRefused, Unreachable, ask, directory, sockets, stem
from tests.support import python, real_loop, run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Unix sockets")


async def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    if request.get("server") == "none":
        raise ServerNotFound('there is no server "none"')
    return {"heard": dict(request)}


async def asked(path: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    return await asyncio.to_thread(ask, path, request, 10)


@real_loop()
async def test_a_request_is_answered_or_refused(tmp_path: Path, env: dict[str, str]) -> None:
    config = tmp_path / "c.json"

    async with served(config, env, answer):
        ((pid, path),) = sockets(config, env).items()
        assert pid == os.getpid()
        assert await asked(path, {"a": [1, "ä"]}) == {"heard": {"a": [1, "ä"]}}
        with pytest.raises(ProcessRefused, match='there is no server "none"'):
            await asked(path, {"server": "none"})
    assert sockets(config, env) == {}
    with pytest.raises(Unreachable):
        await asked(path, {})


@real_loop()
@pytest.mark.parametrize("line", [b"no json\n", b"[1]\n", b"", b'{"a":1', b"x" * 200_000 + b"\n"])
async def test_what_is_no_request_disturbs_nobody(tmp_path: Path, env: dict[str, str], line: bytes) -> None:
    config = tmp_path / "c.json"

    async with served(config, env, answer):
        (path,) = sockets(config, env).values()

        def speak() -> None:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(10)
                connection.connect(str(path))
                connection.sendall(line)

        await asyncio.to_thread(speak)
        assert await asked(path, {}) == {"heard": {}}


@real_loop()
async def test_only_the_owner_may_enter(tmp_path: Path, env: dict[str, str]) -> None:
    place = directory(env)
    place.mkdir(parents=True, mode=0o755)

    async with served(tmp_path / "c.json", env, answer):
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        (path,) = place.iterdir()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_directory_of_somebody_else_is_not_used(
    tmp_path: Path, env: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Nor is a link to one: whoever made it could listen in."""
    place = directory(env)
    place.parent.mkdir(parents=True)
    (tmp_path / "theirs").mkdir()
    place.symlink_to(tmp_path / "theirs")

    async def scene() -> None:
        async with served(tmp_path / "c.json", env, answer):
            assert list((tmp_path / "theirs").iterdir()) == []

    run(scene())
    name = f"{stem(tmp_path / 'c.json', env)}-{os.getpid()}.sock"
    (tmp_path / "theirs" / name).touch()
    assert sockets(tmp_path / "c.json", env) == {}
    assert "is not a directory of this user" in caplog.text


def test_a_place_that_cannot_be_made_is_no_reason_not_to_run(
    tmp_path: Path, state: Path, env: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    (state / "s").write_text("a file where the directory should be")

    async def scene() -> None:
        async with served(tmp_path / "c.json", env, answer) as reachable:
            assert not reachable
            assert sockets(tmp_path / "c.json", env) == {}

    run(scene())
    assert 'could not open a socket for "callmux server restart" and "callmux approve"' in caplog.text


@real_loop()
async def test_what_killed_processes_left_is_swept(tmp_path: Path, env: dict[str, str]) -> None:
    config = tmp_path / "c.json"
    gone = python("-c", "pass")
    gone.communicate()

    async with served(config, env, answer):
        (path,) = sockets(config, env).values()
        name = path.name
    stale = path.with_name(name.replace(str(os.getpid()), str(gone.pid)))
    alive = path.with_name(name.replace(str(os.getpid()), str(os.getppid())))
    strange = path.with_name(name.replace(str(os.getpid()), "x"))
    other = stale.with_name(f"0123456789ab-{gone.pid}.sock")
    for left in (stale, alive, strange, other):
        left.touch()
    async with served(config, env, answer):
        assert set(sockets(config, env)) == {os.getpid(), os.getppid()}
    assert not stale.exists()
    assert not other.exists()
