"""Clients and servers by chance around a real host: they send, cancel, answer, ask, die, dawdle and go.

Called by `tests.traffic.test_traffic` and, for hours, by `python -m tests.traffic`. What happens at the ends
is told to `tests.traffic.model`, which judges; what is left inside in the end is looked for here.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from callmux.config.check import check_document
from callmux.process.host import Host
from callmux.protocol.jsonrpc import parse
from callmux.rings.coalescing import Coalescing
from callmux.rings.order import PerServer
from callmux.session.session import Session
from callmux.upstream import pool as pool_module
from callmux.upstream.failures import lost
from callmux.upstream.links.link import Listener
from tests.support import PlayedLoop, loop_clock, settle
from tests.traffic.model import Got, Json, Model, OneCall
from tests.traffic.ways import driven

STEPS = 70
TOOLS = {
    "work": {},
    "safe": {"idempotentHint": True},
    "read": {"readOnlyHint": True},
}
SERVERS = ("a", "b")
ABLE: Json = {"elicitation": {}}


async def turns(count: int) -> None:
    """So many turns of the loop: what happens next may come in the middle of anything."""
    for _ in range(count):
        await asyncio.sleep(0)


class Wire:
    """A link to one process of a server that only does what the street says."""

    transport = "stdio"

    def __init__(self, street: Street, server: str) -> None:
        self.street, self.server = street, server
        self.listener: Listener | None = None
        self.open_calls: list[Got] = []
        self.late: list[Got] = []
        self.tokens: dict[int, Any] = {}
        self.questions: dict[str, int] = {}
        self.asked = 0
        self.closed = False

    async def open(self, listener: Listener) -> None:
        await asyncio.sleep(self.street.chance.choice([0, 0.001, 0.1]))
        if self.street.chance.random() < self.street.refusing:
            self.street.model.fails(self.server, self.street.now)
            raise lost("the server does not start", started=False)
        self.listener = listener

    def send(self, line: bytes, id: int | None = None, last: bool = False) -> None:
        if self.listener is None:
            return
        message = json.loads(line)
        method, number = message.get("method"), message.get("id")
        params = message.get("params") or {}
        if method is None:
            self._replied(message)
        elif method == "tools/call":
            given = params["arguments"]
            got = self.street.model.gets(self, self.server, number, params["name"], given["n"])
            self.open_calls.append(got)
            token = params.get("_meta", {}).get("progressToken")
            if token is not None:
                self.tokens[number] = token
        elif method == "notifications/cancelled":
            self.street.model.withdraws(self, params["requestId"])
            given_up = [got for got in self.open_calls if got.id == params["requestId"]]
            self.late += given_up
            for got in given_up:
                self.open_calls.remove(got)
        elif number is not None:
            self._routine(method, number)

    def _routine(self, method: str, number: int) -> None:
        results: Json = {
            "initialize": {
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": self.server},
            },
            "tools/list": {
                "tools": [
                    {"name": name, "inputSchema": {"type": "object"}, "annotations": hints}
                    for name, hints in TOOLS.items()
                ]
            },
            "ping": {},
        }
        if method == "ping" and self.street.chance.random() < 0.3:
            self.street.model.fails(self.server, self.street.now)
            return
        self._soon({"id": number, "result": results[method]})

    def _replied(self, message: Json) -> None:
        street, id = self.street, message["id"]
        if id not in self.questions:
            street.model.fault(f"{self.server} got an answer to {id!r}, which it did not ask")
            return
        serial = self.questions.pop(id)
        if "result" in message:
            said = message["result"]["content"]
            if said["q"] != serial or said["who"] not in street.model.callers.get(self, ()):
                street.model.fault(f"{self.server} asked {serial} and heard {said}")

    def _soon(self, message: Json) -> None:
        asyncio.get_running_loop().call_soon(self.says, message)

    def says(self, message: Json) -> None:
        if self.listener is not None and not self.closed:
            self.listener.received(parse(json.dumps({"jsonrpc": "2.0", **message}).encode()), None)

    def dies(self) -> None:
        listener, self.listener = self.listener, None
        if listener is not None:
            self.street.model.fails(self.server, self.street.now, self)
            listener.lost(lost("the server ended", started=True))

    def agreed(self, protocol_version: str) -> None: ...

    def abandon(self, id: int) -> None: ...

    async def close(self) -> None:
        if self.listener is not None:
            self.street.model.fails(self.server, self.street.now, self)
        self.closed = True
        self.listener = None


class Client:
    """A client that judges nothing and shows all."""

    def __init__(self, street: Street, name: str, capabilities: Json) -> None:
        self.street, self.name, self.capabilities = street, name, capabilities
        self.session = Session(street.host.dispatch, self.hears)
        self.greeting: Json | None = None
        self.questions: list[Json] = []
        self.notes: list[Json] = []

    def says(self, message: Json) -> None:
        self.session.receive(parse(json.dumps({"jsonrpc": "2.0", **message}).encode()))

    def hears(self, line: bytes) -> None:
        message = json.loads(line)
        method = message.get("method")
        if method is None and message["id"] == "hello":
            self.greeting = message
        elif method is None:
            self.street.model.answers(self.name, message, self.street.now)
        elif method == "notifications/progress":
            self.notes.append(message["params"])
            self.street.model.hears(self.name, message["params"])
        elif method == "elicitation/create":
            self.questions.append(message)
        elif method == "notifications/cancelled":
            self.questions = [q for q in self.questions if q["id"] != message["params"]["requestId"]]


class Street:
    """One seed's traffic."""

    def __init__(self, seed: int, way: str) -> None:
        self.chance = chance = random.Random(f"{seed} {way}")
        self.way = way
        self.model = Model()
        self.wires: list[Wire] = []
        self.clients: dict[str, Client] = {}
        self.came = self.count = 0
        self.refusing = chance.choice([0, 0, 0.3])
        self.single = chance.random() < 0.25
        self.acts: dict[Callable[[], Any], int] = {
            self.call: 14,
            self.serve: 22,
            self.cancel: chance.choice([1, 5]),
            self.regret: chance.choice([0, 3]),
            self.tell: chance.choice([0, 6]),
            self.late: 1,
            self.nonsense: 1,
            self.die: chance.choice([0, 1, 3]),
            self.ask: chance.choice([0, 0, 2]),
            self.reply: 3,
            self.dawdle: chance.choice([0, 1]),
            self.read_on: 2,
            self.wait: 2,
            self.arrive: 1,
            self.leave: chance.choice([0, 1]),
            self.reload: chance.choice([0, 0, 1]),
        }

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def config(self) -> Any:
        chance = self.chance
        document = {
            "servers": {name: {"command": name} for name in SERVERS},
            "callTimeoutMs": self.timeout_ms,
            "maxConcurrency": chance.choice([2, 5, 40]),
            "cacheTtlSeconds": self.ttl,
            "responseShield": {"enabled": False},
            "maxScopedClients": 1000,
            "maxScopedClientsPerServer": 1000,
        }
        checked = check_document(document)
        assert checked.errors == [], checked.errors
        return checked.config

    async def run(self) -> Model:
        self.timeout_ms = self.chance.choice([500, 3000])
        self.ttl = self.chance.choice([0, 0, 60])
        with mock.patch.object(pool_module, "open_link", self._open_link), driven(self.way, self.chance):
            await self._run()
        return self.model

    def _open_link(self, name: str, config: Any, around: Any, scope: Any) -> Wire:
        wire = Wire(self, name)
        self.wires.append(wire)
        return wire

    async def _run(self) -> None:
        self.host = Host(
            self.config(), Path("/"), {}, lambda name, line: None, single=self.single, clock=loop_clock()
        )
        self.runtimes = [self.host.runtime]
        await self.arrive()
        acts, weights = list(self.acts), list(self.acts.values())
        for _ in range(STEPS):
            (act,) = self.chance.choices(acts, weights)
            if (waits := act()) is not None:
                await waits
            await turns(self.chance.choice([0, 1, 2, 3, 5, 30]))
            if self.model.wrong:
                break
        await self._end()
        await self.host.close()

    async def _end(self) -> None:
        self.refusing = 0.0
        for client in self.clients.values():
            client.session.flow(True)
        for _ in range(4):
            await asyncio.sleep(30)
            await settle()
        if not self.model.wrong:
            self.model.ends()
            self._look_inside()

    def _look_inside(self) -> None:
        """Nothing is under way: nobody may hold anything."""
        fault = self.model.fault
        for client in self.clients.values():
            if list(client.session.requests):
                fault(f"{client.name} has requests in flight: {client.session!r}")
        for runtime in self.runtimes:
            for stage in _parts(runtime.workings.order._call):
                shown = repr(stage if isinstance(stage, Coalescing) else getattr(stage, "_slots", ""))
                if "_Flight" in shown or (
                    "Slots" in shown and not ("(0/" in shown and ", 0 queued" in shown)
                ):
                    fault(f"{type(stage).__name__} still holds {shown}")
            for server in runtime.servers.values():
                # Shared reads listen for as long as their configuration is there.
                if server.in_use.count or len(server.questions._heard) > len(self.runtimes):
                    fault(f"{server!r}: {server.in_use!r}, {server.questions!r}")
                main = server.connection
                for connection in [*([main] if main is not None else []), *server.lanes.connections()]:
                    if connection.in_flight:
                        fault(f"{connection!r} still waits")
        if self.host._stores.counters.in_flight:
            fault(f"{self.host._stores.counters.in_flight} shared reads are under way")

    # Acts.

    def _client(self) -> Client | None:
        ready = [client for client in self.clients.values() if client.session.is_ready]
        return self.chance.choice(ready) if ready else None

    async def arrive(self) -> None:
        if len(self.clients) >= (1 if self.single else 4):
            return
        self.came += 1
        client = Client(self, f"<{self.came}>", self.chance.choice([ABLE, ABLE, {}]))
        self.clients[client.name] = client
        self.host.add(client.session)
        about = {"name": "t", "version": "1"}
        asked = {"protocolVersion": "2025-11-25", "capabilities": client.capabilities, "clientInfo": about}
        client.says({"id": "hello", "method": "initialize", "params": asked})
        for _ in range(200):
            if client.greeting is not None:
                break
            await asyncio.sleep(0.05)
        client.says({"method": "notifications/initialized"})

    def leave(self) -> Any:
        client = self._client()
        if client is None or self.single:
            return None
        del self.clients[client.name]
        self.model.leaves(client.name)
        return self.host.remove(client.session)

    def _call(self, timeout: float, like: OneCall | None = None) -> OneCall:
        tool = self.chance.choice(["work", "work", "safe", "read", "read"]) if like is None else like.tool
        server = self.chance.choice(SERVERS) if like is None else like.server
        self.count += 1
        return OneCall(server, tool, self.chance.randrange(2) if tool == "read" else self.count, timeout)

    def call(self) -> None:
        client = self._client()
        if client is None:
            return
        self.count += 1
        id: Any = self.chance.choice([self.count, str(self.count)])
        token = self.chance.choice([None, None, f"t{self.count}", self.count])
        way = self.chance.choice(["direct"] * 4 + ["call", "parallel", "batch"])
        timeout = self.timeout_ms if way == "direct" else self.chance.choice([200, 900, self.timeout_ms])
        calls = [self._call(timeout / 1000)]
        if way in ("parallel", "batch"):
            like = calls[0] if way == "batch" else None
            calls += [self._call(timeout / 1000, like) for _ in range(self.chance.randrange(3))]
        name, given = self._request(way, calls, timeout)
        params: Json = {"name": name, "arguments": given}
        if token is not None:
            params["_meta"] = {"progressToken": token}
        self.model.sends(client.name, id, calls, token, self.now, way in ("parallel", "batch"))
        client.says({"id": id, "method": "tools/call", "params": params})

    def _request(self, way: str, calls: list[OneCall], timeout: int) -> tuple[str, Json]:
        first = calls[0]
        name = f"{first.server}__{first.tool}"
        if way == "direct":
            return name, {"n": first.n}
        if way == "call":
            return "callmux_call", {"tool": name, "arguments": {"n": first.n}, "timeoutMs": timeout}
        if way == "batch":
            items = [{"arguments": {"n": call.n}} for call in calls]
            return "callmux_batch", {"tool": name, "timeoutMs": timeout, "items": items}
        children = [
            {"tool": w.tool, "server": w.server, "arguments": {"n": w.n}, "timeoutMs": timeout} for w in calls
        ]
        return "callmux_parallel", {"calls": children}

    def _some_call(self) -> tuple[Wire, Got] | None:
        found = [(wire, got) for wire in self.wires if wire.listener for got in wire.open_calls]
        return self.chance.choice(found) if found else None

    def serve(self) -> None:
        if (some := self._some_call()) is None:
            return
        wire, got = some
        wire.open_calls.remove(got)
        self._answer(wire, got)

    def _answer(self, wire: Wire, got: Got) -> None:
        serial = self.model.serves(got)
        kind = self.chance.choice(["result"] * 6 + ["error", "refusal", "large"])
        if kind == "refusal":
            wire.says({"id": got.id, "error": {"code": -32000, "message": f"no {serial}"}})
            return
        said = {"serial": serial, **({"more": "x" * 500} if kind == "large" else {})}
        result: Json = {"content": [{"type": "text", "text": json.dumps(said)}]}
        if kind == "error":
            result["isError"] = True
        wire.says({"id": got.id, "result": result})

    def late(self) -> None:
        """An answer to what was given up."""
        found = [(wire, got) for wire in self.wires if wire.listener for got in wire.late]
        if found:
            wire, got = self.chance.choice(found)
            wire.late.remove(got)
            self._answer(wire, got)

    def nonsense(self) -> None:
        """Answers and cancellations that are about nothing."""
        client, wires = self._client(), [wire for wire in self.wires if wire.listener]
        if client is not None:
            client.says({"method": "notifications/cancelled", "params": {"requestId": "none"}})
            client.says({"id": 77, "result": {}})
        if wires:
            wire = self.chance.choice(wires)
            wire.says({"id": 99_999, "result": {}})
            wire.says(
                {"method": "notifications/progress", "params": {"progressToken": 99_999, "progress": 1}}
            )

    def cancel(self) -> None:
        if self.model.open:
            self._cancel(*self.chance.choice(list(self.model.open)))

    async def regret(self) -> None:
        """A request that is cancelled at once."""
        before = set(self.model.open)
        self.call()
        await turns(self.chance.randrange(6))
        for name, id in self.model.open.keys() - before:
            self._cancel(name, id)

    def _cancel(self, name: str, id: str) -> None:
        self.model.cancels(name, json.loads(id))
        params = {"requestId": json.loads(id), "reason": "enough"}
        self.clients[name].says({"method": "notifications/cancelled", "params": params})

    def tell(self) -> None:
        """Progress of a call; who wants it of a write of its own hears it."""
        found = [
            (wire, got)
            for wire in self.wires
            if wire.listener
            for got in wire.open_calls
            if got.id in wire.tokens
        ]
        if not found:
            return
        wire, got = self.chance.choice(found)
        value = self.model.beat(got)
        waiting = [
            one
            for one in self.model.open.values()
            if not one.several
            and one.token is not None
            and one.calls[0].key == got.key
            and got.tool == "work"
        ]
        params = {"progressToken": wire.tokens[got.id], "progress": value}
        wire.says({"method": "notifications/progress", "params": params})
        for one in waiting:
            if not any(note["progress"] == value for note in self.clients[one.client].notes):
                self.model.fault(f"{one.client} was not told of {one.id!r}")

    def die(self) -> None:
        live = [wire for wire in self.wires if wire.listener]
        if live:
            self.chance.choice(live).dies()

    def ask(self) -> None:
        if (some := self._some_call()) is None:
            return
        wire, _ = some
        wire.asked += 1
        serial = self.model.at
        id = f"q{wire.asked}"
        wire.questions[id] = serial
        wire.says({"id": id, "method": "elicitation/create", "params": {"message": str(serial)}})

    def reply(self) -> None:
        asked = [(client, q) for client in self.clients.values() for q in client.questions]
        if not asked:
            return
        client, question = self.chance.choice(asked)
        client.questions.remove(question)
        content = {"q": int(question["params"]["message"]), "who": client.name}
        client.says({"id": question["id"], "result": {"action": "accept", "content": content}})

    def dawdle(self) -> None:
        if (client := self._client()) is not None:
            client.session.flow(False)

    def read_on(self) -> None:
        if (client := self._client()) is not None:
            client.session.flow(True)

    async def wait(self) -> None:
        await asyncio.sleep(self.chance.choice([0.001, 0.05, 0.3, 1.0, 4.0]))

    async def reload(self) -> None:
        await self.host.reload(self.config())
        self.runtimes.append(self.host.runtime)


def _parts(stages: Iterable[Any]) -> Iterator[Any]:
    """The stages, each server's own included."""
    for stage in stages:
        if isinstance(stage, PerServer):
            yield from stage._made.values()
        else:
            yield stage


class Complaints(logging.Handler):
    """What callmux logs as a failure of its own is a fault."""

    def __init__(self, model: Model) -> None:
        super().__init__(logging.ERROR)
        self._model = model

    def emit(self, record: logging.LogRecord) -> None:
        self._model.fault(f"logged: {self.format(record)}")


def played(seed: int, way: str) -> Model:
    """One seed's traffic, driven one way, and what the model makes of it."""
    street = Street(seed, way)
    complaints = Complaints(street.model)
    log = logging.getLogger("callmux")
    log.addHandler(complaints)
    try:
        with asyncio.Runner(loop_factory=PlayedLoop) as runner:
            return runner.run(street.run())
    finally:
        log.removeHandler(complaints)
