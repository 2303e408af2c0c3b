"""callmux as a process, a plain client on its pipes, and what can be seen of processes from outside.

Every wait here is bounded: a test that hangs fails, and says what it waited for. Every process that a test
starts carries a mark of its own in its environment, so that whatever is left of it can be found.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from tests.support import SECONDS

HERE = Path(__file__).parent
MARK = "CALLMUX_TEST_MARK"
ANSWER_SECONDS = SECONDS
"""How long an answer may take where a test says nothing else: far more than any takes."""

Json = dict[str, Any]


def run(work: Coroutine[Any, Any, Any], seconds: float = 2 * SECONDS) -> Any:
    """Runs a test's coroutine; it may take `seconds` in all."""

    async def bounded() -> Any:
        async with asyncio.timeout(seconds):
            return await work

    return asyncio.run(bounded())


async def until(what: str, true: Callable[[], Any], seconds: float = ANSWER_SECONDS) -> Any:
    """Waits until `true()` gives something true, and gives it."""
    end = asyncio.get_running_loop().time() + seconds
    while not (value := true()):
        if asyncio.get_running_loop().time() > end:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        await asyncio.sleep(0.01)
    return value


def python_server(script: str, *args: str | Path) -> list[str]:
    """The command of one of the servers in this directory."""
    return [sys.executable, "-I", str(HERE / script), *map(str, args)]


def stdio(command: list[str], **more: Any) -> Json:
    """A server's entry in a configuration."""
    return {"command": command[0], "args": command[1:], **more}


def write_config(path: Path, servers: Json, **more: Any) -> Path:
    """Writes a configuration the way editors do: at once, by renaming."""
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps({"servers": servers, **more}))
    beside.replace(path)
    return path


# ---- processes -----------------------------------------------------------------------------------------


def marked(mark: str) -> list[psutil.Process]:
    """Every living process with this mark in its environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def alive(process: psutil.Process) -> bool:
    """Whether this very process still runs; a zombie does not."""
    return not is_zombie(process) and process.is_running()


def is_zombie(process: psutil.Process) -> bool:
    """Whether it has ended and nobody has asked how; False once somebody has."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


# ---- the client ----------------------------------------------------------------------------------------


class Refused(Exception):
    """A JSON-RPC error."""

    def __init__(self, error: Json) -> None:
        super().__init__(f"{error.get('code')}: {error.get('message')}")
        self.error = error


