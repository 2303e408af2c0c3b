"""Listener mode: what it takes of the command line, and where it refuses to listen."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from callmux.cli import listen as listen_module
from callmux.cli.grammar.serve import COMMANDS
from callmux.cli.listen import ListenOptions, _banner, listen, read_options
from callmux.cli.parsing import ScriptUsageError, read
from callmux.config.check import check_document
from callmux.config.model import Config
from callmux.config.overlay import Overlay
from callmux.config.sources import Sources
from callmux.errors import CallmuxError, StoreUnavailable, UsageError
from callmux.guard.guard import Guard
from callmux.process.host import Host
from callmux.process.observers import Observers
from callmux.transport.http.serve import HttpServer
from tests.support import run


def config(**more: Any) -> Config:
    checked = check_document({"servers": {}, **more})
    assert checked.errors == []
    return checked.config


def options(*words: str) -> ListenOptions:
    return read_options(read(COMMANDS[0], words))


def test_a_certificate_and_its_key_are_taken_together() -> None:
    assert options("--listen", "80", "--tls-key", "k.pem", "--tls-cert", "c.pem").tls == ("c.pem", "k.pem")
    for flag in ("--tls-cert", "--tls-key"):
        with pytest.raises(UsageError, match="go together"):
            options("--listen", "80", flag, "x.pem")


def test_where_to_listen_is_said_by_flags() -> None:
    words = ["--meta-only", "--listen", "80", "--host", "::1", "--idle-exit", "0", "--", "srv", "--host", "x"]
    assert options(*words) == ListenOptions(80, "::1", 0)
    assert options("--listen=65535") == ListenOptions(65535, "127.0.0.1", None)


@pytest.mark.parametrize(("on", "shown"), [(True, 1), (False, 0)])
def test_it_says_where_the_dashboard_is_where_there_is_one(
    caplog: pytest.LogCaptureFixture, on: bool, shown: int
) -> None:
    caplog.set_level("INFO")
    _banner(options("--listen", "80", "--host", "::1"), "https", config(dashboard={"enabled": on}))
    assert caplog.text.count("https://[::1]:80/dashboard") == shown


def test_a_servers_own_listen_is_left_to_it() -> None:
    assert not read(COMMANDS[0], ["--", "srv", "--listen", "80"]).on("--listen")


@pytest.mark.parametrize("port", ["0", "65536", "-1", "8o", "", "٣", "100000"])
def test_what_is_no_port_is_refused(port: str) -> None:
    with pytest.raises(ScriptUsageError, match="--listen must be an integer from 1 to 65535"):
        options("--listen", port)


@pytest.mark.parametrize("args", [["--host"], ["--idle-exit"], ["--idle-exit", "soon"]])
def test_an_option_without_a_usable_value_is_refused(args: list[str]) -> None:
    with pytest.raises(UsageError, match=args[0]):
        options("--listen", "80", *args)


@pytest.mark.parametrize("how", ["fails", "is cancelled"])
def test_each_step_of_the_end_is_taken_where_one_before_has_failed(
    how: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    taken: list[str] = []

    def note(owner: Any, step: str, name: str) -> None:
        usual = getattr(owner, step)

        def noted(*given: Any) -> Any:
            taken.append(name)
            return usual(*given)

        monkeypatch.setattr(owner, step, noted)

    async def breaks(self: Guard) -> None:
        taken.append("guard")
        if how == "fails":
            raise OSError("gone")
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    monkeypatch.setattr(Guard, "close", breaks)
    note(HttpServer, "stop", "server")
    note(Host, "close", "host")
    note(Observers, "close", "observers")
    monkeypatch.setattr(listen_module, "stop_signals", at_once_stopped)
    with socket.create_server(("127.0.0.1", 0)) as taken_port:
        port = taken_port.getsockname()[1]

    with pytest.raises(OSError if how == "fails" else asyncio.CancelledError):
        listens(port, tmp_path)
    assert taken == ["server", "guard", "host", "observers"]
    with socket.create_server(("127.0.0.1", port)):
        """The port is free again."""


def at_once_stopped() -> asyncio.Event:
    stopped = asyncio.Event()
    stopped.set()
    return stopped


def listens(port: int, folder: Path) -> int:
    def load(sources: Sources, overlay: Overlay | None = None) -> Config:
        return config()

    env = {"HOME": str(folder)}
    return run(listen(ListenOptions(port), folder / "c.json", load, env, lambda name, line: None))


def test_a_taken_port_is_an_error_that_names_it_and_nothing_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[object] = []
    monkeypatch.setattr(listen_module, "shared_by", lambda *given: opened.append(given))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CallmuxError, match=f"cannot listen on 127.0.0.1:{port}"):
            listens(port, tmp_path)
    assert not opened


def test_where_shared_state_cannot_be_opened_the_port_is_free_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    async def refused(*given: object) -> None:
        with pytest.raises(OSError, match="in use"), socket.create_server(("127.0.0.1", port)):
            pass
        raise StoreUnavailable("away")

    monkeypatch.setattr(listen_module, "shared_by", refused)
    with pytest.raises(StoreUnavailable, match="away"):
        listens(port, tmp_path)
    with socket.create_server(("127.0.0.1", port)):
        pass


class _Opened:
    """Shared state that is open."""

    def __init__(self) -> None:
        self.closed = False

    async def close(self) -> None:
        self.closed = True


def test_what_was_opened_is_closed_where_the_listener_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = _Opened()

    async def shared_by(*given: object) -> _Opened:
        return opened

    def fails(*given: object, **more: object) -> None:
        raise StoreUnavailable("no host")

    monkeypatch.setattr(listen_module, "shared_by", shared_by)
    monkeypatch.setattr(listen_module, "Host", fails)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(StoreUnavailable, match="no host"):
        listens(port, tmp_path)
    assert opened.closed
