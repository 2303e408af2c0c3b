"""Of many bridges one starts the listener; an old one is replaced, a stranger is left alone."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from callmux.bridge.autostart import Autostart, Health, _is_older
from callmux.bridge.endpoint import Endpoint, read_endpoint
from callmux.errors import UsageError
from callmux.upstream.leftovers import MARK
from tests.bridge.bench import Exchange, FakeListener
from tests.support import free_port, real_loop

LISTENER = """
import http.server, json, os, sys
open(sys.argv[1], "a").write(f"{os.getpid()} {' '.join(sys.argv[4:])}\\n")
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"version": sys.argv[2], "pid": os.getpid(), "callmux": 1}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[3])), Health).serve_forever()
"""


def free() -> Endpoint:
    return read_endpoint(f"http://127.0.0.1:{free_port()}/mcp")


class Bench:
    """Starts listeners that write down that they ran."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.endpoint = free()
        self.runs = folder / "runs"

    def autostart(self, version: str = "99.0.0", config: str | None = None, **env: str) -> Autostart:
        script = self.folder / "callmux_listener.py"
        script.write_text(LISTENER)
        command = (sys.executable, str(script), str(self.runs), version, str(self.endpoint.port))
        env = {"XDG_STATE_HOME": str(self.folder / "state"), **env}
        return Autostart(self.endpoint, config, 60, env, self.folder, command)

    def started(self) -> list[list[str]]:
        return [line.split() for line in self.runs.read_text().splitlines()] if self.runs.exists() else []

    def clean(self) -> None:
        for pid, *_ in self.started():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    made = Bench(tmp_path)
    yield made
    made.clean()


def reaped(*bridges: Autostart) -> None:
    """Their children are ended, so that no process is left that nobody waited for."""
    for bridge in bridges:
        if bridge._child is not None:
            bridge._child.kill()
            bridge._child.wait()


@real_loop()
async def test_many_bridges_start_one_listener(bench: Bench) -> None:
    """With the configuration of the first, detached, its output in a file that is the user's own."""

    config = os.path.abspath("mux.json")

    bridges = [bench.autostart(config="mux.json") for _ in range(5)]
    await asyncio.gather(*(bridge.ensure() for bridge in bridges))
    [[pid, *arguments]] = bench.started()
    port = str(bench.endpoint.port)
    assert arguments == ["--config", config, "--listen", port, "--idle-exit", "60"]
    assert os.getsid(int(pid)) == int(pid)
    assert bridges[0].log_file.stat().st_mode & 0o777 == 0o600
    await bridges[0].ensure()
    assert len(bench.started()) == 1
    reaped(*bridges)


@real_loop()
async def test_an_older_listener_is_replaced(bench: Bench) -> None:
    old = bench.autostart("0.0.1")
    old._checked = True
    await old.ensure()
    new = bench.autostart()
    reaping = asyncio.get_running_loop().run_in_executor(None, old._child.wait)  # type: ignore[union-attr]
    await new.ensure()
    await reaping
    assert len(bench.started()) == 2
    health = await new._health()
    assert health is not None
    assert health.version == "99.0.0"
    reaped(new)


@real_loop()
async def test_one_that_a_bridge_has_started_can_be_ended(bench: Bench) -> None:
    """One that was started in another way is left alone: its words say so."""

    bridge = bench.autostart()
    assert await bridge.end_started() is False
    await bridge.ensure()
    reaping = asyncio.get_running_loop().run_in_executor(None, bridge._child.wait)  # type: ignore[union-attr]
    assert await bridge.end_started() is True
    await reaping
    assert await bridge._health() is None
    own = bench.autostart()
    own._command = own._command[: own._command.index("--idle-exit")]
    await own.ensure()
    assert await own.end_started() is False
    assert await own._health() is not None
    reaped(bridge, own)


@real_loop()
async def test_a_stranger_on_the_port_is_left_alone(bench: Bench) -> None:
    """Whatever it answers."""

    async with FakeListener() as listener:
        bench.endpoint = listener.endpoint
        for body in (b"<html>", b'{"version":"0.0.1","pid":1}', b"{}"):
            listener.script["GET"] = partial(Exchange.status, code=200, body=body)
            await bench.autostart().ensure()
        assert bench.started() == []


@real_loop()
async def test_one_that_does_not_come_up_is_not_started_again_at_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bridge = bench.autostart()
    bridge._command = [sys.executable, "-c", "raise SystemExit(3)"]
    with caplog.at_level(logging.WARNING):
        await bridge.ensure()
        await bridge.ensure()
    [said] = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert "code 3" in said
    assert str(bridge.log_file) in said


def test_its_token_stays_with_the_bridge(bench: Bench) -> None:
    bridge = bench.autostart(CALLMUX_TOKEN="secret", PATH="/bin")
    assert "CALLMUX_TOKEN" not in bridge._env
    assert "secret" not in repr(bridge)


def test_a_listener_does_not_end_with_a_server_whose_bridge_has_started_it(bench: Bench) -> None:
    """Whatever a server of another callmux starts ends with it, if it has its mark."""
    bridge = bench.autostart(**{MARK: "0123.1", "PATH": "/bin"})
    assert MARK not in bridge._env
    assert bridge._env["PATH"] == "/bin"


@pytest.mark.parametrize("url", ["http://mux.example/mcp", "https://127.0.0.1/mcp"])
def test_only_on_this_machine(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="on this machine"):
        Autostart(read_endpoint(url), None, 60, {}, tmp_path)


@pytest.mark.parametrize(
    ("version", "older"), [("0.0.9", True), ("0.1.0", False), ("99.0", False), (None, False), ("x", True)]
)
def test_versions(version: str | None, older: bool) -> None:
    assert _is_older(Health(version=version)) is older
