"""The ways that a call can take through callmux, and raw clients that send calls along them in waves.

Used by `instructions.py` and `frames.py`. A wave is written in one go, and the next one begins when all of
it is answered: what callmux finds to read is then the same in every run.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from ports import free_port, listens

SERVER = Path(__file__).with_name("server.py")
SECONDS = 240
"""The longest that one answer may take, under callgrind on a busy machine."""
IN_FLIGHT = 16
FAN = 10
REVISION = "2026-07-28"
ABOUT = {"name": "bench", "version": "1"}
OF_REQUEST = {
    "io.modelcontextprotocol/protocolVersion": REVISION,
    "io.modelcontextprotocol/clientInfo": ABOUT,
    "io.modelcontextprotocol/clientCapabilities": {},
}
"""What a request of the revision without a handshake says of itself."""

Params = dict[str, Any]
Wrap = Callable[[list[str]], list[str]]
"""Puts a measuring program before a command."""


class Way(NamedTuple):
    """One way of a call.

    Attributes:
        name: What it is called.
        process: Which of `PROCESSES` it goes through.
        width: Calls at a time.
        params: The params of call number n.
    """

    name: str
    process: str
    width: int
    params: Callable[[int], Params]


def _plain(n: int) -> Params:
    return {"name": "get_item", "arguments": {"id": n}}


def _modern(n: int) -> Params:
    return {**_plain(n), "_meta": OF_REQUEST}


def _with_token(n: int) -> Params:
    return {**_plain(n), "_meta": {"progressToken": n}}


def _read(n: int) -> Params:
    return {"name": "read_item", "arguments": {"id": n}}


def _cached(n: int) -> Params:
    return {"name": "read_item", "arguments": {"id": 1}}


def _parallel(n: int) -> Params:
    calls = [{"tool": "get_item", "arguments": {"id": n + k}} for k in range(FAN)]
    return {"name": "callmux_parallel", "arguments": {"calls": calls}}


WAYS = [
    Way("plain", "stdio", IN_FLIGHT, _plain),
    Way("progress token", "stdio", IN_FLIGHT, _with_token),
    Way("read-only", "stdio", IN_FLIGHT, _read),
    Way("parallel of ten", "stdio", 1, _parallel),
    Way("cached", "stdio with a cache", IN_FLIGHT, _cached),
    Way("listener", "listener", IN_FLIGHT, _plain),
    Way("modern client", "listener without sessions", IN_FLIGHT, _modern),
    Way("listener with token", "listener that asks for a token", IN_FLIGHT, _plain),
    Way("guarded listener", "guarded listener", IN_FLIGHT, _plain),
    Way("guarded modern client", "guarded listener without sessions", IN_FLIGHT, _modern),
    Way("bridge", "bridge", IN_FLIGHT, _plain),
    Way("bridged listener", "bridged listener", IN_FLIGHT, _plain),
]
PROCESSES = list(dict.fromkeys(way.process for way in WAYS))
GUARDED: Params = {
    "auth": {"mode": "bearer", "tokens": [{"id": "bench", "tokenRef": "file:token"}]},
    "authorization": {
        "defaultEffect": "deny",
        "rules": [{"effect": "allow", "principals": ["bearer:bench"]}],
    },
    "abuseControls": {
        "globalRequestsPerMinute": 10**9,
        "principalRequestsPerMinute": 10**9,
        "principalMaxInFlight": 10**6,
        "cidrAllowlist": ["127.0.0.0/8"],
    },
    "auditLog": {"enabled": True, "path": "audit.jsonl"},
}
"""Everything that a listener can be asked to check and to write down of a call."""
TOKEN = "a-token-of-about-the-usual-length-of-tokens"
GREETING = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": ABOUT}


class Client:
    """Whoever sends waves to one process."""

    process: subprocess.Popen[bytes]

    def wave(self, params: Callable[[int], Params], width: int) -> None:
        """Sends `width` calls at once and waits for all answers.

        Raises:
            RuntimeError: A call failed, or an answer does not come.
        """
        raise NotImplementedError

    def waves(self, way: Way, count: int, width: int | None = None) -> int:
        """So many waves; how many calls that were."""
        width = width or way.width
        for _ in range(count):
            self.wave(way.params, width)
        return count * width


def _message(id: int | None, method: str, params: Params) -> bytes:
    known = {} if id is None else {"id": id}
    return orjson.dumps({"jsonrpc": "2.0", **known, "method": method, "params": params})


def _check(answer: bytes) -> None:
    found = orjson.loads(answer)
    if "result" not in found or found["result"].get("isError"):
        raise RuntimeError(f"a call failed: {answer[:300]!r}")


class StdioClient(Client):
    """The client of one process on its standard input and output."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self._in, self._out = process.stdin.fileno(), process.stdout.fileno()
        self._rest = b""
        self._id = 0

    def greet(self) -> None:
        """Greets, and waits until the tools are listed."""
        self._ask("initialize", GREETING)
        os.write(self._in, _message(None, "notifications/initialized", {}) + b"\n")
        end = time.monotonic() + SECONDS
        while b'"get_item"' not in self._ask("tools/list", {}):
            if time.monotonic() > end:
                raise RuntimeError("the tools are not listed")

    def _ask(self, method: str, params: Params) -> bytes:
        self._id += 1
        os.write(self._in, _message(self._id, method, params) + b"\n")
        return self._answers(1)[0]

    def _answers(self, count: int) -> list[bytes]:
        found: list[bytes] = []
        while len(found) < count:
            if not select.select([self._out], [], [], SECONDS)[0]:
                raise RuntimeError(f"no answer within {SECONDS} s")
            data = os.read(self._out, 1 << 20)
            if not data:
                raise RuntimeError("the process ended")
            *lines, self._rest = (self._rest + data).split(b"\n")
            found += [line for line in lines if b'"method"' not in line[:60]]
        return found

    def wave(self, params: Callable[[int], Params], width: int) -> None:
        first = self._id + 1
        self._id += width
        ids = range(first, first + width)
        os.write(self._in, b"".join(_message(id, "tools/call", params(id)) + b"\n" for id in ids))
        for answer in self._answers(width):
            _check(answer)


