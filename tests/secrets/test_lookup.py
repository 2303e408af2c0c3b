"""References that take their time are looked up beside everything else."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from callmux.config.references import Reference
from callmux.config.servers import HttpServer
from callmux.errors import SecretError
from callmux.secrets import lookup
from tests.support import real_loop, until


@real_loop()
async def test_others_go_on_while_a_command_runs(tmp_path: Path) -> None:
    template = (Reference("cmd", "sh -c 'while [ ! -e go ]; do sleep 0.01; done; echo secret'"),)
    waiting = asyncio.ensure_future(lookup.resolved({"env.A": template}, tmp_path, dict(os.environ)))
    await asyncio.sleep(0)
    (tmp_path / "go").touch()
    assert await waiting == {"env.A": ("secret", ["secret"])}


@real_loop()
async def test_a_command_ends_with_whoever_waits_for_it(tmp_path: Path) -> None:
    template = (Reference("cmd", "sh -c 'echo $$ > pid.new; mv pid.new pid; exec sleep 600'"),)
    waiting = asyncio.ensure_future(lookup.resolved({"env.A": template}, tmp_path, dict(os.environ)))
    await until((tmp_path / "pid").exists, "the command")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    pid = int((tmp_path / "pid").read_text())
    await until(lambda: not Path(f"/proc/{pid}").exists(), "the end of the command")


@real_loop()
async def test_what_takes_too_long_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "SECONDS", 0.05)
    with pytest.raises(SecretError, match=r"headers\.A took longer than 0\.05 s"):
        await lookup.resolved({"headers.A": (Reference("cmd", "sleep 600"),)}, tmp_path, dict(os.environ))


@real_loop()
async def test_references_in_headers_and_url_are_filled_in_and_everything_else_stays(tmp_path: Path) -> None:
    config = HttpServer(
        url="https://s.example/${cmd:echo y}",
        headers={"A": "Bearer ${cmd:echo x}", "B": "b"},
        templates={
            "headers.A": ("Bearer ", Reference("cmd", "echo x")),
            "url": ("https://s.example/", Reference("cmd", "echo y")),
        },
    )
    filled = await lookup.looked_up(config, tmp_path, dict(os.environ))
    assert (filled.headers, filled.url) == ({"A": "Bearer x", "B": "b"}, "https://s.example/y")
    plain = HttpServer(url="u", headers={"B": "b"})
    assert await lookup.looked_up(plain, tmp_path, {}) is plain
    bad = HttpServer(url="u", headers={"A": "env:NO"}, templates={"headers.A": (Reference("env", "NO"),)})
    with pytest.raises(SecretError, match=r"headers\.A"):
        await lookup.looked_up(bad, tmp_path, {})
