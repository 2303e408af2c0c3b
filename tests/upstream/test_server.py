"""A server comes up, goes down and comes back; its callers wait no longer than they must."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from callmux.config.traffic import ReconnectPolicy
from callmux.context import Scope
from callmux.errors import UpstreamUnavailable
from callmux.protocol.shapes import Tool
from callmux.protocol.versions import Era
from callmux.upstream.connection import Connection
from callmux.upstream.events import Events
from callmux.upstream.failures import CallFailure, lost
from callmux.upstream.health import State
from callmux.upstream.inventory.offer import Offer
from callmux.upstream.opening.known_era import KnownEra
from callmux.upstream.opening.reconnect import Timing
from callmux.upstream.process_bound import ProcessBound
from callmux.upstream.server import Server
from tests.support import FakeClient, loop_clock, play, settle
from tests.upstream.fake_link import INITIALIZE, SILENCE, FakeLink
from tests.upstream.modern_link import DISCOVERED, ModernLink

DOWN = lost("no such command", started=False)


class Plant:
    """A server whose links come from a list; the last one again and again."""

    def __init__(
        self,
        *links: FakeLink | CallFailure,
        known: KnownEra | None = None,
        bound: ProcessBound | None = None,
        **policy: Any,
    ) -> None:
        self.links = list(links) or [FakeLink()]
        self.made: list[FakeLink] = []
        self.changes = 0
        self.told: list[tuple[str, Any, Any]] = []
        self.client = FakeClient()
        facts = {"initial_delay_ms": 1000, "max_delay_ms": 8000, "jitter_ratio": 0.0, **policy}
        self.server = Server(
            "s",
            "stdio",
            self.make,
            Timing(5.0, ReconnectPolicy(**facts)),
            b'{"name":"callmux"}',
            loop_clock(),
            Events(changed=self.changed, told=self.hear),
            known=known,
            bound=bound,
        )

    def make(self, scope: Scope | None = None) -> FakeLink:
        link = self.links.pop(0) if len(self.links) > 1 else self.links[0]
        if isinstance(link, CallFailure):
            raise link
        if link in self.made:
            link = FakeLink(**{k.replace("/", "__"): v for k, v in link.script.items()})
        self.made.append(link)
        return link

    def changed(self) -> None:
        self.changes += 1

    def hear(self, method: str, params: Any, client: Any) -> None:
        self.told.append((method, params and json.loads(bytes(params)), client))

    async def up(self) -> Plant:
        await self.server.settled()
        return self

    async def acquire(self, *, force: bool = False) -> Connection:
        return await self.server.acquire("t", self.client, force)

    def state(self) -> State:
        return self.server.health.state

    @property
    def tools(self) -> list[str]:
        return [tool.name for tool in self.server.suite.tools]


def tools(*names: str) -> dict[str, Any]:
    return {"tools": [{"name": name} for name in names]}


async def later(seconds: float) -> None:
    """Lets time pass, and everything run that is due."""
    await asyncio.sleep(seconds)
    await settle()


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_server_comes_up_with_its_tools() -> None:
    plant = Plant(FakeLink(tools__list=tools("a", "b")))
    assert plant.state() is State.STARTING
    await plant.up()
    assert (plant.state(), plant.tools, plant.changes) == (State.CONNECTED, ["a", "b"], 1)
    assert repr(plant.server) == "Server('s', connected, 2 tools)"
    assert (await plant.acquire()).live
    assert len(plant.made) == 1
    record = plant.server.record()
    assert (record["transport"], record["state"]) == ("fake", "connected")
    assert record["toolSuiteGeneration"] == 1
    assert "error" not in record
    await plant.server.close()
    assert plant.made[0].closed == 1


class FakeListing:
    """What an earlier process kept."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.kept: list[list[str]] = []

    def recall(self, *, exact: bool = False) -> Any:
        found = tuple(Tool(json.dumps({"name": name}).encode()) for name in self.names)
        return (found, Offer(instructions="kept")) if found else None

    async def keep(self, tools: Any, offer: Any) -> None:
        self.kept.append([tool.name for tool in tools])


