"""Rules and profiles in front of real processes: over HTTP with tokens, and on stdio."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support import SECONDS, eventually, free_port, real_loop

from .harness import Json, callmux, error_of, python_server, run, stdio, write_config
from .test_listener import HELLO, request, run_listener

AUTH: Json = {"mode": "bearer", "tokens": [{"id": "ops", "token": "t-ops"}, {"id": "dev", "token": "t-dev"}]}
RULES: Json = {
    "defaultEffect": "deny",
    "rules": [
        {"effect": "allow", "principals": ["bearer:ops", "stdio:me"]},
        {
            "id": "reads",
            "effect": "allow",
            "principals": ["bearer:dev"],
            "tools": ["a__*"],
            "tiers": ["read"],
        },
    ],
}
PROFILES: Json = {
    "reading": {"tools": ["a__read", "a__slow_read"]},
    "ops-only": {"principals": ["bearer:ops"], "tools": ["a__write"]},
}


class Person:
    """A client of a listener with a token, at one address."""

    def __init__(self, port: int, token: str, path: str = "/mcp", cwd: str | None = None) -> None:
        self.port = port
        self.cwd = cwd
        self.path = path
        self.token = token
        self.session: str | None = None

    def posts(self, message: Json, path: str | None = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        head = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        if self.token:
            head["Authorization"] = f"Bearer {self.token}"
        if self.cwd is not None:
            head["x-callmux-cwd"] = self.cwd
        if self.session is not None:
            head["Mcp-Session-Id"] = self.session
        connection.request("POST", path or self.path, json.dumps(message), head)
        answer = connection.getresponse()
        body = answer.read().decode()
        self.session = self.session or answer.headers.get("mcp-session-id")
        connection.close()
        if body.startswith("{"):
            return answer.status, json.loads(body)
        events = [line[6:] for line in body.splitlines() if line.startswith("data: ") and len(line) > 6]
        return answer.status, json.loads(events[-1]) if events else None

    def greets(self) -> int:
        status, _ = self.posts(request(1, "initialize", HELLO))
        if status == 200:
            self.posts({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return status

    def calls(self, name: str, arguments: Json | None = None) -> Any:
        status, answer = self.posts(request(2, "tools/call", {"name": name, "arguments": arguments or {}}))
        assert status == 200
        return answer["result"]

    def ready(self) -> str:
        """What `/ready` says to it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        connection.request("GET", "/ready", headers={"Authorization": f"Bearer {self.token}"})
        said = connection.getresponse().read().decode()
        connection.close()
        return said

    def tools(self) -> set[str]:
        _, answer = self.posts(request(3, "tools/list", {}))
        return {tool["name"] for tool in answer["result"]["tools"] if not tool["name"].startswith("callmux_")}


def servers(tmp_path: Path) -> Json:
    entry = stdio(python_server("ledger_server.py", tmp_path / "ledger"))
    return {"a": entry, "b": stdio(python_server("ledger_server.py", tmp_path / "other"))}


def effects(tmp_path: Path) -> int:
    ledger = tmp_path / "ledger"
    return ledger.read_text().count("done") if ledger.exists() else 0


def test_each_token_uses_and_sees_what_its_rules_allow(tmp_path: Path) -> None:
    config = write_config(tmp_path / "c.json", servers(tmp_path), auth=AUTH, authorization=RULES)
    port = free_port()
    with run_listener(tmp_path, config, port):
        ops, dev = Person(port, "t-ops"), Person(port, "t-dev")
        assert (ops.greets(), dev.greets()) == (200, 200)
        assert dev.tools() == {"a__read", "a__slow_read", "a__crash_once"}
        assert {"a__write", "b__write"} < ops.tools()
        refused = dev.calls("a__write", {"token": "x"})
        assert refused["structuredContent"]["error"]["details"]["code"] == "authorization_default_deny"
        for arguments in ({"tool": "write", "server": "a"}, {"tool": "a__write"}):
            assert dev.calls("callmux_call", {**arguments, "arguments": {"token": "x"}})["isError"]
        assert effects(tmp_path) == 0
        assert not dev.calls("a__read", {"token": "x"}).get("isError")
        assert not ops.calls("a__write", {"token": "y"}).get("isError")
        assert effects(tmp_path) == 2
        assert '"b"' not in dev.ready()
        assert '"b"' in ops.ready()
        # A session of somebody else is none.
        thief = Person(port, "t-dev")
        thief.session = ops.session
        assert thief.posts(request(4, "tools/list", {}))[0] == 404