class Client:
    """A client that writes and reads lines and hides nothing.

    Attributes:
        notes: Every notification that came, as it was parsed.
        asked: Every question that came; each is answered at once, with nothing of use.
        answers: What it answers to a question: `result` or `error`; None for nothing at all.
        raw: The bytes of the last answer by request id.
    """

    def __init__(self, process: asyncio.subprocess.Process, mark: str, log: Path) -> None:
        self.process = process
        self.mark = mark
        self.log = log
        self.notes: list[Json] = []
        self.asked: list[Json] = []
        self.answers: Callable[[Json], Json | None] = lambda message: _reply(message["method"])
        self.raw: dict[Any, bytes] = {}
        self.ended = asyncio.Event()
        self.may_read = asyncio.Event()
        self.may_read.set()
        self._waiting: dict[Any, asyncio.Future[Json]] = {}
        self._last = 0
        self._reader = asyncio.get_running_loop().create_task(self._read())

    @property
    def ps(self) -> psutil.Process:
        return psutil.Process(self.process.pid)

    @property
    def said(self) -> str:
        """What callmux wrote to stderr."""
        return self.log.read_text(errors="replace")

    async def _read(self) -> None:
        assert self.process.stdout is not None
        try:
            while True:
                await self.may_read.wait()
                line = await self.process.stdout.readline()
                if not line:
                    return
                message = json.loads(line)
                if "method" in message and "id" not in message:
                    self.notes.append(message)
                    continue
                if "method" in message:
                    self.asked.append(message)
                    if (reply := self.answers(message)) is not None:
                        self.write({"jsonrpc": "2.0", "id": message["id"], **reply})
                    continue
                self.raw[message.get("id")] = line
                waiter = self._waiting.pop(message.get("id"), None)
                if waiter is not None and not waiter.done():
                    waiter.set_result(message)
        finally:
            self.ended.set()
            for waiter in self._waiting.values():
                if not waiter.done():
                    waiter.set_exception(AssertionError("callmux ended before it answered"))
                    # Nobody need wait for it: most tests end with a request or two in flight.
                    waiter.exception()

    def write(self, message: Json | bytes) -> None:
        """Writes one line."""
        assert self.process.stdin is not None
        line = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.process.stdin.write(line + b"\n")

    def send(self, method: str, params: Any = None, id: Any = None) -> asyncio.Future[Json]:
        """Sends a request; the future gives the whole answer."""
        if id is None:
            self._last += 1
            id = self._last
        waiter: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        if self.ended.is_set():
            waiter.set_exception(AssertionError("callmux has ended"))
            return waiter
        self._waiting[id] = waiter
        self.write(
            {"jsonrpc": "2.0", "id": id, "method": method} | ({} if params is None else {"params": params})
        )
        return waiter

    async def request(self, method: str, params: Any = None, seconds: float = ANSWER_SECONDS) -> Any:
        """The result of a request.

        Raises:
            Refused: It was answered with an error.
        """
        async with asyncio.timeout(seconds):
            message = await self.send(method, params)
        if "error" in message:
            raise Refused(message["error"])
        return message["result"]

    def notify(self, method: str, params: Any = None) -> None:
        self.write({"jsonrpc": "2.0", "method": method} | ({} if params is None else {"params": params}))

    async def initialize(self, version: str = "2025-11-25", capabilities: Json | None = None) -> Json:
        about = {"name": "test", "version": "1"}
        params = {"protocolVersion": version, "capabilities": capabilities or {}, "clientInfo": about}
        result: Json = await self.request("initialize", params)
        self.notify("notifications/initialized")
        return result

    async def tools(self) -> list[Json]:
        listed: list[Json] = (await self.request("tools/list"))["tools"]
        return listed

    async def names(self) -> set[str]:
        """The names of the servers' tools, without the meta-tools."""
        return {tool["name"] for tool in await self.tools() if not tool["name"].startswith("callmux_")}

    async def call(
        self, tool: str, arguments: Any = None, seconds: float = ANSWER_SECONDS, **more: Any
    ) -> Json:
        """The result of a `tools/call`."""
        params = {"name": tool, **({} if arguments is None else {"arguments": arguments}), **more}
        result: Json = await self.request("tools/call", params, seconds)
        return result

    def changes(self) -> int:
        """How often it was told that the tools changed."""
        return sum(note["method"] == "notifications/tools/list_changed" for note in self.notes)

    async def leave(self, seconds: float = ANSWER_SECONDS) -> int:
        """Closes stdin and gives the exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        async with asyncio.timeout(seconds):
            return await self.process.wait()

    async def _end(self) -> None:
        self.may_read.set()
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
        # The process counts as ended once its pipes are: what is still in them is read, then they close.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                await self.process.wait()
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        self.process._transport.close()  # type: ignore[attr-defined]
        for _ in range(3):
            await asyncio.sleep(0)


def _reply(method: str) -> Json:
    """What a client answers to a server's question."""
    known: Json = {
        "ping": {},
        "roots/list": {"roots": []},
        "elicitation/create": {"action": "decline"},
        "sampling/createMessage": {
            "role": "assistant",
            "content": {"type": "text", "text": "no"},
            "model": "none",
        },
    }
    if method in known:
        return {"result": known[method]}
    return {"error": {"code": -32601, "message": f"{method} is not known"}}


@contextlib.asynccontextmanager
async def callmux(
    tmp_path: Path,
    *args: str | Path,
    env: dict[str, str] | None = None,
    mark: str | None = None,
    stderr: int | None = None,
    program: Sequence[str] = (sys.executable, "-m", "callmux"),
) -> AsyncIterator[Client]:
    """A callmux process with a client on its pipes, not yet greeted. Nothing of it is left afterwards.

    Args:
        mark: One that other processes carry, too; an own one by default.
        stderr: Where its stderr goes; into a file by default.
        program: Another callmux than this one.
    """
    mark = mark or uuid.uuid4().hex
    log = tmp_path / f"stderr-{mark[:6]}.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *program,
            *map(str, args),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors if stderr is None else stderr,
            limit=64 * 1024 * 1024,
            env=environment(tmp_path, mark) | (env or {}),
            cwd=tmp_path,
        )
    client = Client(process, mark, log)
    try:
        yield client
    finally:
        await client._end()
        with swept(mark):
            pass


@contextlib.contextmanager
def swept(mark: str) -> Iterator[None]:
    """Ends whatever a failed test has left."""
    try:
        yield
    finally:
        for process in marked(mark):
            with contextlib.suppress(psutil.Error):
                process.kill()


def environment(tmp_path: Path, mark: str) -> dict[str, str]:
    """The environment of a callmux that knows nothing of this machine's user."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CALLMUX_")}
    return kept | {MARK: mark, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "xdg")}


# ---- results -------------------------------------------------------------------------------------------


def text_of(result: Any) -> str:
    """The text of a result's only content block."""
    (block,) = result["content"]
    return str(block["text"])


def error_of(result: Any) -> Json:
    """The error that callmux put into a result: code, message, details."""
    assert result.get("isError") is True, result
    error: Json = result["structuredContent"]["error"]
    return error
