"""A client on the pipes of a callmux process: what passes, what ends, and what a fault leaves alone.

Numbers in names: `w8` is W8 of the reference's engine.md, section 14; `listener_10` is item 10 of
listener.md, section 18. `docs/differences.md` says what is done about each.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.support import SECONDS, real_loop

from .harness import (
    Client,
    Json,
    alive,
    callmux,
    environment,
    error_of,
    marked,
    python_server,
    stdio,
    swept,
    text_of,
    until,
    write_config,
)

SOON = {"initialDelayMs": 20, "maxDelayMs": 200, "jitterRatio": 0}


def tool(name: str, **more: Any) -> str:
    """A tool definition as JSON."""
    return json.dumps({"name": name, "inputSchema": {"type": "object"}, **more})


def answer(result: str) -> str:
    """A line that answers with these bytes as the result."""
    return f'{{"jsonrpc":"2.0","id":$ID,"result":{result}}}'


def refusal(message: str, code: int = -32000) -> str:
    """A line that answers with a JSON-RPC error."""
    error = json.dumps({"code": code, "message": message})
    return f'{{"jsonrpc":"2.0","id":$ID,"error":{error}}}'


def note(method: str, params: str | None = None) -> str:
    """A notification."""
    return f'{{"jsonrpc":"2.0","method":"{method}"' + (f',"params":{params}}}' if params else "}")


class Scripted:
    """A scripted server: its script and its log."""

    def __init__(self, tmp_path: Path, name: str, *flags: str) -> None:
        self.name = name
        self.script = tmp_path / f"{name}.script"
        self._log = tmp_path / f"{name}.log"
        self._log.touch()
        self.says: Json = {"pages": [[]]}
        self.entry = stdio(python_server("scripted_server.py", self.script, self._log, *flags))

    def has(self, *tools: str, **more: Any) -> Scripted:
        """Lists these tools from now on, on one page unless `pages` is given."""
        self.says = {**self.says, "pages": [list(tools)], **more}
        beside = self.script.with_suffix(".new")
        beside.write_text(json.dumps(self.says))
        beside.replace(self.script)
        return self

    def received(self, method: str) -> list[Json]:
        """The messages it was sent, by method."""
        messages = [json.loads(row.split(" ", 1)[1]) for row in self._log.read_text().splitlines()]
        return [message for message in messages if message.get("method") == method]

    def calls(self, name: str) -> int:
        return sum(message["params"]["name"] == name for message in self.received("tools/call"))

    def pids(self) -> set[int]:
        """Every process that ever ran as this server and was sent something."""
        return {int(row.split(" ", 1)[0]) for row in self._log.read_text().splitlines()}


@pytest.fixture
def one(tmp_path: Path) -> Scripted:
    """A server with three tools."""
    return Scripted(tmp_path, "one").has(tool("a"), tool("b"), tool("c"))


@pytest.fixture
def two(tmp_path: Path) -> Scripted:
    """Another server."""
    return Scripted(tmp_path, "two").has(tool("d"))


OFF = {"enabled": False}


def configured(tmp_path: Path, *servers: Scripted, **more: Any) -> Path:
    """A configuration of these servers."""
    settings = {"reconnectPolicy": SOON, **more}
    return write_config(tmp_path / "callmux.json", {s.name: s.entry for s in servers}, **settings)


def lines_of(*requests: Json) -> bytes:
    """What a client would write: a greeting, then these requests."""
    about = {"name": "test", "version": "1"}
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": about}
    messages = [
        {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        *({"jsonrpc": "2.0", **request} for request in requests),
    ]
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


# ---- the end -------------------------------------------------------------------------------------------


@real_loop()
@pytest.mark.parametrize("flags", [[], ["--deaf", "--grandchild"]], ids=["polite", "deaf"])
async def test_the_end_of_stdin_ends_callmux_and_all_it_started(flags: list[str], tmp_path: Path) -> None:
    """Weak spots C20 and L10 of callmux (npm)."""
    server = Scripted(tmp_path, "one", *flags).has(tool("a"))

    async with callmux(tmp_path, "--config", configured(tmp_path, server)) as client:
        await client.initialize()
        assert await client.names() == {"a"}
        family = client.ps.children(recursive=True)
        assert len(family) >= (4 if flags else 2)
        assert await client.leave(5) == 0
        assert not [p for p in family if alive(p)]
        assert marked(client.mark) == []


@real_loop()
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("when", ["idle", "in a call", "while a server is being connected"])
async def test_a_signal_ends_callmux_and_all_it_started(
    when: str, number: signal.Signals, tmp_path: Path
) -> None:
    server = Scripted(tmp_path, "one", "--deaf", "--grandchild").has(tool("a"), delays={"a": 60_000})
    silent = stdio([sys.executable, "-c", "import time; time.sleep(600)"])
    servers = {"one": server.entry} | ({"silent": silent} if "connected" in when else {})
    config = write_config(tmp_path / "callmux.json", servers)

    async with callmux(tmp_path, "--config", config) as client:
        await client.initialize()
        if "connected" in when:
            await until("both servers run", lambda: len(marked(client.mark)) >= 4)
        else:
            await client.tools()
        if when == "in a call":
            client.send("tools/call", {"name": "a"})
            await until("the call begins", lambda: server.calls("a"))
        client.process.send_signal(number)
        async with asyncio.timeout(SECONDS):
            assert await client.process.wait() == 0
        assert marked(client.mark) == []


def run_on_file(tmp_path: Path, config: Path, stdin: Any, stdout: Any = subprocess.PIPE) -> list[Json]:
    """Runs callmux with a stdin that is no pipe, to its end; gives the messages it wrote."""
    mark = uuid.uuid4().hex
    command = [sys.executable, "-m", "callmux", "--config", str(config)]
    with swept(mark):
        done = subprocess.run(
            command,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env=environment(tmp_path, mark),
            timeout=30,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr.decode()
        assert marked(mark) == []
    return [json.loads(line) for line in (done.stdout or b"").splitlines()]


def test_requests_from_a_file_are_all_answered(one: Scripted, tmp_path: Path) -> None:
    requests = tmp_path / "requests"
    calls = [{"id": n, "method": "tools/call", "params": {"name": "a"}} for n in range(1, 20)]
    # The last line has no end: it counts all the same.
    requests.write_bytes(lines_of(*calls).rstrip(b"\n"))
    with requests.open("rb") as stdin:
        answers = run_on_file(tmp_path, configured(tmp_path, one), stdin)
    assert sorted(message["id"] for message in answers) == list(range(20))
    assert all(text_of(m["result"]).startswith("a ") for m in answers if m["id"])


def test_answers_go_into_a_file(one: Scripted, tmp_path: Path) -> None:
    requests, answers = tmp_path / "requests", tmp_path / "answers"
    requests.write_bytes(lines_of({"id": 1, "method": "tools/list"}))
    with requests.open("rb") as stdin, answers.open("wb") as stdout:
        run_on_file(tmp_path, configured(tmp_path, one), stdin, stdout)
    assert [json.loads(line)["id"] for line in answers.read_bytes().splitlines()] == [0, 1]


def test_dev_null_as_stdin_ends_at_once(one: Scripted, tmp_path: Path) -> None:
    assert run_on_file(tmp_path, configured(tmp_path, one), subprocess.DEVNULL) == []


# ---- what passes ---------------------------------------------------------------------------------------

ODD_TOOL = (
    '{"name":"odd","title":"\\u00d6dd","invented":{"deep":[1.0,1e3,12345678901234567890]},'
    '"inputSchema":{"type":"object","x-widget":"slider","properties":{"n":{"type":"integer","x-unit":"m/s"}}},'
    '"outputSchema":{"type":"object","x-out":1},"annotations":{"readOnlyHint":true,"paleHint":"very"},'
    '"icons":[{"src":"data:,","x-size":0.10}],"_meta":{"example.org/new":null},"execution":{"mode":"lazy"}}'
)
ODD_RESULT = (
    '{"content":[{"type":"hologram","beams":[1.0,2.50,1e-7],"\\u006bey":"\\u00e9é"},'
    '{"type":"text","text":"t","annotations":{"audience":["robot"],"mood":"odd"},"_meta":{"a/b":[]}},'
    '{"type":"image","data":"aGk=","mimeType":"image/png","dpi":300}],'
    '"structuredContent":{"id":12345678901234567890,"ratio":1.0},"resultType":"complete","isError":false,'
    '"_meta":{"example.org/cost":0.30},"invented":[null,true,{}]}'
)


@real_loop()
@pytest.mark.parametrize("servers", [1, 2])
async def test_what_a_server_invents_reaches_the_client_byte_for_byte(
    servers: int, one: Scripted, two: Scripted, tmp_path: Path
) -> None:
    one.has(ODD_TOOL, answers={"odd": [answer(ODD_RESULT)]})

    async with callmux(tmp_path, "--config", configured(tmp_path, *[one, two][:servers])) as client:
        await client.initialize()
        name = "odd" if servers == 1 else "one__odd"
        listed = next(t for t in await client.tools() if t["name"] == name)
        assert listed == json.loads(ODD_TOOL) | {"name": name}
        expected = ODD_TOOL.replace('"name":"odd"', f'"name":"{name}"')
        assert expected.encode() in client.raw[2]
        assert await client.call(name) == json.loads(ODD_RESULT)
        assert client.raw[3] == f'{{"jsonrpc":"2.0","id":3,"result":{ODD_RESULT}}}\n'.encode()
        # Through a meta-tool the values are the same, though they stand elsewhere.
        assert await client.call("callmux_call", {"tool": name}) == json.loads(ODD_RESULT)
        answered = await client.call("callmux_parallel", {"calls": [{"tool": name}]})
        assert answered["structuredContent"]["results"][0]["result"] == json.loads(ODD_RESULT)
        assert b'"ratio":1.0' in client.raw[5]


@real_loop()
async def test_progress_arrives_whole_under_the_clients_own_token(one: Scripted, tmp_path: Path) -> None:
    progress = '{"progressToken":$TOKEN,"progress":0.50,"total":1.0,"message":"half","x-eta":{"s":[1e3]}}'
    one.says["answers"] = {"a": [note("notifications/progress", progress), answer('{"content":[]}')]}
    one.has(tool("a"))

    async with callmux(tmp_path, "--config", configured(tmp_path, one)) as client:
        await client.initialize()
        await client.call("a", {}, _meta={"progressToken": "mine", "example.org/trace": 7})
        (told,) = [n for n in client.notes if n["method"] == "notifications/progress"]
        expected = json.loads(progress.replace("$TOKEN", '"mine"'))
        assert told["params"] == expected
        (sent,) = one.received("tools/call")
        assert sent["params"]["_meta"]["example.org/trace"] == 7


@real_loop()
async def test_a_notification_nobody_has_heard_of_reaches_the_client(one: Scripted, tmp_path: Path) -> None:
    invented = note("notifications/example.org/weather", '{"sky":["blue",1.0],"_meta":{"a":1}}')
    one.says["answers"] = {"a": [invented, answer('{"content":[]}')]}
    one.has(tool("a"))

    async with callmux(tmp_path, "--config", configured(tmp_path, one)) as client:
        await client.initialize()
        await client.call("a")
        await until("the notification arrives", lambda: json.loads(invented) in client.notes)


@real_loop()
async def test_unknown_members_of_a_call_reach_the_server(one: Scripted, tmp_path: Path) -> None:
    async with callmux(tmp_path, "--config", configured(tmp_path, one)) as client:
        await client.initialize()
        await client.call("a", {"n": 1}, task={"ttl": 60}, invented=[1, None])
        (sent,) = one.received("tools/call")
        assert sent["params"] == {
            "name": "a",
            "arguments": {"n": 1},
            "task": {"ttl": 60},
            "invented": [1, None],
        }


@real_loop()
async def test_a_cancelled_request_is_cancelled_at_the_server_and_not_answered(
    one: Scripted, tmp_path: Path
) -> None:
    one.has(tool("a"), delays={"a": 60_000})

    async with callmux(tmp_path, "--config", configured(tmp_path, one)) as client:
        await client.initialize()
        waiting = client.send("tools/call", {"name": "a"}, id="mine")
        await until("the call begins", lambda: one.calls("a"))
        client.notify("notifications/cancelled", {"requestId": "mine", "reason": "enough"})
        await until("the server is told", lambda: one.received("notifications/cancelled"))
        (sent,), (told,) = one.received("tools/call"), one.received("notifications/cancelled")
        assert told["params"]["requestId"] == sent["id"]
        await client.request("ping")
        assert not waiting.done()


# ---- listings ------------------------------------------------------------------------------------------


@real_loop()
async def test_every_page_of_a_listing_is_read(one: Scripted, tmp_path: Path) -> None:
    """Weak spots W11 and L15 of callmux (npm)."""
    pages = [[tool(f"p{page}_{n}") for n in range(4)] for page in range(5)]
    pages[2] = []
    one.has(pages=pages)

    async with callmux(tmp_path, "--config", configured(tmp_path, one)) as client:
        await client.initialize()
        assert await client.names() == {f"p{page}_{n}" for page in (0, 1, 3, 4) for n in range(4)}
        assert text_of(await client.call("p4_3")).startswith("p4_3 ")


@real_loop()
async def test_a_changed_listing_is_read_and_passed_on_once(one: Scripted, tmp_path: Path) -> None:
    """Weak spots W11 and L16 of callmux (npm)."""
    changed = [note("notifications/tools/list_changed"), answer('{"content":[]}')]
    one.says["answers"] = {"a": changed}
    one.has(tool("a"), tool("b"))

    async with callmux(tmp_path, "--config", configured(tmp_path, one)) as client:
        await client.initialize()
        assert await client.names() == {"a", "b"}
        one.has(tool("a"), tool("new"))
        await client.call("a")
        await until("the client is told", client.changes)
        assert await client.names() == {"a", "new"}
        assert text_of(await client.call("new")).startswith("new ")
        error = error_of(await client.call("b"))
        assert error["code"] == "tool_removed_after_reconnect"
        # Nothing has changed this time: the server is asked, the client is left alone.
        asked = len(one.received("tools/list"))
        await client.call("a")
        await until("the server is asked again", lambda: len(one.received("tools/list")) > asked)
        await client.request("ping")
        one.has(tool("a"), tool("newer"))
        await client.call("a")
        await until("the client is told again", lambda: client.changes() >= 2)
        assert client.changes() == 2
        assert len(one.pids()) == 1


# ---- disabled servers ----------------------------------------------------------------------------------


@real_loop()
async def test_a_disabled_server_is_never_started(one: Scripted, two: Scripted, tmp_path: Path) -> None:
    """Weak spots W4 and L22 of callmux (npm)."""
    two.entry["disabled"] = True
    config = configured(tmp_path, one, two)

    async with callmux(tmp_path, "--config", config) as client:
        await client.initialize()
        direct = await client.call("two__d")
        assert error_of(direct)["code"] == "server_disabled"
        for arguments in ({"tool": "d", "server": "two"}, {"tool": "two__d"}):
            forced = await client.call("callmux_call", {**arguments, "forceReconnect": True})
            assert error_of(forced)["code"] == "server_disabled"
        calls = [{"tool": "d", "server": "two"}, {"tool": "one__a"}]
        answered = await client.call("callmux_parallel", {"calls": calls})
        assert answered["structuredContent"]["failedIndexes"] == [0]
        assert await client.names() == {"one__a", "one__b", "one__c"}
        assert two.pids() == set()


# ---- one call's fault is its own -----------------------------------------------------------------------


@real_loop()
async def test_a_timeout_ends_only_its_own_call(one: Scripted, tmp_path: Path) -> None:
    """Weak spots W8 and L2 of callmux (npm)."""
    one.has(tool("a"), tool("b"), tool("c"), delays={"a": 60_000, "b": 3500})

    async with callmux(tmp_path, "--config", configured(tmp_path, one)) as client:
        await client.initialize()
        pid = int(text_of(await client.call("c")).split()[1])
        sibling = client.send("tools/call", {"name": "b"})
        short = [{"tool": "a", "timeoutMs": 100}, {"tool": "b"}, {"tool": "a", "timeoutMs": 300}]
        answered = (await client.call("callmux_parallel", {"calls": short}))["structuredContent"]
        first, _, third = (entry["result"] for entry in answered["results"])
        for late in (first, third):
            error = error_of(late)
            assert error["details"]["category"] == "timeout"
            assert error["details"]["executionState"] == "unknown"
        assert answered["failedIndexes"] == [0, 2]
        # The probe that follows a time-out was over long ago: the other calls ended on the same process.
        assert int(text_of((await sibling)["result"]).split()[1]) == pid
        assert one.pids() == {pid}
        assert len(one.received("notifications/cancelled")) == 2


WORDS = [
    "invalid timeout value",
    "the operation timed out",
    "chat session not found",
    "session expired for user",
    "parse error in expression",
    "cannot parse error log",
    "jsonrpc is a nice name",
    "ECONNRESET broken pipe socket hang up",
    "401 unauthorized",
]


@real_loop()
@pytest.mark.parametrize("read_only", [False, True])
async def test_words_in_a_message_decide_nothing(read_only: bool, one: Scripted, tmp_path: Path) -> None:
    """Weak spots W9 and L4 of callmux (npm)."""
    names = [f"t{n}" for n in range(len(WORDS))]
    answers = {name: [refusal(words)] for name, words in zip(names, WORDS, strict=True)}
    one.says["answers"] = answers
    one.has(*(tool(name, annotations={"readOnlyHint": read_only}) for name in names), tool("pid"))

    async with callmux(tmp_path, "--config", configured(tmp_path, one)) as client:
        await client.initialize()
        for name, words in zip(names, WORDS, strict=True):
            error = error_of(await client.call(name))
            assert error["details"]["category"] == "unknown", words
            assert error["details"]["retryable"] is False
            assert error["details"]["rootCause"] == words
            assert error["details"]["jsonRpcCode"] == -32000
            assert "retryAttempted" not in error["details"]
            assert one.calls(name) == 1, words
        # The same words as an ordinary error result are the tool's own affair.
        await client.call("pid")
        assert len(one.pids()) == 1


@real_loop()
async def test_a_read_only_call_whose_server_crashes_is_retried(tmp_path: Path) -> None:
    """Weak spots W10 and L3 of callmux (npm)."""
    ledger = tmp_path / "ledger"
    entry = stdio(python_server("ledger_server.py", ledger))
    config = write_config(tmp_path / "callmux.json", {"s": entry}, reconnectPolicy=SOON)

    async with callmux(tmp_path, "--config", config) as client:
        await client.initialize()
        result = await client.call("crash_once", {"token": "once"})
        assert json.loads(text_of(result))["token"] == "once"
        assert ledger.read_text().count("begin once ") == 2
        # A mutating one is not, and what is said of it agrees with itself.
        error = error_of(await client.call("crash_before", {"token": "never again"}))
        details = error["details"]
        assert (details["category"], details["retryable"], details["safeToRetry"]) == (
            "transport",
            True,
            False,
        )
        assert details["executionState"] == "unknown"


@real_loop()
async def test_waiting_for_a_turn_counts_towards_the_timeout(one: Scripted, tmp_path: Path) -> None:
    """Weak spot L12 of callmux (npm)."""
    one.has(tool("a"), tool("b"), delays={"a": 60_000})
    config = configured(tmp_path, one, maxConcurrency=1, callTimeoutMs=400)

    async with callmux(tmp_path, "--config", config) as client:
        await client.initialize()
        await client.tools()
        holder = client.send(
            "tools/call", {"name": "callmux_call", "arguments": {"tool": "a", "timeoutMs": 20_000}}
        )
        await until("the slot is taken", lambda: one.calls("a"))
        error = error_of(await client.call("b"))
        assert error["details"]["category"] == "timeout"
        assert error["details"]["executionState"] == "not_started"
        assert error["details"]["safeToRetry"] is True
        assert not holder.done()
        assert one.calls("b") == 0


@real_loop()
@pytest.mark.parametrize("too_long", [2**31, 2**53 - 1])
async def test_a_timeout_too_long_for_a_timer_is_refused(
    too_long: int, one: Scripted, tmp_path: Path
) -> None:
    """Weak spot W24 of callmux (npm)."""
    one.has(tool("a"), delays={"a": 300})

    async with callmux(tmp_path, "--config", configured(tmp_path, one)) as client:
        await client.initialize()
        batch = {"tool": "a", "items": [{"arguments": {}}], "timeoutMs": too_long}
        asked = [
            ("callmux_call", {"tool": "a", "timeoutMs": too_long}, "timeoutMs"),
            ("callmux_parallel", {"calls": [{"tool": "a", "timeoutMs": too_long}]}, "calls[0].timeoutMs"),
            (
                "callmux_batch",
                batch,
                "timeoutMs",
            ),
        ]
        for name, arguments, field in asked:
            error = error_of(await client.call(name, arguments))
            assert (error["code"], error["details"]["field"]) == ("invalid_arguments", field)
        assert one.calls("a") == 0
        longest = await client.call("callmux_call", {"tool": "a", "timeoutMs": 2**31 - 1})
        assert not longest.get("isError")
        assert len(one.pids()) == 1


# ---- an edited configuration ---------------------------------------------------------------------------


@real_loop()
async def test_an_edited_configuration_is_noticed_as_a_changed_list_and_no_more(
    one: Scripted, two: Scripted, tmp_path: Path
) -> None:
    """Weak spot L17 of callmux (npm)."""
    one.has(tool("a"), tool("b"), delays={"b": 2500})
    config = configured(tmp_path, one)

    async with callmux(tmp_path, "--config", config) as client:
        await client.initialize()
        assert await client.names() == {"a", "b"}
        in_flight = client.send("tools/call", {"name": "b"})
        await until("the call begins", lambda: one.calls("b"))

        async def told(changes: int, names: set[str]) -> None:
            await until("the client is told", lambda: client.changes() >= changes)
            assert await client.names() == names
            assert client.changes() == changes

        configured(tmp_path, one, two)
        await told(1, {"one__a", "one__b", "two__d"})

        one.entry["tools"] = ["a"]
        configured(tmp_path, one, two)
        await told(2, {"one__a", "two__d"})
        assert error_of(await client.call("one__b"))["code"] == "tool_resolution_failed"

        config.write_text('{"servers": {"one": ')
        await until("the mistake is reported", lambda: "Config reload failed" in client.said)
        assert await client.names() == {"one__a", "two__d"}
        assert text_of(await client.call("two__d")).startswith("d ")

        configured(tmp_path, one)
        await told(3, {"a"})
        assert text_of((await in_flight)["result"]).startswith("b ")
        assert len(one.pids()) == 1
        await until("the dropped server ended", lambda: len(marked(client.mark)) == 2)
        assert client.ps.is_running()


@real_loop()
async def test_a_server_whose_command_is_edited_finishes_its_calls_on_the_old_process(
    one: Scripted, two: Scripted, tmp_path: Path
) -> None:
    one.has(tool("a"), tool("b"), delays={"b": 1500})
    config = configured(tmp_path, one, two)

    async with callmux(tmp_path, "--config", config) as client:
        await client.initialize()
        await client.tools()
        old = text_of(await client.call("one__a")).split()[1]
        bystander = text_of(await client.call("two__d"))
        in_flight = client.send("tools/call", {"name": "one__b"})
        await until("the call begins", lambda: one.calls("b"))
        one.entry["env"] = {"EDITED": "yes"}
        configured(tmp_path, one, two)
        await until("the new process is there", lambda: len(one.pids()) == 2)
        assert text_of((await in_flight)["result"]) == f"b {old}"
        assert text_of(await client.call("one__a")).split()[1] != old
        assert text_of(await client.call("two__d")) == bystander
        # The same tools under the same names: there is nothing to tell.
        assert client.changes() == 0
        await until("the old process ended", lambda: len(marked(client.mark)) == 3)


# ---- size ----------------------------------------------------------------------------------------------


@real_loop()
async def test_a_result_of_ten_megabytes_passes(one: Scripted, tmp_path: Path) -> None:
    async with callmux(tmp_path, "--config", configured(tmp_path, one, responseShield=OFF)) as client:
        await client.initialize()
        asked = [client.call("a", {"size": 10_000_000}), client.call("callmux_call", {"tool": "b"})]
        big, small = await asyncio.gather(*asked)
        assert text_of(big) == "x" * 10_000_000
        assert text_of(small).startswith("b ")
        deep = [{"tool": "a", "arguments": {"size": 10_000_000}}]
        answered = await client.call("callmux_parallel", {"calls": deep})
        assert len(answered["structuredContent"]["results"][0]["result"]) == 10_000_000


@real_loop(2 * SECONDS)
async def test_a_client_that_does_not_read_costs_no_memory_without_bound(
    one: Scripted, tmp_path: Path
) -> None:
    """Of 150 answers of a megabyte that are asked for and not read, callmux does not hold all."""
    megabyte = 1_000_000

    async with callmux(tmp_path, "--config", configured(tmp_path, one, responseShield=OFF)) as client:
        await client.initialize()
        await client.call("a", {"size": megabyte})
        before = client.ps.memory_info().rss
        client.may_read.clear()
        asked = [
            client.send("tools/call", {"name": "a", "arguments": {"size": megabyte}}) for _ in range(150)
        ]
        highest = await self_limiting(client, one)
        print(f"{(highest - before) / megabyte:.0f} MB more while nothing is read")
        assert highest - before < 75 * megabyte
        client.may_read.set()
        answers = await asyncio.gather(*asked)
        assert all(len(text_of(message["result"])) == megabyte for message in answers)


async def self_limiting(client: Client, server: Scripted) -> int:
    """Waits until callmux asks the server for no more, and gives the most memory it took until then."""
    highest, seen, still = 0, -1, 0

    def at_rest() -> bool:
        nonlocal highest, seen, still
        highest = max(highest, client.ps.memory_info().rss)
        calls = server.calls("a")
        still = still + 1 if calls == seen else 0
        seen = calls
        return still >= 50

    await until("callmux asks for no more", at_rest)
    return highest