def recalling(plant: Plant, listing: FakeListing) -> Plant:
    plant.server.inventory._listed._listing_for = lambda capabilities: listing  # type: ignore[assignment, return-value]
    return plant


@pytest.mark.parametrize("before", [("a", "b"), ("a", "old"), ()])
async def test_it_begins_with_what_it_listed_last(before: tuple[str, ...]) -> None:
    """Once it is up, everything is as if nothing had been kept."""

    listing = FakeListing(*before)
    plant = recalling(Plant(FakeLink(tools__list=tools("a", "b"))), listing)
    plant.server.start()
    assert plant.tools == list(before)
    assert plant.server.recalled == bool(before)
    assert plant.server.record().get("listedFrom") == ("disk" if before else None)
    await plant.up()
    await settle()
    assert (plant.tools, plant.changes, plant.server.recalled) == (["a", "b"], 1, False)
    record = plant.server.record()
    assert record["toolSuiteGeneration"] == 1
    assert not {"listedFrom", "removedTools", "addedTools"} & record.keys()
    assert plant.server.offer.instructions is None
    assert listing.kept == [["a", "b"]]
    await plant.server.close()


async def test_what_it_listed_last_goes_where_it_cannot_be_started() -> None:
    listing = FakeListing("a")
    plant = recalling(Plant(DOWN), listing)
    await plant.up()
    assert (plant.tools, plant.changes, plant.server.recalled) == ([], 1, False)
    assert plant.server.offer.instructions is None
    await later(1.1)
    assert plant.changes == 1
    assert listing.kept == []
    await plant.server.close()


async def test_callers_share_one_attempt() -> None:
    plant = Plant()
    connections = await asyncio.gather(*(plant.acquire() for _ in range(10)))
    assert len(set(map(id, connections))) == 1
    assert len(plant.made) == 1
    await plant.server.close()


async def test_a_caller_that_gives_up_does_not_end_the_attempt() -> None:
    link = FakeLink()
    link.opening = later(1)
    plant = Plant(link)
    callers = [asyncio.create_task(plant.acquire()) for _ in range(2)]
    await settle()
    callers[0].cancel()
    assert (await callers[1]).live
    await plant.server.close()


def test_a_tool_that_cannot_be_read_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        plant = Plant(FakeLink(tools__list={"tools": [{"name": "a"}, {"name": 5}, "x"]}))
        await plant.up()
        assert plant.tools == ["a"]
        await plant.server.close()

    play(scene())
    assert caplog.text.count('could not read a tool that "') == 2


async def test_a_server_without_tools_is_not_asked_for_any() -> None:
    hello = {"protocolVersion": "2025-11-25", "capabilities": {"prompts": {}}}
    plant = await Plant(FakeLink(initialize=hello, prompts__list={"prompts": []})).up()
    assert "tools/list" not in plant.made[0].methods()
    assert plant.state() is State.CONNECTED
    await plant.server.close()


@pytest.mark.parametrize(
    ("link", "error"),
    [
        (DOWN, "no such command"),
        (FakeLink(initialize=ValueError("go away")), "go away"),
        (FakeLink(tools__list=ValueError("no list")), "no list"),
    ],
)
async def test_a_server_that_does_not_start_is_tried_again_with_growing_delays(link: Any, error: str) -> None:
    plant = Plant(link, link, link, FakeLink())
    await plant.up()
    assert plant.state() is State.RECONNECTING
    record = plant.server.record()
    assert error in record["error"]
    assert (record["consecutiveFailures"], record["reconnectAttempts"]) == (1, 1)
    began = now()
    while plant.server.connection is None:
        await later(0.25)
    # After each failure twice as long: two delays of 2 and 4 s, then the third of 8 s.
    assert 13.9 <= now() - began <= 14.6
    assert plant.state() is State.CONNECTED
    assert "error" not in plant.server.record()
    await plant.server.close()


