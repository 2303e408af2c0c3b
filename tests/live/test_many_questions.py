"""Many clients of both eras at one listener, all asked at the same time: each is asked what is its own.

    python -m tests.live.test_many_questions [QUESTIONS]

Half of the clients greet, the others do not; so do the two servers. A client that is asked keeps its answer
back until others are asked, too, and the answers go out in an order by chance. CI asks a part of what the
command above does.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import ExitStack, aclosing
from pathlib import Path
from typing import Any

import aiohttp

from tests.conformance.ways import alone, hear_first_questions
from tests.support import free_port

from .harness import Json, run, stdio, write_config
from .modern import heads, meta
from .test_listener import run_listener

CLIENTS = 20
AT_ONCE = 12
"""Questions that are open before one of them is answered."""
FULL = 1000
SECONDS = 300.0
HANDSHAKE_SERVER = Path(__file__).parent.parent / "conformance" / "server.py"
SERVERS = ("old", "new")
"""One that greets and asks by itself, and one that answers with its questions."""
DECLARED: Json = {"elicitation": {}, "sampling": {}}
META = meta(**DECLARED)
HEAD = {"Accept": "application/json, text/event-stream"}


class Crowd:
    """All clients: which questions are open, and who may answer next.

    Attributes:
        calls: Calls in flight.
        most: How many questions were open at the same time.
    """

    def __init__(self, seed: int) -> None:
        self.calls = 0
        self.most = 0
        self._chance = random.Random(seed)
        self._open: list[asyncio.Event] = []

    async def turn(self) -> None:
        """Waits until this question may be answered."""
        mine = asyncio.Event()
        self._open.append(mine)
        self.most = max(self.most, len(self._open))
        self.look()
        await mine.wait()

    def look(self) -> None:
        """Lets somebody answer where enough questions are open, or all who call wait for an answer."""
        while self._open and len(self._open) >= min(AT_ONCE, self.calls):
            self._open.pop(self._chance.randrange(len(self._open))).set()


class Guest:
    """One client.

    Args:
        me: Its name, which stands in all that it asks for.

    Attributes:
        asked: What it was asked, as the server words it.
    """

    def __init__(self, me: str, url: str, web: aiohttp.ClientSession, crowd: Crowd) -> None:
        self.me, self.url, self.web, self.crowd = me, url, web, crowd
        self.asked: list[str] = []
        self._last = 0

    async def greet(self) -> None: ...

    async def call(self, server: str, number: int) -> None:
        """One call, in the middle of which it is asked; its result has what it said."""
        mine = f"{self.me}/{number}"
        tool, arguments = ("elicitation", "message") if number % 2 else ("sampling", "prompt")
        self.crowd.calls += 1
        try:
            result = await self.made(f"{server}__test_{tool}", {arguments: mine})
        finally:
            self.crowd.calls -= 1
            self.crowd.look()
        (block,) = result["content"]
        assert f"said by {mine}." in block["text"], (mine, block["text"])

    async def made(self, tool: str, arguments: Json) -> Json:
        """The result of a call."""
        raise NotImplementedError

    def next(self) -> int:
        self._last += 1
        return self._last

    async def says(self, method: str, params: Json) -> Json:
        """Its answer to a question, in its turn."""
        if method == "elicitation/create":
            wanted = params["message"]
        else:
            wanted = params["messages"][0]["content"]["text"]
        self.asked.append(wanted)
        await self.crowd.turn()
        said = f"said by {wanted}."
        if method == "elicitation/create":
            return {"action": "accept", "content": {"username": said, "email": "a@example.org"}}
        return {"role": "assistant", "content": {"type": "text", "text": said}, "model": "m"}


class Greeting(Guest):
    """A client with a session."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._head = dict(HEAD)
        self._answers: set[asyncio.Task[None]] = set()

    async def greet(self) -> None:
        about = {"name": self.me, "version": "1"}
        params = {"protocolVersion": "2025-11-25", "capabilities": DECLARED, "clientInfo": about}
        hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
        async with self.web.post(self.url, json=hello, headers=HEAD) as answer:
            assert answer.status == 200, await answer.text()
            self._head["Mcp-Session-Id"] = answer.headers["Mcp-Session-Id"]
        await self._tell({"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def made(self, tool: str, arguments: Json) -> Json:
        id = self.next()
        params = {"name": tool, "arguments": arguments}
        request = {"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}
        async with (
            self.web.post(self.url, json=request, headers=self._head) as answer,
            aclosing(messages(answer)) as coming,
        ):
            async for message in coming:
                if "method" in message and "id" in message:
                    task = asyncio.get_running_loop().create_task(self._reply(message))
                    self._answers.add(task)
                    task.add_done_callback(self._answers.discard)
                elif message.get("id") == id:
                    return done(message)
        raise AssertionError(f"{self.me}: no answer")

    async def _reply(self, question: Json) -> None:
        said = await self.says(question["method"], question["params"])
        await self._tell({"jsonrpc": "2.0", "id": question["id"], "result": said})

    async def _tell(self, message: Json) -> None:
        async with self.web.post(self.url, json=message, headers=self._head) as answer:
            assert answer.status == 202, await answer.text()


class Plain(Guest):
    """A client without a session: it is answered with questions, and comes again."""

    async def made(self, tool: str, arguments: Json) -> Json:
        params: Json = {"name": tool, "arguments": arguments, "_meta": META}
        more: Json = {}
        while True:
            result = await self._calls({**params, **more})
            if result["resultType"] == "complete":
                return result
            asked = result["inputRequests"]
            said = {key: await self.says(one["method"], one["params"]) for key, one in asked.items()}
            more = {"inputResponses": said, "requestState": result["requestState"]}

    async def _calls(self, params: Json) -> Json:
        head = {**HEAD, **heads("tools/call", params)}
        request = {"jsonrpc": "2.0", "id": self.next(), "method": "tools/call", "params": params}
        async with (
            self.web.post(self.url, json=request, headers=head) as answer,
            aclosing(messages(answer)) as coming,
        ):
            async for message in coming:
                if message.get("id") == request["id"]:
                    return done(message)
        raise AssertionError(f"{self.me}: no answer")


def done(message: Json) -> Json:
    """The result of an answer."""
    result = message.get("result")
    assert isinstance(result, dict), message
    assert not result.get("isError"), message
    return result


async def messages(answer: aiohttp.ClientResponse, *, whole: bool = True) -> AsyncGenerator[Json, None]:
    """What comes as an answer to a POST.

    Args:
        whole: Whether it must be a result; else it may be a refusal with a body.
    """
    assert answer.status == 200 or not whole, await answer.text()
    if answer.content_type == "application/json":
        yield await answer.json()
        return
    data = b""
    async for line in answer.content:
        if line.startswith(b"data:"):
            data += line[5:].strip()
        elif not line.strip() and data:
            yield json.loads(data)
            data = b""


async def questioned(url: str, questions: int, seed: int) -> Crowd:
    """All clients call until each has been asked its part of the questions, on both servers at once."""
    crowd, each = Crowd(seed), questions // CLIENTS
    connector = aiohttp.TCPConnector(limit=0)
    time = aiohttp.ClientTimeout(total=SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=time) as web:
        guests = [(Greeting if n % 2 else Plain)(f"client{n}", url, web, crowd) for n in range(CLIENTS)]
        await asyncio.gather(*(guest.greet() for guest in guests))

        async def work(guest: Guest, numbers: range, server: str) -> None:
            for number in numbers:
                await guest.call(server, number)

        async with asyncio.TaskGroup() as group:
            for guest in guests:
                for at, server in enumerate(SERVERS):
                    group.create_task(work(guest, range(at * each // 2, (at + 1) * each // 2), server))
    for guest in guests:
        assert sorted(guest.asked) == sorted(f"{guest.me}/{n}" for n in range(each)), guest.me
    return crowd


def scene(questions: int, folder: Path, seed: int) -> Crowd:
    """A listener in front of a server of each era, and what becomes of so many questions."""
    port = free_port()
    with ExitStack() as stack:
        entries = {
            "old": stdio([sys.executable, "-I", str(HANDSHAKE_SERVER)]),
            "new": {"url": stack.enter_context(alone(folder))},
        }
        more = {"exposeMetaTools": False, "maxScopedClients": 100, "maxScopedClientsPerServer": 100}
        config = write_config(folder / "callmux.json", entries, **more)
        stack.enter_context(run_listener(folder, config, port))
        hear_first_questions(port, prefix="old__")
        crowd: Crowd = run(questioned(f"http://127.0.0.1:{port}/mcp", questions, seed), SECONDS)
    return crowd


def test_twenty_clients_of_both_eras_are_each_asked_what_is_their_own(tmp_path: Path) -> None:
    crowd = scene(100, tmp_path, seed=1)
    assert crowd.most >= AT_ONCE, "the questions were not asked at the same time"


def main() -> None:
    questions = int(sys.argv[1]) if len(sys.argv) > 1 else FULL
    for seed in range(3):
        with tempfile.TemporaryDirectory() as folder:
            crowd = scene(questions, Path(folder), seed)
        print(f"seed {seed}: {questions} questions of {CLIENTS} clients, {crowd.most} open at once, 0 wrong")


if __name__ == "__main__":
    main()