def test_rules_that_are_changed_hold_for_sessions_that_go_on(tmp_path: Path) -> None:
    config = write_config(tmp_path / "c.json", servers(tmp_path), auth=AUTH, authorization=RULES)
    port = free_port()
    with run_listener(tmp_path, config, port):
        dev = Person(port, "t-dev")
        dev.greets()
        assert not dev.calls("a__read", {"token": "x"}).get("isError")
        closed = {
            "defaultEffect": "allow",
            "rules": [{"id": "shut", "effect": "deny", "principals": ["id:dev"]}],
        }
        write_config(tmp_path / "c.json", servers(tmp_path), auth=AUTH, authorization=closed)
        eventually(lambda: "shut" in json.dumps(dev.calls("a__read", {"token": "x"})))
        before = effects(tmp_path)
        assert "shut" in json.dumps(dev.calls("callmux_parallel", {"calls": [{"tool": "a__read"}]}))
        assert effects(tmp_path) == before


def test_a_listener_tells_nobody_of_the_sessions_and_calls_of_others(tmp_path: Path) -> None:
    config = write_config(tmp_path / "c.json", servers(tmp_path), auth=AUTH)
    port = free_port()
    with run_listener(tmp_path, config, port):
        ops, dev = Person(port, "t-ops"), Person(port, "t-dev")
        assert (ops.greets(), dev.greets()) == (200, 200)
        work = threading.Thread(target=ops.calls, args=("a__slow", {"token": "x", "ms": 2000}))
        work.start()
        eventually(lambda: (tmp_path / "ledger").exists() and "begin x" in (tmp_path / "ledger").read_text())
        shown = dev.calls("callmux_status", {"sessions": True})["structuredContent"]["listener"]
        assert shown["activeSessions"] == 2
        assert [len(shown["sessions"]), len(shown["activeToolCalls"])] == [1, 1]
        assert "slow" not in json.dumps(shown)
        assert "slow" not in json.dumps(json.loads(dev.ready())["downstream"]["listener"])
        work.join()


def test_with_rules_and_no_credentials_a_listener_shows_nobody_anything(tmp_path: Path) -> None:
    config = write_config(tmp_path / "c.json", servers(tmp_path), authorization=RULES)
    port = free_port()
    with run_listener(tmp_path, config, port):
        assert json.loads(Person(port, "").ready())["downstream"]["servers"] == []


def test_a_right_that_is_taken_away_ends_a_pipeline_before_its_next_step(tmp_path: Path) -> None:
    more: Json = {"auth": AUTH, "authorization": {"rules": [{"effect": "deny", "tools": ["b__*"]}]}}
    config = write_config(tmp_path / "c.json", servers(tmp_path), **more)
    port = free_port()
    with run_listener(tmp_path, config, port):
        dev, other = Person(port, "t-dev"), Person(port, "t-dev")
        assert (dev.greets(), other.greets()) == (200, 200)
        answers: list[Any] = []
        slow = {"tool": "a__slow_read", "arguments": {"token": "first", "ms": 4000}}
        steps = [slow, {"tool": "a__write", "arguments": {"token": "second"}}]
        work = threading.Thread(
            target=lambda: answers.append(dev.calls("callmux_pipeline", {"steps": steps}))
        )
        work.start()
        eventually(lambda: "begin first" in (tmp_path / "ledger").read_text())
        more["authorization"]["rules"].append({"id": "late", "effect": "deny", "tools": ["a__write"]})
        write_config(tmp_path / "c.json", servers(tmp_path), **more)
        eventually(lambda: "late" in json.dumps(other.calls("a__write", {"token": "other"})))
        work.join()
        assert "late" in json.dumps(answers)
        rows = (tmp_path / "ledger").read_text()
        assert "done first" in rows
        assert "second" not in rows