class BridgedClient(Client):
    """The client of a bridge, where the listener behind it is looked at."""

    def __init__(self, process: subprocess.Popen[bytes], bridge: StdioClient) -> None:
        self.process = process
        self._bridge = bridge

    def wave(self, params: Callable[[int], Params], width: int) -> None:
        self._bridge.wave(params, width)


class HttpClients(Client):
    """Sixteen clients of a listener, each with a connection and a session of its own."""

    def __init__(
        self, process: subprocess.Popen[bytes], port: int, token: str = "", kind: type[_Http] | None = None
    ) -> None:
        self.process = process
        self._all = [(kind or _Http)(port, token) for _ in range(IN_FLIGHT)]
        self._count = 0

    def wave(self, params: Callable[[int], Params], width: int) -> None:
        some = self._all[:width]
        for client in some:
            self._count += 1
            client.send(_message(self._count, "tools/call", params(self._count)))
        for client in some:
            _check(client.answer())


class _Http:
    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._token = token
        self._socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""
        self._session = ""
        self.greet()

    def greet(self) -> None:
        """Greets, and waits until the tools are listed."""
        self.send(_message(1, "initialize", GREETING))
        self.answer()
        self.send(_message(None, "notifications/initialized", {}))
        self.answer()
        self.until_listed({})

    def until_listed(self, params: Params) -> None:
        """Waits until the tools are listed."""
        end = time.monotonic() + SECONDS
        listed = b""
        while b'"get_item"' not in listed:
            if time.monotonic() > end:
                raise RuntimeError("the tools are not listed")
            self.send(_message(2, "tools/list", params), self.named("tools/list"))
            listed = self.answer()

    def named(self, method: str, tool: str = "") -> list[str]:
        """Headers that say what a body says."""
        return ["MCP-Protocol-Version: 2025-06-18"]

    def send(self, body: bytes, named: list[str] | None = None) -> None:
        head = [
            "POST /mcp HTTP/1.1",
            f"Host: 127.0.0.1:{self._port}",
            "Content-Type: application/json",
            "Accept: application/json, text/event-stream",
            *(self.named("tools/call", "get_item") if named is None else named),
            f"Content-Length: {len(body)}",
        ]
        if self._session:
            head.append(f"Mcp-Session-Id: {self._session}")
        if self._token:
            head.append(f"Authorization: Bearer {self._token}")
        self._socket.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)

    def answer(self) -> bytes:
        data = self._rest
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, data = data.partition(b"\r\n\r\n")
        text = head.decode("latin-1")
        if found := re.search(r"(?i)^mcp-session-id: (\S+)", text, re.M):
            self._session = found[1]
        if found := re.search(r"(?i)^content-length: (\d+)", text, re.M):
            while len(data) < int(found[1]):
                data += self._more()
            body, self._rest = data[: int(found[1])], data[int(found[1]) :]
            return body
        if "chunked" not in text.lower():
            self._rest = data
            return b""
        while not data.endswith(b"0\r\n\r\n"):
            data += self._more()
        self._rest = b""
        return [line[5:] for line in data.split(b"\n") if line.startswith(b"data:") and len(line) > 8][-1]

    def _more(self) -> bytes:
        data = self._socket.recv(1 << 16)
        if not data:
            raise RuntimeError("the listener closed a connection")
        return data


