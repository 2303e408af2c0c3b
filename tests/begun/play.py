"""Plays one case and says what was wrong with how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest import mock

import aiohttp
from aiohttp.client_reqrep import ConnectionKey

from callmux.bridge import link as bridge_link
from callmux.bridge import relay as bridge_relay
from callmux.bridge import resuming
from callmux.bridge.client import HttpClient
from callmux.bridge.endpoint import read_endpoint
from callmux.bridge.failures import LinkFailure, Reason
from callmux.bridge.keeper import Patience
from callmux.shell.conversation import Conversation
from callmux.shell.failure import ShellFailed
from callmux.shell.message import call_params
from callmux.upstream.failures import CallFailure
from callmux.upstream.guardian import Guardian
from callmux.upstream.links.child import ChildLink, Launch
from callmux.upstream.links.credentials import FixedHeaders
from callmux.upstream.links.link import Link, Listener
from callmux.upstream.links.sse import SseLink
from callmux.upstream.links.web import WebAddress
from tests.begun.cases import Case, Event
from tests.begun.ledger import Ledger, child
from tests.bridge.bench import Desk
from tests.interaction.bench import bench
from tests.interaction.carriers import listening
from tests.support import run

LIMIT = 100_000
TIMEOUT_MS = 120
SOON = {"initialDelayMs": 1, "maxDelayMs": 20, "jitterRatio": 0}


class Outcome:
    """How a call ended.

    Attributes:
        answered: With its result.
        state: Else `unknown` or `not_started`; None where nothing is said (an error of the server's own).
        may_repeat: The caller is told that it may call again.
        text: What was said.
    """

    def __init__(self, result: dict[str, Any]) -> None:
        self.text = json.dumps(result)
        told = result.get("structuredContent") or {}
        if "error" not in told:
            said = result.get("content") or [{}]
            with contextlib.suppress(ValueError, KeyError, TypeError):
                told = json.loads(said[0]["text"])
        error = told.get("error") if isinstance(told, dict) else None
        details = (error or {}).get("details", {})
        self.answered = not result.get("isError") and error is None
        self.state = details.get("executionState")
        self.may_repeat = details.get("safeToRetry", False)


def wrong_in(case: Case) -> list[str]:
    """Plays a case and gives what was wrong; nothing where all is well."""
    try:
        return run(play(case))
    except TimeoutError:
        return ["it does not end"]


async def play(case: Case) -> list[str]:
    """The same, on a loop."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch("callmux.bridge.stream.MAX_ANSWER", LIMIT))
        stack.enter_context(mock.patch("callmux.shell.conversation.MAX_ANSWER", LIMIT))
        stack.enter_context(mock.patch.object(resuming, "OUTAGE_SECONDS", 0.1))
        stack.enter_context(mock.patch.object(bridge_link, "HEAD_SECONDS", 0.3))
        stack.enter_context(mock.patch.object(bridge_relay, "REPLAYS", 2))
        if case.carrier == "stdio":
            return await _over_stdio(case)
        if case.event is Event.GONE and case.carrier != "bridge":
            _nobody_at_first(stack)
        async with _served(Ledger(case)) as (ledger, port):
            if case.carrier == "bridge":
                return await _over_bridge(case, ledger, port)
            if case.carrier == "sse" and case.event is Event.GONE and case.status:
                return await _unopened(SseLink("l", f"http://127.0.0.1:{port}/sse", FixedHeaders({})), False)
            if case.carrier == "shell":
                return await _over_shell(case, ledger, port)
            return await _over_link(case, ledger, port)


KEY = ConnectionKey("h", 1, False, True, None, None, None)


def _nobody_at_first(stack: contextlib.ExitStack) -> None:
    """The first call finds nobody at the other end, and the next one does."""
    send, left = WebAddress.send, [1]

    async def sent(
        self: WebAddress, client: Any, method: str, headers: Any, body: Any = None, **more: Any
    ) -> Any:
        if left and body is not None and b'"tools/call"' in body:
            left.clear()
            raise aiohttp.ClientConnectorError(KEY, OSError(111, "refused"))
        return await send(self, client, method, headers, body, **more)

    stack.enter_context(mock.patch.object(WebAddress, "send", sent))


def _no_connection_at_first(http: HttpClient) -> None:
    connect = http.connect

    async def refused(to: Any = None) -> Any:
        http.connect = connect  # type: ignore[method-assign]
        raise LinkFailure(Reason.UNREACHABLE, "the listener cannot be reached")

    for connection in list(http._all):
        connection.close()
        http.forget(connection)
    http.connect = refused  # type: ignore[method-assign]


@contextlib.asynccontextmanager
async def _served(ledger: Ledger) -> AsyncIterator[tuple[Ledger, int]]:
    async with listening(ledger.handle) as origin:
        try:
            yield ledger, int(origin.rpartition(":")[2])
        finally:
            ledger.end()


async def _over_link(case: Case, ledger: Ledger, port: int) -> list[str]:
    path = "sse" if case.carrier == "sse" else "mcp"
    entry = {
        "url": f"http://127.0.0.1:{port}/{path}",
        "transport": case.carrier,
        "responseBodyMaxBytes": LIMIT,
    }
    limits: dict[str, Any] = {"callTimeoutMs": TIMEOUT_MS} if case.event is Event.LATE else {}
    async with bench(entries={"l": entry}, reconnectPolicy=SOON, exposeMetaTools=True, **limits) as b:
        client = await b.greeted()
        tool = "read" if case.safe else "write"
        waiting = asyncio.ensure_future(client.call(tool))
        if case.event is Event.ENDED and case.carrier != "sse":
            await ledger.hanging.wait()
            connection = b.host.runtime.servers["l"].connection
            assert connection is not None
            await connection.close()
            b.host.runtime.servers["l"].retire(connection, "closed")
        first = Outcome(await waiting)
        return _judged(case, ledger, first, Outcome(await _patiently(client, tool)))


async def _patiently(client: Any, tool: str) -> dict[str, Any]:
    """The second call, once the server is there again."""
    result: dict[str, Any] = {}
    for _ in range(100):
        result = await client.call(tool)
        if "downstream_unavailable" not in json.dumps(result) and "is not connected" not in json.dumps(
            result
        ):
            return result
        await asyncio.sleep(0.01)
    return result


async def _called(desk: Desk, id: int, tool: str) -> dict[str, Any]:
    answer = await desk.asks(id, "tools/call", {"name": tool, "arguments": {}})
    refused = {"isError": True, "content": [{"type": "text", "text": json.dumps(answer.get("error"))}]}
    result: dict[str, Any] = answer.get("result", refused)
    return result


async def _over_bridge(case: Case, ledger: Ledger, port: int) -> list[str]:
    endpoint = read_endpoint(f"http://127.0.0.1:{port}/mcp")
    own_ms = TIMEOUT_MS if case.event is Event.LATE else 5000
    async with Desk(endpoint, own_ms, Patience(outage=2.0, never=2.0)) as desk:
        await desk.greets()
        await desk.asks(1, "tools/list", {})
        tool = "read" if case.safe else "write"
        if case.event is Event.GONE:
            _no_connection_at_first(desk.relay._http)
        first = Outcome(await _called(desk, 2, tool))
        return _judged(case, ledger, first, Outcome(await _called(desk, 3, tool)))


async def _over_shell(case: Case, ledger: Ledger, port: int) -> list[str]:
    endpoint = read_endpoint(f"http://127.0.0.1:{port}/mcp")

    def ask() -> str:
        seconds = TIMEOUT_MS / 1000 if case.event is Event.LATE else 5
        with Conversation(endpoint, {}, "sent nothing", seconds) as talk:
            try:
                talk.ask("tools/call", call_params("read" if case.safe else "write", "{}"))
            except ShellFailed as failed:
                return failed.message
        return ""

    said = await asyncio.to_thread(ask)
    wrong = []
    if ("unknown" in said) is not case.may_have_begun:
        wrong.append(f"it says {said!r}")
    if len(ledger.effects) != case.effect or ledger.calls != 1:
        wrong.append(f"{len(ledger.effects)} effects of {ledger.calls} calls")
    return wrong


async def _unopened(link: Link, again: bool = True) -> list[str]:
    """What cannot be opened has begun nothing."""
    listener = Listener(lambda *_: None, lambda *_: None, lambda *_: None)
    try:
        await link.open(listener)
    except CallFailure as failure:
        fine = failure.repeatable(False) is again and not failure.started
        return [] if fine else ["what cannot be opened has begun"]
    finally:
        await link.close()
    return ["it opened"]


async def _over_stdio(case: Case) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger"
        if case.event is Event.GONE:
            launch = Launch(command="/nowhere/at/all", args=(), env={})
            return await _unopened(ChildLink("l", launch, Guardian(), lambda line: None))
        limits: dict[str, Any] = {"callTimeoutMs": 1000} if case.event is Event.LATE else {}
        entries = {"l": child(path, case)}
        async with bench(entries=entries, reconnectPolicy=SOON, **limits) as b:
            client = await b.greeted()
            tool = "read" if case.safe else "write"
            first = Outcome(await client.call(tool))
            ledger = Ledger(case)
            second = Outcome(await _patiently(client, tool))
            lines = path.read_text().split()
            ledger.effects, ledger.calls = [x for x in lines if x == "effect"], lines.count("call")
            return _judged(case, ledger, first, second)


def _judged(case: Case, ledger: Ledger, first: Outcome, second: Outcome) -> list[str]:
    """Looks at both calls: the one that something happened to, and a plain one after it."""
    wrong: list[str] = []

    def claim(holds: bool, what: str) -> None:
        if not holds:
            wrong.append(f"{what}; first: {first.text[:300]}; second: {second.text[:200]}")

    done = len(ledger.effects) - second.answered
    claim(second.answered, "a later call does not work")
    claim(case.safe or done <= 1, f"a write was carried out {done} times")
    claim(first.state != "not_started" or done == 0, "not started, and yet carried out")
    claim(not first.answered or done >= 1, "answered without being carried out")
    if not first.answered and first.state is not None:
        claim(
            first.may_repeat is (case.safe or first.state == "not_started"),
            "what is said about calling again does not fit",
        )
        claim(first.state == ("unknown" if case.may_have_begun else "not_started"), f"it is {first.state}")
    claim(
        first.answered or first.state is not None or case.event is Event.ERROR, "nothing is said of its state"
    )
    if not case.safe:
        sent = ledger.calls - 1
        if case.is_repeated:
            claim(first.answered, "what nobody took is not sent again")
        arrived = case.is_repeated + (case.event is not Event.GONE)
        claim(sent == arrived, f"it came {sent} times")
    if case.forgotten and case.safe:
        claim(first.answered, "a safe call does not reach the new session")
    if case.carrier in ("streamable-http", "bridge") and case.event not in (Event.GONE, Event.ENDED):
        # Whoever has no ping and says so in this way seems to have forgotten us.
        renewed = case.forgotten or case.ping not in (0, 404)
        claim(ledger.greetings == 1 + renewed, f"{ledger.greetings} sessions")
    return wrong