def test_a_profile_has_an_address_and_its_sessions_stay_there(tmp_path: Path) -> None:
    config = write_config(tmp_path / "c.json", servers(tmp_path), auth=AUTH, profiles=PROFILES)
    port = free_port()
    with run_listener(tmp_path, config, port):
        dev, plain = Person(port, "t-dev", "/mcp/p/reading"), Person(port, "t-dev")
        assert (dev.greets(), plain.greets()) == (200, 200)
        assert dev.tools() == {"a__read", "a__slow_read"}
        assert "b__write" in plain.tools()
        assert "authorization_profile" in json.dumps(dev.calls("b__read", {"token": "x"}))
        assert dev.posts(request(5, "tools/list", {}), "/mcp")[0] == 404
        assert plain.posts(request(5, "tools/list", {}), "/mcp/p/reading")[0] == 404
        for path in ("/mcp/p/none", "/mcp/p/ops-only", "/mcp/p/", "/mcp/p/reading/more"):
            assert Person(port, "t-dev", path).greets() == 404
        # Who is named by a profile has that one at every address that takes them.
        ops = Person(port, "t-ops")
        assert ops.greets() == 200
        assert ops.tools() == {"a__write"}
        assert Person(port, "t-ops", "/mcp/p/reading").greets() == 404
        assert Person(port, "t-ops", "/mcp/p/ops-only").greets() == 200


def test_a_profile_goes_with_the_directory_that_a_client_greets_from(tmp_path: Path) -> None:
    profiles = {"here": {"directories": ["/work/here"], "tools": ["a__read"]}}
    config = write_config(tmp_path / "c.json", servers(tmp_path), profiles=profiles)
    port = free_port()
    with run_listener(tmp_path, config, port):
        inside, outside = Person(port, "", cwd="/work/here/below"), Person(port, "", cwd="/work/hereby")
        assert (inside.greets(), outside.greets()) == (200, 200)
        assert inside.tools() == {"a__read"}
        assert "b__write" in outside.tools()


@pytest.mark.parametrize("upgrade", [False, True])
def test_a_session_keeps_its_profile_over_a_restart(upgrade: bool, tmp_path: Path) -> None:
    home = tmp_path / "reviews"
    home.mkdir()
    profiles = {**PROFILES, "reviews": {"tools": ["b__read"], "directories": [str(home)]}}
    config = write_config(tmp_path / "c.json", servers(tmp_path), auth=AUTH, profiles=profiles)
    port = free_port()
    reading = Person(port, "t-dev", "/mcp/p/reading")
    there, whole = Person(port, "t-dev", cwd=str(home)), Person(port, "t-dev")
    people = (reading, there, whole)

    def shown() -> list[set[str]]:
        # The address of another profile does not know the session, whichever is first to ask.
        assert [reading.posts(request(4, "tools/list", {}), path)[0] for path in ("/mcp", "/mcp/p/x")] == [
            404
        ] * 2
        assert whole.posts(request(4, "tools/list", {}), "/mcp/p/reading")[0] == 404
        return [person.tools() for person in people]

    with run_listener(tmp_path, config, port) as process:
        assert [person.greets() for person in people] == [200] * 3
        before = shown()
        assert before[:2] == [{"a__read", "a__slow_read"}, {"b__read"}]
        # It says where it works when it greets, and not again.
        there.cwd = None
        if upgrade:
            process.send_signal(signal.SIGUSR2)
            process.wait(timeout=SECONDS)
            assert shown() == before
    if not upgrade:
        with run_listener(tmp_path, config, port):
            assert shown() == before


