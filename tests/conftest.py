"""Fixtures that many tests share, such as the real MCP servers fetched by `scripts/interop`, and a Redis."""

from __future__ import annotations

import atexit
import gc
import inspect
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from pytest_rerunfailures import SocketDB, StatusDB  # type: ignore[import-untyped]

from tests.longest import rank, turned
from tests.redis_server import RedisServer
from tests.support import play, run
from tests.waiting import bounded

# On a busy machine any step may take long: that says nothing about the code. In CI the examples are the same
# each time: a new one is found, and its fault mended, where somebody works.
settings.register_profile(
    "callmux",
    deadline=None,
    max_examples=int(os.environ.get("CALLMUX_EXAMPLES", "100")),
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("callmux")

# What servers listed in one run must not show in the next, nor the user's own in a test.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="callmux-tests-")
atexit.register(shutil.rmtree, os.environ["XDG_STATE_HOME"], ignore_errors=True)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell has its background jobs ignore Ctrl-C, and so would all that tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parent.parent
CACHE = ROOT / ".cache"
NEWER_NODE = 22
MOST_SECONDS = 240.0
"""Real seconds that a test may take, and what it needs before and after, each; on a busy machine, too."""


def _missing(what: str) -> None:
    """Skips the test, or fails it where CI promised that everything is there."""
    if os.environ.get("CALLMUX_REQUIRE_NODE") == "1":
        pytest.fail(f"{what} is missing: run scripts/interop (it needs Node.js)")
    pytest.skip(f"{what} is missing: run scripts/interop")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: Any) -> None:
    """A test that has failed is run again by the process that ran it (`--reruns`): to ask another process how
    often that was, before each test, takes a tenth of the time of short ones."""
    if hasattr(config, "workerinput") and isinstance(config.failures_db, SocketDB):
        config.failures_db.sock.close()
        config.failures_db = StatusDB()


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Several processes read folders in orders of their own."""
    report = yield
    worker = getattr(collector.config, "workerinput", None)
    if worker is not None and isinstance(collector, pytest.Directory):
        number, count = int(worker["workerid"].removeprefix("gw")), int(worker["workercount"])
        report.result = turned(report.result, number % count, count)
    return report


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """One of several processes gets the tests in the order of `tests.longest`."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: rank(item.path, ROOT / "tests"))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is read stays to the end: the garbage collector need not look at it, neither while it is made nor
    later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """An `async def` test is played on a loop of virtual time (`play`); one marked with `real_loop` runs on a
    real one (`run`)."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    work = pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})
    mark = pyfuncitem.get_closest_marker("real_loop")
    if mark is None:
        play(work)
    else:
        run(work, *mark.args)
    return True


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup() -> Generator[None, Any, Any]:
    with bounded(MOST_SECONDS):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call() -> Generator[None, Any, Any]:
    with bounded(MOST_SECONDS):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Generator[None, Any, Any]:
    with bounded(MOST_SECONDS):
        return (yield)


@pytest.fixture
def replay(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The modules of `benchmarks/replay` can be imported, and are gone afterwards."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "replay"]:
        del sys.modules[name]


@pytest.fixture(scope="session")
def npm_server() -> Callable[[str], list[str]]:
    """The command of an npm MCP server by its short name, such as `everything`."""

    def command(name: str) -> list[str]:
        node = shutil.which("node")
        script = CACHE / "npm" / "node_modules" / ".bin" / f"mcp-server-{name}"
        if node is None or not script.exists():
            _missing(f"the npm server {name}")
        return [str(node), str(script.resolve())]

    return command


@pytest.fixture(scope="session")
def npm_tool() -> Callable[[str], list[str]]:
    """The command of a tool that needs a newer Node.js than servers do, such as `conformance`."""

    def command(name: str) -> list[str]:
        modules = CACHE / "npm" / "node_modules"
        own = [modules / f"node-linux-{kind}" / "bin" / "node" for kind in ("x64", "arm64")]
        nodes = [str(node) for node in (shutil.which("node"), *own) if node and _is_new(str(node))]
        script = modules / ".bin" / name
        if not nodes or not script.exists():
            _missing(f"the npm tool {name} (or Node.js {NEWER_NODE} for it)")
        return [nodes[0], str(script.resolve())]

    return command


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis for all tests of this process; each has a prefix of its own."""
    server = RedisServer()
    yield server.url
    server.close()


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A Redis for one test, which may kill it."""
    server = RedisServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def original() -> list[str]:
    """The command of callmux for Node."""
    node = shutil.which("node")
    script = CACHE / "original" / "node_modules" / ".bin" / "callmux"
    if node is None or not script.exists():
        _missing("callmux for Node")
    return [str(node), str(script.resolve())]


def _is_new(node: str) -> bool:
    try:
        told = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return int(told.stdout.removeprefix("v").partition(".")[0]) >= NEWER_NODE


@pytest.fixture(scope="session")
def pypi_server() -> Callable[[str], list[str]]:
    """The command of a PyPI MCP server by its short name, such as `git`."""

    def command(name: str) -> list[str]:
        script = CACHE / "servers" / "bin" / f"mcp-server-{name}"
        if not script.exists():
            _missing(f"the PyPI server {name}")
        # Not by its first line: that names the place where it was installed.
        return [str(script.parent / "python"), str(script)]

    return command
