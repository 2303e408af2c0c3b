"""Which servers get a head start, that their first connections take it, and that the others end."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from callmux.clock import Clock
from callmux.config.check import check_document
from callmux.config.model import Config
from callmux.config.servers import StdioServer
from callmux.config.traffic import ReconnectPolicy
from callmux.protocol.jsonrpc import Message, Notification
from callmux.upstream.failures import CallFailure
from callmux.upstream.links.head_start import HeadStart, HeadStarts, _first
from callmux.upstream.links.identity import fingerprint
from callmux.upstream.links.link import Listener, pid_of
from callmux.upstream.links.opening import secrets_of
from callmux.upstream.opening.reconnect import Timing
from callmux.upstream.pool import Pool
from tests.support import real_loop, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX")

HELLO = '{"jsonrpc":"2.0","method":"up"}'
SPEAKS = f"""
import os, sys, time
print("a line", file=sys.stderr, flush=True)
open(os.environ["STARTED"], "a").write(os.environ.get("OPS", "none") + "\\n")
print('{HELLO}', flush=True)
sys.stdin.read()
"""


def configured(servers: dict[str, Any], **more: Any) -> Config:
    checked = check_document({"servers": servers, **more})
    assert not checked.errors
    return checked.config


def speaking(**more: Any) -> dict[str, Any]:
    return {"command": sys.executable, "args": ["-c", SPEAKS], **more}


@asynccontextmanager
async def starts(tmp_path: Path, **env: str) -> AsyncIterator[HeadStarts]:
    """Head starts; nothing of them is left afterwards."""
    given = {"PATH": os.environ["PATH"], "STARTED": str(tmp_path / "started"), **env}
    made = HeadStarts({**given, "XDG_STATE_HOME": str(tmp_path / "state")}, tmp_path)
    try:
        yield made
    finally:
        await made.close()
    assert made.around.bound.running == 0


def begun(made: HeadStarts, config: Config, name: str = "a") -> HeadStart:
    server = config.servers[name]
    found = made.of((name, fingerprint(server) + secrets_of(server, made.around)))
    assert found is not None
    return found


def children() -> set[int]:
    """The servers that run below this process, which is no shell."""
    found = psutil.Process().children(recursive=True)
    return {one.pid for one in found if one.status() != psutil.STATUS_ZOMBIE and SPEAKS in one.cmdline()}


@pytest.mark.parametrize(
    ("servers", "more", "first"),
    [
        ({"a": {}, "b": {}}, {}, ["a", "b"]),
        ({"a": {"disabled": True}, "b": {}}, {}, ["b"]),
        ({"a": {"start": "lazy"}, "b": {}}, {}, ["b"]),
        ({"a": {}, "b": {"start": "eager"}}, {"start": "lazy"}, ["b"]),
        ({"a": {"url": "https://x/mcp"}, "b": {}}, {}, ["b"]),
        ({"a": {}, "b": {}, "c": {}}, {"maxConcurrentStarts": 2}, ["a", "b"]),
        ({"a": {"url": "https://x/mcp"}, "b": {}, "c": {}}, {"maxConcurrentStarts": 2}, ["b"]),
        ({"a": {}, "b": {}, "c": {}}, {"maxProcesses": 1}, ["a"]),
    ],
)
def test_it_is_for_processes_that_start_at_once_with_the_first_client(
    servers: dict[str, Any], more: dict[str, Any], first: list[str]
) -> None:
    entries = {
        name: entry if "url" in entry else {"command": "x", **entry} for name, entry in servers.items()
    }
    assert list(_first(configured(entries, **more))) == first


@real_loop()
async def test_the_first_connection_takes_it_with_all_it_has_said(tmp_path: Path) -> None:
    config = configured({"a": speaking()})
    async with starts(tmp_path) as made:
        await made.begin(config)
        start = begun(made, config)
        await until((tmp_path / "started").exists, "the start")
        shown: list[tuple[str, str]] = []
        link = start.take(lambda name, line: shown.append((name, line)))
        assert link is not None
        assert start.take(lambda name, line: None) is None
        heard: list[Message] = []
        await link.open(
            Listener(lambda message, id: heard.append(message), lambda *_: None, lambda failure: None)
        )
        await until(lambda: heard and shown, "what it said")
        assert heard == [Notification("up", None)]
        assert shown == [("a", "a line")]
        assert (start.bound.running, made.around.bound.running) == (1, 1)
        await link.close()
        assert start.bound.running == 0


@real_loop()
async def test_a_leased_server_connects_to_the_process_that_runs_already(tmp_path: Path) -> None:
    """And to a new one from then on."""
    config = configured({"a": speaking()})
    async with starts(tmp_path) as made:
        await made.begin(config)
        before = children()
        pool = Pool(made.around, {"name": "callmux", "version": "0"}, Clock(), ahead=made)
        server = pool.lease("a", config.servers["a"], Timing(30, ReconnectPolicy()))
        links = [server._make_link(None), server._make_link(None)]
        assert [pid_of(link) for link in links] == [*before, None]
        await links[0].close()
        await pool.close()


@real_loop()
async def test_what_nobody_takes_is_ended(tmp_path: Path) -> None:
    config = configured({"a": speaking(), "b": speaking()})
    async with starts(tmp_path) as made:
        await made.begin(config)
        assert len(children()) == 2
        await made.end_unused()
        assert not children()
        assert made.around.bound.running == 0


@real_loop()
async def test_what_cannot_be_started_is_left_to_the_attempt_that_says_why(tmp_path: Path) -> None:
    missing = {"command": str(tmp_path / "missing")}
    config = configured({"a": missing, "b": {"command": "x", "envFile": "nowhere"}, "c": speaking()})
    async with starts(tmp_path) as made:
        await made.begin(config)
        assert begun(made, config).take(lambda *_: None) is None
        server = config.servers["b"]
        assert made.of(("b", fingerprint(server) + secrets_of(server, made.around))) is None
        assert len(children()) == 1
    assert not children()


@real_loop()
async def test_secrets_that_take_their_time_are_looked_up_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from callmux.config.variables import note_references

    server = note_references(StdioServer(command="x", env={"A": "${cmd:touch asked}"}), {})
    assert isinstance(server, StdioServer)
    monkeypatch.chdir(tmp_path)
    async with starts(tmp_path) as made:
        start = HeadStart("a", server, made.around)
        await start.begin()
        assert start.take(lambda *_: None) is None
        await start.close()
    assert not (tmp_path / "asked").exists()


@real_loop()
async def test_no_server_inherits_what_our_own_clients_show_us(tmp_path: Path) -> None:
    auth = {"mode": "bearer", "tokens": [{"id": "me", "tokenRef": "env:OPS"}]}
    config = configured({"a": speaking()}, auth=auth)
    async with starts(tmp_path, OPS="secret") as made:
        await made.begin(config)
        started = tmp_path / "started"
        await until(lambda: started.exists() and started.read_text().endswith("\n"), "the start")
        assert started.read_text() == "none\n"


@real_loop()
async def test_a_link_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    async with starts(tmp_path) as made:
        with pytest.raises(CallFailure, match="envFile"):
            HeadStart("a", StdioServer(command="x", env_file="nowhere"), made.around)
    await asyncio.sleep(0)