def test_the_bridge_goes_to_the_address_of_a_profile(tmp_path: Path) -> None:
    config = write_config(tmp_path / "c.json", servers(tmp_path), profiles=PROFILES)
    port = free_port()

    async def play() -> None:
        url = f"http://127.0.0.1:{port}/mcp/p/reading"
        async with callmux(tmp_path, "bridge", "--url", url) as client:
            await client.initialize()
            assert await client.names() == {"a__read", "a__slow_read"}
            assert "authorization_profile" in json.dumps(await client.call("b__read", {"token": "x"}))

    with run_listener(tmp_path, config, port):
        run(play())


@real_loop()
@pytest.mark.parametrize(("options", "more"), [(["--profile", "reading"], {}), ([], {"profile": "reading"})])
async def test_on_stdio_a_profile_is_chosen_by_name(tmp_path: Path, options: list[str], more: Json) -> None:
    config = write_config(tmp_path / "c.json", servers(tmp_path), profiles=PROFILES, **more)
    async with callmux(tmp_path, "--config", config, *options) as client:
        await client.initialize()
        assert await client.names() == {"a__read", "a__slow_read"}
        refused = await client.call("a__write", {"token": "x"})
        assert error_of(refused)["details"]["code"] == "authorization_profile"


def test_a_profile_that_is_not_there_ends_the_start(tmp_path: Path) -> None:
    config = write_config(tmp_path / "c.json", {}, profiles=PROFILES)
    words = [sys.executable, "-m", "callmux", "--config", str(config), "--profile", "raeding"]
    done = subprocess.run(
        words, capture_output=True, stdin=subprocess.DEVNULL, timeout=SECONDS, check=False, text=True
    )
    assert done.returncode == 1
    assert 'did you mean "reading"' in done.stderr


@real_loop()
@pytest.mark.parametrize(
    ("more", "allowed"), [({}, True), ({"stdioPrincipal": "me"}, True), ({"stdioPrincipal": "you"}, False)]
)
async def test_rules_hold_on_stdio_only_for_somebody_named(tmp_path: Path, more: Json, allowed: bool) -> None:
    config = write_config(tmp_path / "c.json", servers(tmp_path), authorization=RULES, **more)
    async with callmux(tmp_path, "--config", config) as client:
        await client.initialize()
        assert bool(await client.names()) is allowed
        result = await client.call("a__write", {"token": "x"})
        assert bool(result.get("isError")) is not allowed
        assert effects(tmp_path) == allowed


@real_loop()
@pytest.mark.parametrize(
    "more", [{"approve": ["write"]}, {"stdioPrincipal": "me", "authorization": RULES}, {}]
)
async def test_a_call_without_an_id_reaches_no_server(tmp_path: Path, more: Json) -> None:
    """A server that looks at no id would make it, and no rule, approval or limit would have seen it."""
    entry = {**servers(tmp_path)["a"], "denyTools": ["slow"]}
    config = write_config(tmp_path / "c.json", {"a": entry}, **more)
    async with callmux(tmp_path, "--config", config) as client:
        await client.initialize()
        assert "read" in await client.names()
        for name in ("write", "slow", "a__write"):
            client.notify("tools/call", {"name": name, "arguments": {"token": "forged"}})
        await client.call("read", {"token": "asked"})
        assert "forged" not in (tmp_path / "ledger").read_text()


def test_nor_does_it_in_a_listener(tmp_path: Path) -> None:
    rules = {"rules": [{"effect": "deny", "tools": ["a__write"]}]}
    config = write_config(tmp_path / "c.json", servers(tmp_path), auth=AUTH, authorization=rules)
    port = free_port()
    with run_listener(tmp_path, config, port):
        dev = Person(port, "t-dev")
        dev.greets()
        call: Json = {"jsonrpc": "2.0", "method": "tools/call"}
        call["params"] = {"name": "write", "arguments": {"token": "forged"}}
        assert dev.posts(call)[0] == 202
        assert not dev.calls("a__read", {"token": "asked"}).get("isError")
        assert "forged" not in (tmp_path / "ledger").read_text()
