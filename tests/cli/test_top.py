"""`callmux top` against what really runs."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callmux.cli.top import NothingSeen, run
from callmux.errors import NotSupported, UsageError
from tests.live.harness import python_server, stdio, write_config
from tests.live.terminal import Terminal
from tests.live.test_listener import HELLO, post, request, run_listener
from tests.management.place import Place
from tests.management.test_client import Served
from tests.support import eventually, free_port, real_loop

AUTH = {"mode": "bearer", "tokens": [{"id": "ops", "token": "ops-token-1234"}]}


@pytest.fixture
def state() -> Iterator[str]:
    """A state directory whose path is short enough for sockets: in a common one, others are seen, too."""
    with tempfile.TemporaryDirectory(prefix="cm-", dir="/tmp") as folder:
        yield folder


def test_a_running_listener_shows_its_servers_and_its_rates(
    tmp_path: Path, state: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    servers = {"a": stdio(python_server("ledger_server.py", tmp_path / "l"))}
    config, port = write_config(tmp_path / "config.json", servers), free_port()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", state)
    sleeps: list[float] = []
    with run_listener(tmp_path, config, port, env={"XDG_STATE_HOME": state}) as process:
        _, _, session = post(port, request(1, "initialize", HELLO))

        def meanwhile(seconds: float) -> None:
            sleeps.append(seconds)
            for n in range(4):
                call = {"name": "read", "arguments": {"token": f"t{n}"}}
                assert post(port, request(2, "tools/call", call), session)[0] == 200

        with monkeypatch.context() as patched:
            patched.setattr(time, "sleep", meanwhile)
            assert run(["--once", "--json"], None) == 0
        (found,) = json.loads(capsys.readouterr().out)["processes"]
        assert (found["name"], found["status"], found["sessions"]) == (f"process {process.pid}", "ok", 1)
        assert (found["callsPerSecond"], found["calls"]) == (2.0, 4)
        assert found["servers"][0]["name"] == "a"
        with monkeypatch.context() as patched:
            patched.setattr(time, "sleep", meanwhile)
            assert run(["--once", "--interval", "1"], str(config)) == 0
        assert "8 calls" in capsys.readouterr().out
        assert run(["--once"], str(tmp_path / "other.json")) == 1
        assert "No callmux runs here" in capsys.readouterr().err
        with monkeypatch.context() as patched:
            patched.setattr("sys.stdout.isatty", lambda: True, raising=False)
            patched.setattr(time, "sleep", lambda seconds: None)
            assert run([], None, rounds=1) == 0
            assert run([], str(tmp_path / "other.json"), rounds=1) == 1
            patched.setattr(time, "sleep", interrupted)
            assert run([], None) == 0
    assert sleeps[:2] == [2.0, 1.0]


def interrupted(seconds: float) -> None:
    raise KeyboardInterrupt


def test_where_there_are_no_sockets_the_other_way_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "win32")
    with pytest.raises(NotSupported, match="--url"):
        run(["--once"], None)


def test_json_is_for_a_single_look() -> None:
    with pytest.raises(UsageError, match="--once"):
        run(["--json"], None)
    for url in ("localhost:1", "ftp://x"):
        with pytest.raises(UsageError, match="--url"):
            run(["--once", "--url", url], None)


@real_loop()
async def test_a_listener_elsewhere_is_seen_by_its_dashboard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CALLMUX_TOKEN", "ops-token-1234")
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    place = Place(tmp_path, monkeypatch, auth=AUTH, dashboard={"enabled": True})
    async with Served(place) as served:
        base = f"http://127.0.0.1:{served.port}"

        async def seen(*words: str) -> Any:
            assert await asyncio.to_thread(run, ["--once", "--json", *words], None) == 0
            return json.loads(capsys.readouterr().out)["processes"]

        (found,) = await seen("--url", base)
        assert (found["name"], found["servers"][0]["name"]) == (f"{base}/dashboard", "a")
        await seen("--url", f"{base}/dashboard/", "--header", "Authorization: Bearer ops-token-1234")
        with pytest.raises(NothingSeen, match="404: its dashboard"):
            await seen("--url", f"{base}/other")
        with pytest.raises(NothingSeen, match="401: a token"):
            await seen("--url", base, "--header", "Authorization: Bearer wrong")
        with pytest.raises(NothingSeen, match="cannot be read"):
            await seen("--url", f"http://127.0.0.1:{free_port()}")
        monkeypatch.setattr(msgspec.json, "decode", lambda text: [])
        with pytest.raises(NothingSeen, match="no dashboard"):
            await asyncio.to_thread(run, ["--once", "--url", base], None)


def test_on_a_terminal_of_80_columns_no_line_is_longer_and_ctrl_c_gives_it_back(
    tmp_path: Path, state: str
) -> None:
    """As over ssh: nothing but a plain terminal, whose type is all that is known."""
    servers = {"a-server-with-a-long-name": stdio(python_server("ledger_server.py", tmp_path / "l"))}
    config, port = write_config(tmp_path / "config.json", servers), free_port()
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_STATE_HOME": state}
    with run_listener(tmp_path, config, port, env={"XDG_STATE_HOME": state}):
        _, _, session = post(port, request(1, "initialize", HELLO))
        call = {"name": "read", "arguments": {"token": "t1"}}
        assert post(port, request(2, "tools/call", call), session)[0] == 200
        env["TERM"] = "xterm-256color"
        terminal = Terminal(env, tmp_path, "top", "--interval", "1", whole=True)
        try:
            eventually(lambda: terminal.shown.count("CALLS/S") > 1, "two pictures")
        finally:
            terminal.process.send_signal(signal.SIGINT)
            code, _ = terminal.ends()
    assert code == 0
    begin, end = terminal.shown.index("\x1b[?1049h"), terminal.shown.index("\x1b[?1049l")
    # Each picture begins at the upper left corner.
    pictures = re.sub(r"\x1b\[[0-9;]*H", "\n", terminal.shown[begin:end])
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", pictures)
    assert "connected" in plain
    assert "1 calls" in plain
    assert max(len(line) for line in re.split(r"[\r\n]+", plain)) <= 80
