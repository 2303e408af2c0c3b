"""callmux in this process between raw servers and raw clients: what leaves one must reach the other.

`Bench` wires a real `Host` and real `Session`s; a `Client` writes and reads lines in memory, hiding nothing.
`interaction` turns a coroutine into a bounded test that names its requirements.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from callmux.clock import Clock
from callmux.config.check import check_document
from callmux.process import host as host_module
from callmux.process.host import Host
from callmux.protocol import jsonrpc
from callmux.session.session import Session
from callmux.upstream import pool
from callmux.upstream.links.link import Link
from callmux.upstream.links.opening import open_link
from tests.support import SECONDS, run

from .carriers import CARRIERS, MemoryLink, carried
from .hearing import Hearing, request_line
from .raw_server import Answer, Json, RawServer, dump
from .requirements import requirement

REVISIONS = ("2025-06-18", "2025-11-25")

TRANSPARENT: Json = {
    "exposeMetaTools": False,
    "toolNameLimit": 0,
    "responseShield": {"enabled": False},
    "schemaCompression": {"enabled": False},
}

over_carriers = pytest.mark.parametrize("carrier", CARRIERS)
over_revisions = pytest.mark.parametrize("revision", REVISIONS)


def interaction(*ids: str, seconds: float = SECONDS) -> Callable[[Any], Any]:
    """A test that is a coroutine, bounded in time, and the requirements it shows."""

    def decorate(test: Any) -> Any:
        @functools.wraps(test)
        def bounded(*args: Any, **kwargs: Any) -> None:
            run(test(*args, **kwargs), seconds)

        bounded.__signature__ = inspect.signature(test)  # type: ignore[attr-defined]
        return requirement(*ids)(bounded)

    return decorate


class Refused(Exception):
    """A JSON-RPC error that a client got."""

    def __init__(self, error: Json) -> None:
        super().__init__(f"{error.get('code')}: {error.get('message')}")
        self.error = error


class Client(Hearing):
    """A client.

    Attributes:
        lines: Every line that came.
        asked: Every question that came: the whole message.
        answers: What it answers to a question, by method: a body, or a function of the message.
        raw: The line of each answer, by id.
        greeting: What it was greeted with, where a test keeps that.
    """

    def __init__(self, host: Host) -> None:
        self.session = Session(host.dispatch, self._receive)
        super().__init__()
        self.lines: list[bytes] = []
        self.asked: list[Json] = []
        self.answers: dict[str, Any] = {}
        self.raw: dict[Any, bytes] = {}
        self.greeting: Json = {}
        self._host = host
        self._last = 0
        self._waiting: dict[Any, asyncio.Future[Json]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        host.add(self.session)

    def write(self, line: bytes) -> None:
        """Sends one line."""
        self.session.receive(jsonrpc.parse(line))

    def _receive(self, line: bytes) -> None:
        assert line.endswith(b"\n")
        assert line.count(b"\n") == 1
        self.lines.append(line)
        message = json.loads(line)
        if "method" not in message:
            self.raw[message["id"]] = line
            waiter = self._waiting.pop(message["id"], None)
            assert waiter is not None, f"an answer to nothing: {line!r}"
            if not waiter.done():
                waiter.set_result(message)
        elif "id" in message:
            self.asked.append(message)
            task = asyncio.get_running_loop().create_task(self._answer(message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self.notes.append((message["method"], message.get("params")))
        self.wake()

    async def _answer(self, message: Json) -> None:
        answer = self.answers.get(message["method"])
        body = answer(message) if callable(answer) else answer
        if inspect.isawaitable(body):
            body = await body
        if body is not None:
            self.reply(message["id"], result=body)

    def reply(self, id: Any, **member: Answer) -> None:
        """Answers a question: `result=` or `error=`."""
        ((name, body),) = member.items()
        self.write(
            b'{"jsonrpc":"2.0","id":%b,"%b":%b}' % (json.dumps(id).encode(), name.encode(), dump(body))
        )

    def send(self, method: str, params: Answer | None = None, id: Any = None) -> asyncio.Future[Json]:
        """Sends a request; the future gives the whole answer."""
        if id is None:
            self._last += 1
            id = f"c{self._last}"
        waiter = self._waiting[id] = asyncio.get_running_loop().create_future()
        self.write(request_line(id, method, None if params is None else dump(params)))
        return waiter

    async def request(self, method: str, params: Answer | None = None) -> Any:
        """The result of a request.

        Raises:
            Refused: It was answered with an error.
        """
        message = await self.send(method, params)
        if "error" in message:
            raise Refused(message["error"])
        return message["result"]

    async def result(self, method: str, params: Answer | None = None) -> bytes:
        """The bytes of the result of a request."""
        message = await self.send(method, params)
        line = self.raw[message["id"]]
        _, found, rest = line.partition(b'"result":')
        assert found, line
        return rest.removesuffix(b"}\n")

    async def call(self, tool: str, arguments: Answer | None = None, **more: Any) -> Json:
        """The result of a tool call."""
        given = {} if arguments is None else {"arguments": arguments}
        result: Json = await self.request("tools/call", {"name": tool, **given, **more})
        return result

    async def refused(self, method: str, params: Answer | None = None) -> Json:
        """The error of a request."""
        with pytest.raises(Refused) as caught:
            await self.request(method, params)
        return caught.value.error

    def notify(self, method: str, params: Answer | None = None) -> None:
        body = b"" if params is None else b',"params":' + dump(params)
        self.write(b'{"jsonrpc":"2.0","method":%b%b}' % (json.dumps(method).encode(), body))

    async def greet(self, version: str = "2025-11-25", capabilities: Json | None = None) -> Json:
        """The handshake; gives the result of `initialize`."""
        about = {"name": "test", "version": "1"}
        result: Json = await self.request(
            "initialize",
            {"protocolVersion": version, "capabilities": capabilities or {}, "clientInfo": about},
        )
        self.notify("notifications/initialized")
        return result

    def heard(self, method: str) -> list[Any]:
        """The params of every notification of this method so far."""
        return [params for name, params in self.notes if name == method]

    async def leave(self) -> None:
        """The client is gone."""
        await self._host.remove(self.session)


class Bench:
    """A host and its servers.

    Attributes:
        host: The host.
        entries: The servers' entries in the configuration.
    """

    def __init__(self, host: Host, entries: dict[str, Json]) -> None:
        self.host = host
        self.entries = entries

    def client(self) -> Client:
        """A client that has not greeted yet."""
        return Client(self.host)

    async def greeted(self, version: str = "2025-11-25", capabilities: Json | None = None) -> Client:
        """A client that has greeted, once every server is up or has failed."""
        client = self.client()
        await client.greet(version, capabilities)
        await self.host.runtime.settled()
        return client


@contextlib.asynccontextmanager
async def bench(
    *servers: RawServer,
    carrier: str = "memory",
    tmp_path: Path | None = None,
    single: bool = True,
    entry: Json | None = None,
    entries: dict[str, Json] | None = None,
    env: dict[str, str] | None = None,
    clock: Clock | None = None,
    greets_late: bool = True,
    **config: Any,
) -> AsyncIterator[Bench]:
    """A host in front of these servers.

    Args:
        carrier: What stands between, one of `CARRIERS`.
        entry: Further keys of every server's entry.
        entries: Further servers by name.
        env: Further variables of the environment.
        clock: Time, where a test moves it.
        greets_late: Whether a client is greeted once servers are up, however busy the machine is.
        config: Further keys of the configuration.
    """
    in_memory = {server.name: server for server in servers}

    def opened(name: str, config: Any, around: Any, scope: Any) -> Link:
        if getattr(config, "command", None) == "memory":
            return MemoryLink(in_memory[name])
        return open_link(name, config, around, scope)

    async with contextlib.AsyncExitStack() as stack:
        all: dict[str, Json] = {}
        for server in servers:
            stack.push_async_callback(server.close)
            carried_by = await stack.enter_async_context(carried(server, carrier, tmp_path or Path()))
            all[server.name] = {**carried_by, **(entry or {})}
        all.update(entries or {})
        stack.enter_context(mock.patch.object(pool, "open_link", opened))
        if greets_late:
            stack.enter_context(mock.patch.object(host_module, "GREETING_SECONDS", SECONDS))
        document = {"servers": all, "reconnectPolicy": {"initialDelayMs": 10, "jitterRatio": 0}, **config}
        checked = check_document(document)
        assert not checked.errors, checked.errors
        host = Host(
            checked.config,
            tmp_path or Path(),
            {"PATH": "/usr/bin:/bin", **(env or {})},
            lambda *_: None,
            single=single,
            clock=clock,
        )
        stack.push_async_callback(host.close)
        try:
            yield Bench(host, all)
        finally:
            host.strict_failure.cancel()