async def test_an_unforeseen_error_is_a_failed_attempt_and_nobody_waits_for_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The next attempt comes by the same rules."""

    bad = FakeLink()
    bad.opening = KeyError("of ours")
    plant = await Plant(bad, FakeLink()).up()
    with pytest.raises(UpstreamUnavailable, match="an error in callmux: KeyError"):
        await plant.acquire()
    assert bad.closed == 1
    assert 'could not connect "s": an error in callmux' in caplog.text
    await later(3)
    assert plant.state() is State.CONNECTED
    await plant.server.close()


async def test_an_unforeseen_error_of_whoever_hears_of_it_keeps_nobody_waiting() -> None:
    def unforeseen() -> None:
        raise KeyError("x")

    plant = Plant()
    plant.server._events = Events(changed=unforeseen, told=plant.hear)
    async with asyncio.timeout(1):
        await plant.up()
    assert (await plant.acquire()).live
    await plant.server.close()


async def test_what_it_said_explains_a_failed_start() -> None:
    class Talkative(FakeLink):
        def last_words(self) -> list[str]:
            return ["TOKEN is not set"]

    link = Talkative(initialize=ValueError("no"))
    plant = await Plant(link).up()
    assert plant.server.record()["error"] == "no (it said: TOKEN is not set)"
    assert link.closed == 1
    await plant.server.close()


async def test_while_waiting_to_try_again_calls_fail_at_once() -> None:
    """Unless they insist, or the policy says otherwise."""

    plant = await Plant(DOWN).up()
    began = now()
    with pytest.raises(UpstreamUnavailable) as caught:
        await plant.acquire()
    assert now() == began
    assert caught.value.details["executionState"] == "not_started"
    assert caught.value.details["lastError"] == "no such command"
    plant.links = [FakeLink()]
    assert (await plant.acquire(force=True)).live
    assert now() == began
    await plant.server.close()
    patient = await Plant(DOWN, FakeLink(), fast_fail_during_backoff=False).up()
    assert (await patient.acquire()).live
    await patient.server.close()


async def test_a_policy_that_gives_up_starts_over_with_the_next_call() -> None:
    plant = await Plant(DOWN, DOWN, FakeLink(), max_attempts=2).up()
    await later(10)
    assert plant.state() is State.FAILED
    await later(1000)
    assert plant.made == []
    assert (await plant.acquire()).live
    await plant.server.close()


async def test_a_lost_server_comes_back_and_stays_listed_meanwhile() -> None:
    plant = await Plant(FakeLink(tools__list=tools("a", "b")), FakeLink(tools__list=tools("b", "c"))).up()
    await later(100)
    plant.made[0].dies("exit code 3")
    assert plant.server.connection is None
    assert plant.tools == ["a", "b"]
    assert plant.server.record()["lastError"] == "exit code 3"
    await later(1.1)
    assert plant.state() is State.CONNECTED
    assert plant.tools == ["b", "c"]
    assert plant.changes == 2
    assert plant.made[0].closed == 1
    record = plant.server.record()
    assert (record["addedTools"], record["removedTools"]) == (["c"], ["a"])
    assert list(plant.server.suite.gone) == ["a"]
    await plant.server.close()


async def test_a_call_connects_a_lost_server_at_once() -> None:
    """The first attempt after a loss is worth waiting for."""

    plant = await Plant().up()
    await later(100)
    plant.made[0].dies()
    began = now()
    assert (await plant.acquire()).live
    assert now() == began
    await later(100)
    assert len(plant.made) == 2
    await plant.server.close()


async def test_the_wait_for_a_lost_server_is_bounded() -> None:
    plant = await Plant(FakeLink(), FakeLink(initialize=SILENCE)).up()
    plant.server.timing = Timing(60.0, plant.server.timing.policy)
    await later(100)
    plant.made[0].dies()
    began = now()
    with pytest.raises(UpstreamUnavailable):
        await plant.acquire()
    assert now() - began == pytest.approx(10, abs=0.1)
    await plant.server.close()


async def test_a_server_that_dies_at_once_again_and_again_is_tried_less_and_less() -> None:
    plant = await Plant().up()
    gaps = []
    for _ in range(5):
        plant.made[-1].dies()
        began, count = now(), len(plant.made)
        while len(plant.made) == count:
            await later(0.25)
        gaps.append(round(now() - began))
    assert gaps == [2, 4, 8, 8, 8]
    await plant.server.close()


async def test_while_a_failed_attempt_closes_the_next_has_no_rival() -> None:
    """Two attempts at a time would leave one connection, and its process, behind."""

    stuck = FakeLink(initialize=ValueError("no"))
    stuck.closing = lambda: later(3)
    slow = FakeLink()
    slow.opening = later(4)
    plant = Plant(stuck, slow, FakeLink(), initial_delay_ms=100)
    await plant.up()
    await later(3.5)
    assert len(plant.made) == 1 + 1
    callers = [asyncio.create_task(plant.acquire()) for _ in range(2)]
    await asyncio.gather(*callers)
    assert len(plant.made) == 2
    await plant.server.close()
    assert slow.closed == 1


async def test_a_server_that_does_not_even_answer_a_ping_is_replaced() -> None:
    """Calls in flight on the old connection go on until they end by themselves."""

    plant = await Plant(FakeLink(ping=SILENCE, x=SILENCE), FakeLink()).up()
    old = await plant.acquire()
    waiting = asyncio.create_task(old.request("x", None, 60))
    await settle()
    await plant.server.examine(old)
    assert plant.server.connection is None
    fresh = await plant.acquire()
    assert fresh is not old
    assert plant.made[0].closed == 0
    plant.made[0].answers("x", {"late": True})
    assert json.loads(await waiting) == {"late": True}
    await settle()
    assert plant.made[0].closed == 1
    await plant.server.close()


async def test_a_server_that_answers_a_ping_stays() -> None:
    plant = await Plant().up()
    connection = await plant.acquire()
    plant.server.examine_soon(connection)
    await settle()
    assert plant.server.connection is connection
    await plant.server.close()


async def test_closing_ends_a_connection_that_is_still_draining() -> None:
    plant = await Plant(FakeLink(x=SILENCE), FakeLink()).up()
    old = await plant.acquire()
    waiting = asyncio.create_task(old.request("x", None, 60))
    await settle()
    plant.server.retire(old, "it must go")
    await plant.acquire()
    await plant.server.close()
    assert [link.closed for link in plant.made] == [1, 1]
    with pytest.raises(CallFailure):
        await waiting


async def test_closing_ends_an_attempt_under_way() -> None:
    plant = Plant(FakeLink(initialize=SILENCE))
    caller = asyncio.create_task(plant.acquire())
    await settle()
    await plant.server.close()
    with pytest.raises(UpstreamUnavailable):
        await caller
    assert plant.made[0].closed == 1
    await later(100)
    assert len(plant.made) == 1
    with pytest.raises(UpstreamUnavailable):
        await plant.acquire()


async def test_closing_stops_the_attempts() -> None:
    plant = await Plant(DOWN).up()
    await plant.server.close()
    plant.links = [FakeLink()]
    await later(1000)
    assert plant.made == []


async def test_a_changed_list_is_read_again_once() -> None:
    """Two notices at a time are one reading, or two at most."""

    link = FakeLink(tools__list=tools("a"))
    plant = await Plant(link).up()
    link.script["tools/list"] = tools("a", "b")
    for _ in range(5):
        link.says({"method": "notifications/tools/list_changed"})
    await settle()
    assert plant.tools == ["a", "b"]
    assert plant.changes == 2
    assert link.methods().count("tools/list") <= 3
    link.says({"method": "notifications/tools/list_changed"})
    await settle()
    assert plant.changes == 2
    await plant.server.close()


@pytest.mark.parametrize("method", ["initialize", "tools/list", "prompts/list", "resources/list"])
async def test_a_list_that_changes_while_the_connection_opens_is_read_afterwards(method: str) -> None:
    """Servers that load their plugins after the handshake say so at once."""

    hello = {
        "protocolVersion": "2025-11-25",
        "capabilities": {"tools": {}, "prompts": {}, "resources": {}},
    }
    link = FakeLink(initialize=hello, prompts__list={"prompts": []}, resources__list={"resources": []})
    answers = dict(link.script)
    kinds = ("tools", "prompts", "resources")

    def grow() -> None:
        link.script["tools/list"] = tools("t", "new")
        link.script["prompts/list"] = {"prompts": [{"name": "new"}]}
        link.script["resources/list"] = {"resources": [{"uri": "x:new"}]}
        for kind in kinds:
            link.says({"method": f"notifications/{kind}/list_changed"})

    def answer_and_grow(params: Any) -> Any:
        asyncio.get_running_loop().call_soon(asyncio.get_running_loop().call_soon, grow)
        return answers[method]

    link.script[method] = answer_and_grow
    plant = Plant(link)
    plant.server.start()
    await settle()
    assert plant.tools == ["t", "new"]
    assert {kind.member: [i.key for i in items] for kind, items in plant.server.offer.items.items()} == {
        "prompts": ["new"],
        "resources": ["x:new"],
        "resourceTemplates": [],
    }
    await plant.server.close()


async def test_a_list_that_changes_while_a_restarted_server_opens_is_read_afterwards() -> None:
    fresh = FakeLink(tools__list=tools("a"), resources__list=SILENCE)
    fresh.script["initialize"] = {
        "protocolVersion": "2025-11-25",
        "capabilities": {"tools": {}, "resources": {}},
    }
    plant = await Plant(FakeLink(tools__list=tools("a")), fresh).up()
    restart = asyncio.create_task(plant.server.restart())
    await settle()
    assert plant.server.connection is None
    fresh.script["tools/list"] = tools("a", "b")
    fresh.says({"method": "notifications/tools/list_changed"})
    fresh.answers("resources/list", {"resources": []})
    await restart
    await settle()
    assert plant.tools == ["a", "b"]
    await plant.server.close()


def test_a_changed_list_that_cannot_be_read_stays_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        link = FakeLink(tools__list=tools("a"))
        plant = await Plant(link).up()
        link.script["tools/list"] = ValueError("not now")
        link.says({"method": "notifications/tools/list_changed"})
        await settle()
        assert plant.tools == ["a"]
        await plant.server.close()

    play(scene())
    assert "not now" in caplog.text


async def test_other_notices_are_told_with_the_client_they_are_for() -> None:
    plant = await Plant().up()
    await plant.acquire()
    plant.made[0].says({"method": "notifications/message", "params": {"data": 1}})
    assert plant.told == [("notifications/message", {"data": 1}, plant.client)]
    await plant.server.close()


async def test_a_question_goes_to_the_only_client_there_is() -> None:
    """And from then on every client has a connection of its own."""

    plant = await Plant().up()
    first = await plant.acquire()
    plant.client.answers = [b'{"roots":[]}']
    plant.made[0].says({"id": 7, "method": "roots/list"})
    await settle()
    assert plant.client.asked == [("roots/list", None)]
    assert plant.made[0].heard[-1][1] == {"jsonrpc": "2.0", "id": 7, "result": {"roots": []}}
    assert await plant.acquire() is first
    other = FakeClient()
    assert await plant.server.acquire("t", other) is not first
    await plant.server.close()
    assert [link.closed for link in plant.made] == [1, 1]


async def test_a_question_that_may_be_for_several_is_refused() -> None:
    plant = await Plant().up()
    await plant.acquire()
    await plant.server.acquire("t", FakeClient())
    plant.made[0].says({"id": 7, "method": "roots/list"})
    await settle()
    assert plant.made[0].heard[-1][1]["error"]["code"] == -32603
    assert plant.client.asked == []
    await plant.server.close()


async def test_clients_that_declare_different_things_never_share() -> None:
    plant = await Plant().up()
    main = await plant.acquire()
    able = FakeClient(b'{"roots":{}}')
    lane = await plant.server.acquire("t", able)
    assert lane is not main
    assert await plant.server.acquire("t", FakeClient(b'{"roots":{}}')) is lane
    assert plant.server.ready(able) is lane
    assert dict(plant.made[1].heard)["initialize"]["capabilities"] == {"roots": {}}
    plant.made[1].dies()
    await settle()
    assert plant.server.ready(able) is None
    assert (await plant.server.acquire("t", able)).live
    await plant.server.close()


async def test_a_lane_whose_opening_fails_in_an_unforeseen_way_leaves_no_link() -> None:
    bad = FakeLink()
    bad.opening = KeyError("of ours")
    plant = await Plant(FakeLink(), bad).up()
    await plant.acquire()
    with pytest.raises(KeyError):
        await plant.server.acquire("t", FakeClient(b'{"roots":{}}'))
    assert bad.closed == 1
    await plant.server.close()


async def test_a_lane_that_cannot_be_opened_fails_the_call_only_and_nothing_has_begun() -> None:
    """Weak spot L42 of callmux (npm)."""
    plant = await Plant(FakeLink(), DOWN).up()
    await plant.acquire()
    with pytest.raises(UpstreamUnavailable, match="no such command") as caught:
        await plant.server.acquire("t", FakeClient(b'{"roots":{}}'))
    assert caught.value.details["executionState"] == "not_started"
    assert caught.value.details["safeToRetry"] is True
    assert (await plant.acquire()).live
    await plant.server.close()


class Eras:
    """A server that may speak both eras, behind clients of both."""

    def __init__(self, *links: FakeLink | CallFailure) -> None:
        self.plant = Plant(*links, known=KnownEra())

    async def start(self, revision: str | None) -> Eras:
        self.plant.server.start(b"{}", None, revision)
        await self.plant.server.settled()
        return self

    async def era_of_calls(self, revision: str, capabilities: bytes = b"{}") -> Era:
        client = FakeClient(capabilities)
        client.version = revision
        return (await self.plant.server.acquire("t", client)).era


BOTH = {"initialize": INITIALIZE}


async def test_each_client_is_served_in_its_own_era_where_the_server_speaks_both() -> None:
    eras = await Eras(ModernLink(**BOTH), ModernLink(**BOTH)).start("2026-07-28")
    assert await eras.era_of_calls("2026-07-28") is Era.MODERN
    assert await eras.era_of_calls("2025-11-25") is Era.LEGACY
    assert len(eras.plant.made) == 2


async def test_a_server_that_is_down_is_not_started_for_the_era_of_a_client() -> None:
    eras = await Eras(DOWN, FakeLink()).start(None)
    with pytest.raises(UpstreamUnavailable, match="no such command"):
        await eras.era_of_calls("2025-11-25")
    assert eras.plant.made == []
    await eras.plant.server.close()


async def test_clients_that_declare_other_things_share_what_has_no_handshake() -> None:
    eras = await Eras(ModernLink(), FakeLink()).start(None)
    for capabilities in (b"{}", b'{"roots":{}}', b'{"sampling":{}}'):
        for revision in ("2026-07-28", "2025-11-25"):
            # The server refuses the handshake, so the second client learns that it has none.
            eras.plant.server._known.missed(Era.LEGACY)
            assert await eras.era_of_calls(revision, capabilities) is Era.MODERN
    assert len(eras.plant.made) == 1


async def test_a_connection_that_was_not_used_yet_takes_the_era_of_the_first_client() -> None:
    """A listener connects before anybody comes."""
    eras = await Eras(ModernLink(**BOTH), ModernLink(**BOTH)).start(None)

    def era() -> Era | None:
        connection = eras.plant.server.connection
        return None if connection is None else connection.era

    assert era() is Era.MODERN
    assert await eras.era_of_calls("2025-11-25") is Era.LEGACY
    assert [era()] == [Era.LEGACY]
    await settle()
    assert [link.closed for link in eras.plant.made] == [1, 0]


async def test_a_server_of_one_era_is_started_once_whoever_comes() -> None:
    for link in (ModernLink(), FakeLink()):
        for first, second in (("2026-07-28", "2025-11-25"), ("2025-11-25", "2026-07-28")):
            made = type(link)()
            eras = await Eras(made, FakeLink()).start(first)
            era = await eras.era_of_calls(first)
            if era is Era.MODERN and first == "2026-07-28":
                continue
            assert await eras.era_of_calls(second) is era
            assert eras.plant.made == [made]


async def test_a_program_that_ends_when_it_is_asked_is_started_once_more_and_greeted() -> None:
    first, second = FakeLink(), FakeLink()

    def die(_: Any) -> Any:
        asyncio.get_running_loop().call_soon(first.dies)
        return SILENCE

    first.script["server/discover"] = die
    eras = await Eras(first, second).start(None)
    assert eras.plant.server.connection is not None
    assert second.methods()[0] == "initialize"
    assert first.closed == 1
    assert eras.plant.server.health.attempts == 0


async def test_lists_are_read_for_each_kind_of_client_on_the_same_connection() -> None:
    def listing(params: Any) -> Any:
        declared = params["_meta"]["io.modelcontextprotocol/clientCapabilities"]
        return {"tools": [{"name": "t"}, *({"name": name} for name in declared)], "resultType": "complete"}

    eras = await Eras(ModernLink(tools__list=listing)).start("2026-07-28")
    client = FakeClient(b'{"roots":{}}')
    client.version = "2026-07-28"
    waiting = eras.plant.server.unlisted_for(client)
    assert waiting is not None
    await waiting
    assert eras.plant.tools == ["t"]
    assert [tool.name for tool in eras.plant.server.views.of(b'{"roots":{}}')] == ["t", "roots"]
    assert len(eras.plant.made) == 1


async def test_what_clients_want_to_hear_of_is_asked_for_again_without_a_handshake() -> None:
    first, second = ModernLink(), ModernLink()
    eras = await Eras(first, second).start("2026-07-28")
    eras.plant.server.subscribe({"a"})
    await settle()
    first.dies()
    await asyncio.sleep(5)
    assert second.requests("subscriptions/listen")[-1]["notifications"]["resourceSubscriptions"] == ["a"]
    second.tells("notifications/tools/list_changed", second.listens[-1])
    second.script["tools/list"] = tools("t", "new")
    await asyncio.sleep(10)
    assert eras.plant.tools == ["t", "new"]


@pytest.mark.parametrize(("told", "read_again"), [(False, True), (True, False)])
async def test_a_list_whose_changes_are_not_told_is_read_again_once_it_holds_no_longer(
    told: bool, read_again: bool
) -> None:
    found = {**DISCOVERED, "capabilities": {"tools": {"listChanged": told}}}
    listed = {**tools("t"), "ttlMs": 60_000, "cacheScope": "public", "resultType": "complete"}
    link = ModernLink(server__discover=found, tools__list=listed)
    eras = await Eras(link).start("2026-07-28")
    client = FakeClient()
    client.version = "2026-07-28"
    server = eras.plant.server
    link.script["tools/list"] = {**tools("t", "new"), "ttlMs": 60_000}
    await asyncio.sleep(59)
    assert server.unlisted_for(client) is None
    await asyncio.sleep(2)
    waiting = server.unlisted_for(client)
    assert (waiting is not None) is read_again
    if waiting is not None:
        await waiting
        assert eras.plant.tools == ["t", "new"]
        assert server.unlisted_for(client) is None
    assert server.offer.beside == {}


async def test_in_a_process_of_one_client_another_one_has_a_connection_of_its_own() -> None:
    plant, one, other = Plant(), FakeClient(b"{}"), FakeClient(b'{"sampling":{}}')
    plant.server.start(b"{}", one)
    await plant.server.settled()
    main = await plant.server.acquire("t", one)
    async with asyncio.timeout(5):
        assert await plant.server.acquire("t", other) is not main
    await plant.server.close()