class _Modern(_Http):
    """A client of the revision without a handshake."""

    def greet(self) -> None:
        self.until_listed({"_meta": OF_REQUEST})

    def named(self, method: str, tool: str = "") -> list[str]:
        name = [f"Mcp-Name: {tool}"] if tool else []
        return [f"MCP-Protocol-Version: {REVISION}", f"Mcp-Method: {method}", *name]


class Products:
    """What starts the processes, each with a home of its own.

    Args:
        command: What starts callmux.
        folder: An empty folder.
        more: Variables that they have beside the usual ones.
    """

    def __init__(self, command: str, folder: Path, more: Mapping[str, str] | None = None) -> None:
        self._more = dict(more or {})
        self._command = shlex.split(command)
        self._folder = folder
        self._homes = 0

    def environment(self) -> dict[str, str]:
        """The same in every run: what is not needed is not there."""
        self._homes += 1
        home = self._folder / f"home{self._homes}"
        home.mkdir()
        kept = {key: os.environ[key] for key in ("PATH", "PYTHONPATH") if key in os.environ}
        return {**kept, "HOME": str(home), "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", **self._more}

    def _config(self, **more: Any) -> str:
        server = {"command": sys.executable, "args": [str(SERVER), "--tools", "10", "--reads"]}
        path = self._folder / f"config{len(more)}.json"
        path.write_text(json.dumps({"servers": {"bench": server}, **more}), "utf-8")
        return str(path)

    @contextlib.contextmanager
    def client(self, process: str, wrap: Wrap) -> Iterator[Client]:
        """A greeted client of one of `PROCESSES`, with `wrap` around what is measured."""
        with contextlib.ExitStack() as stack:
            match process:
                case "listener":
                    running, port = stack.enter_context(self._listener(wrap))
                    yield HttpClients(running, port)
                case "listener without sessions":
                    running, port = stack.enter_context(self._listener(wrap))
                    yield HttpClients(running, port, kind=_Modern)
                case "guarded listener" | "guarded listener without sessions":
                    (self._folder / "token").write_text(TOKEN)
                    running, port = stack.enter_context(self._listener(wrap, **GUARDED))
                    yield HttpClients(running, port, TOKEN, _Modern if "without" in process else None)
                case "listener that asks for a token":
                    tokens = [{"id": "bench", "tokenRef": "file:token"}]
                    (self._folder / "token").write_text(TOKEN)
                    auth = {"mode": "bearer", "tokens": tokens}
                    running, port = stack.enter_context(self._listener(wrap, auth=auth))
                    yield HttpClients(running, port, TOKEN)
                case "bridge":
                    _, words = stack.enter_context(self._bridged(lambda words: words))
                    yield stack.enter_context(self._stdio(wrap(words)))
                case "bridged listener":
                    running, words = stack.enter_context(self._bridged(wrap))
                    yield BridgedClient(running, stack.enter_context(self._stdio(words)))
                case "stdio with a cache":
                    more = {"cacheTtlSeconds": 3600, "cachePolicy": {"allowTools": ["read_item"]}}
                    words = [*self._command, "--config", self._config(**more)]
                    yield stack.enter_context(self._stdio(wrap(words)))
                case _:
                    words = [*self._command, "--config", self._config()]
                    yield stack.enter_context(self._stdio(wrap(words)))

    @contextlib.contextmanager
    def _bridged(self, wrap: Wrap) -> Iterator[tuple[subprocess.Popen[bytes], list[str]]]:
        """A listener with `wrap` around it, and what starts a bridge to it."""
        with self._listener(wrap) as (running, port):
            # It lists the tools before the bridge asks.
            HttpClients(running, port)
            yield running, [*self._command, "bridge", "--url", f"http://127.0.0.1:{port}/mcp"]

    @contextlib.contextmanager
    def _started(self, words: list[str], **pipes: Any) -> Iterator[subprocess.Popen[bytes]]:
        process = subprocess.Popen(
            words, env=self.environment(), stderr=subprocess.DEVNULL, bufsize=0, close_fds=False, **pipes
        )
        try:
            yield process
        finally:
            if process.stdin is not None:
                process.stdin.close()
            for end in (process.terminate, process.kill):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    if process.stdin is None or end == process.kill:
                        end()
                    process.wait(30)
                    break
            if process.stdout is not None:
                process.stdout.close()

    @contextlib.contextmanager
    def _stdio(self, words: list[str]) -> Iterator[StdioClient]:
        with self._started(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            client = StdioClient(process)
            client.greet()
            yield client

    @contextlib.contextmanager
    def _listener(self, wrap: Wrap, **more: Any) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
        port = free_port()
        words = wrap([*self._command, "--config", self._config(**more), "--listen", str(port)])
        with self._started(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
            end = time.monotonic() + SECONDS
            while not listens(port):
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"{' '.join(words)} does not listen")
                time.sleep(0.05)
            yield process, port
