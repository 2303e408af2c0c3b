"""A server that wants a sign-in while callmux runs: calls say so at once, and a sign-in connects it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

from tests.oauth.scene import Guarded, guarded
from tests.support import eventually, free_port

from .harness import run
from .test_login import BROWSER, Place


@pytest.fixture(scope="module")
def server() -> Iterator[Guarded]:
    with guarded() as found:
        yield found


class Agent:
    """A client on stdio.

    Attributes:
        told: The notifications that came.
    """

    def __init__(self, place: Place, **capabilities: Any) -> None:
        place.config.write_text(
            json.dumps({**json.loads(place.config.read_text()), "connectTimeoutMs": 20_000})
        )
        self.process = subprocess.Popen(
            place.command(), env=place.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.told: list[dict[str, Any]] = []
        self._number = 0
        info = {"name": "agent", "version": "1"}
        declared = {"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": info}
        self.ask("initialize", declared)
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def _send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        self._send({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})
        assert self.process.stdout is not None
        while line := self.process.stdout.readline():
            message: dict[str, Any] = json.loads(line)
            if message.get("id") == self._number:
                return message
            self.told.append(message)
        raise AssertionError("the process has ended")

    def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        return self.ask("tools/call", {"name": name, "arguments": arguments})

    def works(self) -> bool:
        answer = self.call("guarded__whoami")
        return "result" in answer and not answer["result"].get("isError")

    def end(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


def test_a_client_that_opens_addresses_is_shown_the_way_in(tmp_path: Path, server: Guarded) -> None:
    place = Place(tmp_path, server)
    agent = Agent(place, elicitation={"url": {}})
    refused = agent.call("guarded__whoami")["error"]
    assert refused["code"] == -32042
    assert "callmux login guarded" in refused["message"]
    (shown,) = refused["data"]["elicitations"]
    assert shown["mode"] == "url"
    again = agent.call("callmux_call", server="guarded", tool="whoami", arguments={})["error"]
    assert again["data"]["elicitations"][0]["url"] == shown["url"]
    with urllib.request.urlopen(shown["url"], timeout=60) as page:
        assert b"Back to the terminal" in page.read()
    eventually(agent.works, "a call that works")
    told = [note["params"] for note in agent.told if note["method"] == "notifications/elicitation/complete"]
    assert {"elicitationId": shown["elicitationId"]} in told
    agent.end()


def test_a_client_without_a_handshake_is_asked_and_its_call_goes_on(tmp_path: Path, server: Guarded) -> None:
    place = Place(tmp_path, server)
    place.config.write_text(json.dumps({**json.loads(place.config.read_text()), "connectTimeoutMs": 20_000}))
    opened: list[str] = []

    def visit(url: str) -> None:
        with urllib.request.urlopen(url, timeout=60) as page:
            page.read()

    async def elicit(context: Any, params: Any) -> types.ElicitResult:
        opened.append(params.url)
        await asyncio.to_thread(visit, params.url)
        return types.ElicitResult(action="accept")

    async def scene() -> None:
        command, *words = place.command()
        target = StdioServerParameters(command=command, args=words, env=place.env)
        async with Client(target, mode="2026-07-28", elicitation_callback=elicit) as client:
            found = await client.call_tool("guarded__whoami", {})
            assert not found.is_error, found
            again = await client.call_tool("guarded__whoami", {})
            assert not again.is_error
        assert len(opened) == 1
        assert opened[0].startswith("http://127.0.0.1:")

    run(scene(), 60)


def test_another_client_is_told_the_command_and_served_once_somebody_has_signed_in(
    tmp_path: Path, server: Guarded
) -> None:
    place = Place(tmp_path, server)
    agent = Agent(place)
    refused = agent.call("guarded__whoami")["result"]["structuredContent"]["error"]
    assert refused["code"] == "sign_in_needed"
    assert "callmux login guarded" in refused["message"]
    (failed,) = agent.call("callmux_status")["result"]["structuredContent"]["failedServers"]
    assert failed["signInNeeded"] is True
    assert "callmux login guarded" in failed["nextStep"]
    browser = tmp_path / "browser.py"
    browser.write_text(BROWSER)
    done = place.run("login", BROWSER=f"{sys.executable} {browser} {tmp_path}/pages %s")
    assert done.returncode == 0, done.stderr
    eventually(agent.works, "a call that works")
    tokens = server.control()["tokens"]
    status = json.dumps(agent.call("callmux_status"))
    assert not [token for token in tokens if token in status]
    assert place.run("logout", "guarded").returncode == 0
    eventually(lambda: not agent.works(), "the end of the sign-in")
    agent.end()


def test_a_listener_says_so_on_its_page_for_probes(tmp_path: Path, server: Guarded) -> None:
    place, port = Place(tmp_path, server), free_port()
    listener = subprocess.Popen(
        place.command("--listen", str(port)),
        env=place.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def ready() -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=60) as page:
                return dict(json.load(page))
        except urllib.error.HTTPError as answer:
            with answer:
                return dict(json.load(answer))
        except OSError:
            return {}

    try:
        eventually(ready, "the listener")
        (failed,) = ready()["downstream"]["failedServers"]
        assert failed["signInNeeded"] is True
        assert "callmux login guarded" in failed["nextStep"]
    finally:
        listener.terminate()
        listener.wait(30)
