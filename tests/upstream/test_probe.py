"""One look at one server: what it lists, or why it cannot be asked."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import psutil
import pytest

from callmux.config.servers import HttpServer, StdioServer
from callmux.upstream.connection import Connection
from callmux.upstream.probe import ProbeResult, probe
from tests.support import SECONDS, real_loop, run, until

SERVER = """
import json, sys
for line in sys.stdin:
    m = json.loads(line)
    if "id" in m:
        greeting = {"protocolVersion": "2025-11-25", "capabilities": %s}
        result = {"initialize": greeting, "tools/list": %s}[m["method"]]
        print(json.dumps({"jsonrpc": "2.0", "id": m["id"], "result": result}), flush=True)
"""


def look(script: str, seconds: float = SECONDS) -> ProbeResult:
    server = StdioServer(command=sys.executable, args=("-I", "-S", "-c", script))
    return run(probe("s", server, timeout_seconds=seconds, base_dir=Path()))


def test_its_tools_are_listed_as_it_names_them() -> None:
    found = look(SERVER % ({"tools": {}}, {"tools": [{"name": "b"}, {"name": "a"}]}))
    assert (found.tools, found.error) == (["b", "a"], None)
    assert found.seen is not None
    assert [tool.name for tool in found.seen.tools] == ["b", "a"]


def test_a_server_of_other_things_has_no_tools() -> None:
    found = look(SERVER % ({"prompts": {}}, None))
    assert (found.tools, found.error) == ([], None)


def test_a_server_that_ends_says_what_it_said() -> None:
    found = look("import sys; print('no licence', file=sys.stderr)")
    assert found.tools == []
    assert "no licence" in str(found.error)


def test_a_server_that_does_not_answer_is_not_waited_for() -> None:
    found = look("import sys; sys.stdin.read()", seconds=0.2)
    assert "timed out after 200 ms" in str(found.error)


def test_a_tool_that_cannot_be_read_is_told() -> None:
    found = look(SERVER % ({"tools": {}}, {"tools": [{"name": 7}]}))
    assert "cannot be read" in str(found.error)


def test_a_server_that_is_not_there_is_told() -> None:
    nowhere = StdioServer(command="/nonexistent/server")
    found = run(probe("s", nowhere, timeout_seconds=5, base_dir=Path()))
    assert "/nonexistent/server" in str(found.error)
    remote = HttpServer(url="http://127.0.0.1:9/mcp")
    found = run(probe("s", remote, timeout_seconds=5, base_dir=Path()))
    assert "cannot be reached" in str(found.error)


# It goes on when its stdin ends.
DEAF = StdioServer(
    command=sys.executable, args=("-I", "-S", "-c", "import time; print(1, flush=True); time.sleep(300)")
)


async def given_up_at_its_end(look: Coroutine[Any, Any, object], monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at a server that is given up while the connection ends leaves no process."""
    closing = asyncio.Event()
    close = Connection.close

    async def closed(connection: Connection) -> None:
        closing.set()
        await close(connection)

    monkeypatch.setattr(Connection, "close", closed)
    # Those of other tests may end meanwhile.
    before = set(psutil.Process().children())
    looking = asyncio.get_running_loop().create_task(look)
    await closing.wait()
    await asyncio.sleep(0)
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    await until(lambda: before.issuperset(psutil.Process().children()), "their ends")


@real_loop()
async def test_one_that_is_given_up_while_its_server_ends_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Such as by the time that its caller has: the guardian of its server would stay for good."""
    await given_up_at_its_end(probe("s", DEAF, timeout_seconds=0.2, base_dir=Path()), monkeypatch)
