"""Servers that speak of calls long after these are over: whoever hears it is who called, or nobody does.

A `Crowd` of sessions comes, calls, gives up and goes at random; a server says things of any call it ever got,
at any time. `CALLMUX_LATE_SEEDS` says how many crowds there are.
"""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callmux.config.servers import StdioServer
from tests.support import settle

from .bench import Bench, Client, bench, interaction, over_carriers
from .raw_server import Call, Json, RawServer, running, text

ABLE: Json = {"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {"listChanged": True}}
EVERYTHING: Json = {"tools": {}, "logging": {}, "tasks": {"requests": {"tools": {"call": {}}}}}
QUESTIONS = ("elicitation/create", "sampling/createMessage", "roots/list", "x-vendor/ask")
NOTES = ("notifications/message", "notifications/elicitation/complete", "notifications/x-vendor")
SEEDS = int(os.environ.get("CALLMUX_LATE_SEEDS", "40"))
STEPS = 60


class Crowd:
    """Sessions at one server, by chance.

    Attributes:
        said: How many words had to reach somebody, and did.
    """

    def __init__(self, b: Bench, server: RawServer, chance: random.Random) -> None:
        self.b = b
        self.server = server
        self.chance = chance
        self.here: dict[str, Client] = {}
        self.gone: dict[str, Client] = {}
        self.with_level: set[str] = set()
        self.parked: list[tuple[Call, asyncio.Future[Json]]] = []
        self.got: list[Call] = []
        self.open: list[tuple[str, Any]] = []
        self.apart_since: int | None = None
        self.moved_at = 0
        self.said = 0
        self._count = 0
        self._words: list[asyncio.Task[None]] = []
        server.has(work=self._work, task=self._task)
        server.streams = chance.random() < 0.5
        acts = {
            self.arrive: 2,
            self.call: 8,
            self.answer: 3,
            self.cancel: 2,
            self.expire: 1,
            self.task: chance.choice([1, 12]),
            self.say: 12,
            self.ask: chance.choice([0, 1, 4, 8]),
            self.leave: 1,
            self.hang_up: chance.choice([0, 0, 1]),
            self.reload: chance.choice([0, 0, 1]),
        }
        self._acts, self._weights = list(acts), list(acts.values())

    async def _work(self, call: Call) -> Json:
        self.got.append(call)
        answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self.parked.append((call, answer))
        return await answer

    def _task(self, call: Call) -> Json:
        self.got.append(call)
        id = f"t{sum(1 for one in call.peer.calls['tools/call'] if one.params['name'] == 'task')}"
        call.params["made"] = id
        return {"task": {"taskId": id, "status": "working", "createdAt": "x", "ttl": None}}

    async def step(self) -> None:
        """One thing happens."""
        (act,) = self.chance.choices(self._acts, self._weights)
        await act()
        await settle()
        self.check()

    async def arrive(self) -> None:
        if len(self.here) >= 4:
            return
        name = f"<{len(self.here) + len(self.gone)}>"
        client = await self.b.greeted(capabilities=self.chance.choice([ABLE, ABLE, ABLE, {}]))
        for method in QUESTIONS:
            client.answers[method] = {"who": name}
        self.here[name] = client
        if self.chance.random() < 0.25:
            await client.request("logging/setLevel", {"level": "debug"})
            self.with_level.add(name)

    def _some(self) -> tuple[str, Client] | None:
        return self.chance.choice(list(self.here.items())) if self.here else None

    async def call(self) -> None:
        self._send("work")

    async def task(self) -> None:
        self._send("task", task={})

    def _send(self, tool: str, **more: Any) -> None:
        if (some := self._some()) is None:
            return
        name, client = some
        self._count += 1
        params: Json = {"name": tool, "arguments": {"who": name}, **more}
        if not more and self.chance.random() < 0.25:
            params = {
                "name": "callmux_call",
                "arguments": {"tool": tool, "cwd": "/", "arguments": {"who": name}},
            }
        client.send("tools/call", {**params, "_meta": {"progressToken": name}}, id=self._count)
        self.open.append((name, self._count))

    async def answer(self) -> None:
        if self.parked:
            _, answer = self.parked.pop(self.chance.randrange(len(self.parked)))
            if not answer.done():
                answer.set_result(text("done"))

    async def cancel(self) -> None:
        if self.open:
            name, id = self.open.pop(self.chance.randrange(len(self.open)))
            if name in self.here:
                self.here[name].notify("notifications/cancelled", {"requestId": id})

    async def expire(self) -> None:
        if (some := self._some()) is not None:
            name, client = some
            given = {"tool": "work", "arguments": {"who": name}, "timeoutMs": 5}
            result = await client.call("callmux_call", given)
            assert result["isError"]

    async def leave(self) -> None:
        if (some := self._some()) is not None:
            name, client = some
            self.gone[name] = self.here.pop(name)
            await client.leave()

    async def hang_up(self) -> None:
        if peers := [peer for peer in self.server.peers if peer.open]:
            self.chance.choice(peers).hang_up()

    async def reload(self) -> None:
        config = self.b.host.runtime.config
        if self.chance.random() < 0.5:
            entry = config.servers["raw"]
            assert isinstance(entry, StdioServer)
            moved = msgspec.structs.replace(entry, env={"N": str(self._count)})
            config = msgspec.structs.replace(config, servers={"raw": moved})
            # A process that has been replaced says nothing of the one in its place.
            self.moved_at = len(self.server.peers)
        await self.b.host.reload(config)

    def _carried(self) -> Call | None:
        """A call that the server once got, on a connection that is still open."""
        calls = [call for call in self.got if call.peer.open]
        return self.chance.choice(calls) if calls else None

    def _is_open(self, call: Call) -> bool:
        """The server has not answered it."""
        return any(call is parked for parked, answer in self.parked if not answer.done())

    async def say(self) -> None:
        """The server tells something of a call."""
        if (call := self._carried()) is None:
            return
        if "made" in call.params:
            status = {"taskId": call.params["made"], "status": "completed", "who": who(call)}
            call.peer.tell("notifications/tasks/status", status)
        elif self.chance.random() < 0.3:
            token = call.params.get("_meta", {}).get("progressToken", 1)
            told = {"progressToken": token, "progress": 1, "message": who(call)}
            call.peer.tell("notifications/progress", told)
        else:
            sure, client = self._must_arrive(call), self.here.get(who(call))
            before = len(client.lines) if client is not None else 0
            about = call if self._is_open(call) else None
            call.peer.tell(self.chance.choice(NOTES), {"level": "emergency", "data": who(call)}, about)
            if sure and client is not None:
                await client.until(lambda c: len(c.lines) > before)
                self.said += 1

    async def ask(self) -> None:
        """The server asks something about a call."""
        if (call := self._carried()) is not None:
            self._words.append(running(self._ask(call, self.chance.choice(QUESTIONS))))

    async def _ask(self, call: Call, method: str) -> None:
        sure = self._must_arrive(call)
        about = call if self._is_open(call) else None
        answer = await call.peer.ask(method, {"who": who(call)}, about=about)
        if self.apart_since is None and self.server.peers.index(call.peer) >= self.moved_at:
            self.apart_since = len(self.server.peers)
        if "result" in answer:
            assert answer["result"] == {"who": who(call)}
        else:
            assert not sure or who(call) in self.gone, answer
        self.said += sure

    def _must_arrive(self, call: Call) -> bool:
        """Nobody else can be meant, whatever callmux knows: it has to arrive."""
        alone = len(self.here) + len(self.gone) == 1
        own = who(call) in self.with_level
        apart = self.apart_since is not None and self.server.peers.index(call.peer) >= self.apart_since
        return who(call) in self.here and (alone or own or apart)

    def check(self) -> None:
        """Nobody has heard what was another's."""
        for name, client in [*self.here.items(), *self.gone.items()]:
            for method, params in client.notes:
                if method.endswith("list_changed") or method == "notifications/cancelled":
                    continue
                heard = params.get("who") or params.get("data") or params.get("message")
                assert heard == name, f"{name} was told {method} of {heard}"
            for question in client.asked:
                assert question["params"]["who"] == name, f"{name} was asked {question}"
        for word in self._words:
            if word.done():
                word.result()

    async def close(self) -> None:
        for _, answer in self.parked:
            answer.cancel()
        for word in self._words:
            word.cancel()
        await asyncio.gather(*self._words, return_exceptions=True)


ENDINGS = ("answered", "cancelled", "timed out", "left")


@over_carriers
@pytest.mark.parametrize("ending", ENDINGS)
@interaction("sessions.late", "sessions.questions", "sessions.logs")
async def test_nobody_hears_what_is_said_of_a_call_of_somebody_else_that_is_over(
    carrier: str, ending: str, tmp_path: Path
) -> None:
    """Though another session has a call in flight, and this one has none."""
    calls: dict[str, Call] = {}
    may_end = asyncio.Event()

    async def work(call: Call) -> Json:
        calls[who(call)] = call
        await may_end.wait()
        return text("done")

    server = RawServer(capabilities=EVERYTHING).has(work=work, quick=text("1"))
    async with bench(server, carrier=carrier, tmp_path=tmp_path, single=False) as b:
        ann, bob = [await b.greeted(capabilities=ABLE) for _ in range(2)]
        for method in QUESTIONS:
            ann.answers[method] = bob.answers[method] = {"action": "accept"}
        given: Json = {"name": "work", "arguments": {"who": "ann"}}
        if ending == "timed out":
            quickly = {"tool": "work", "arguments": {"who": "ann"}, "timeoutMs": 50}
            assert (await ann.call("callmux_call", quickly))["isError"]
        else:
            pending = ann.send("tools/call", given, id="mine")
            await server.peer.asked("tools/call")
        if ending == "answered":
            may_end.set()
            await pending
            may_end.clear()
        elif ending == "cancelled":
            ann.notify("notifications/cancelled", {"requestId": "mine"})
            await calls["ann"].cancelled.wait()
        elif ending == "left":
            await ann.leave()
        bobs = bob.send("tools/call", {"name": "work", "arguments": {"who": "bob"}})
        await server.peer.asked("tools/call", 2)
        peer = server.peers[0]
        for note in NOTES:
            peer.tell(note, {"level": "emergency", "data": "ann"})
        peer.tell("notifications/progress", {"progressToken": 1, "progress": 1})
        for method in QUESTIONS:
            answer = await peer.ask(method, {"who": "ann"})
            assert "call again" in answer["error"]["message"], answer
        may_end.set()
        assert (await bobs)["result"] == text("done")
        assert await bob.call("quick") == text("1")
        for client in (ann, bob):
            assert client.asked == []
            assert [note for note in client.notes if "list_changed" not in note[0]] == []


@over_carriers
@interaction("sessions.late", "tasks.status")
async def test_the_status_of_a_task_reaches_who_made_it_though_others_share_the_connection(
    carrier: str, tmp_path: Path
) -> None:
    def make(call: Call) -> Json:
        return {"task": {"taskId": who(call), "status": "working", "createdAt": "x", "ttl": None}}

    server = RawServer(capabilities=EVERYTHING).has(make=make)
    async with bench(server, carrier=carrier, tmp_path=tmp_path, single=False) as b:
        clients = {name: await b.greeted() for name in ("ann", "bob")}
        for name, client in clients.items():
            await client.call("make", {"who": name}, task={})
        for name in (*clients, "cy"):
            server.peers[0].tell("notifications/tasks/status", {"taskId": name, "status": "completed"})
        for name, client in clients.items():
            await client.told("notifications/tasks/status")
            assert {told["taskId"] for told in client.heard("notifications/tasks/status")} == {name}


def who(call: Call) -> str:
    """Whose call it is."""
    name: str = call.params["arguments"]["who"]
    return name


async def lived_through(seed: int) -> Crowd:
    """A crowd after its steps, each of which has been checked."""
    server = RawServer(capabilities=EVERYTHING)
    async with bench(server, single=False) as b:
        crowd = Crowd(b, server, random.Random(seed))
        try:
            for _ in range(STEPS):
                await crowd.step()
        finally:
            await crowd.close()
    return crowd


@pytest.mark.parametrize("seed", range(SEEDS))
@interaction("sessions.late", "sessions.questions", "sessions.logs", "sessions.progress")
async def test_whatever_a_server_says_late_reaches_who_called_or_nobody(seed: int) -> None:
    await lived_through(seed)


@interaction("sessions.late")
async def test_most_of_what_can_only_be_for_one_is_heard() -> None:
    """So that nobody keeps the promise by telling nobody anything."""
    heard = 0
    for seed in range(10):
        heard += (await lived_through(seed)).said
    assert heard >= 20
