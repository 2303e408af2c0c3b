"""The client side of the official conformance suite: callmux, driven by a plain client on its pipes.

    python client.py run|bridge URL

The suite starts this with the address of a server of its own. `run` puts `callmux --url` in front of that
server, `bridge` puts `callmux bridge` there. Which scenario it is shows in the tools that the server has.

Where the server wants a sign-in (`auth/...`), `run` puts callmux with a configuration there, and signs in as
`callmux login` does whenever a call says that it is needed; the person is a program that follows redirects.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from callmux.config.servers import HttpServer
from callmux.oauth.device import DeviceCode
from callmux.oauth.failure import SignInFailed
from callmux.oauth.sign_in import sign_in
from callmux.stores.tokens import TokenStore, token_directory

Json = dict[str, Any]

ANY = {"server": "s", "tool": "any"}
WAYS = {"run": ["--url"], "bridge": ["bridge", "--url"]}


class Client:
    """Writes requests, answers questions, and waits for one answer at a time."""

    def __init__(self, command: list[str], env: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
        self._ids = itertools.count(1)

    def send(self, message: Json) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self._process.stdin.flush()

    def request(self, method: str, params: Json) -> Json:
        """The result of a request; questions that come before it are answered."""
        assert self._process.stdout is not None
        id = next(self._ids)
        self.send({"id": id, "method": method, "params": params})
        for line in self._process.stdout:
            message = json.loads(line)
            if message.get("method") == "elicitation/create":
                self.send({"id": message["id"], "result": accepted(message["params"]["requestedSchema"])})
            elif message.get("id") == id and "method" not in message:
                if "result" not in message:
                    raise SystemExit(f"{method}: {message['error']}")
                result: Json = message["result"]
                return result
        raise SystemExit(f"callmux ended before it answered {method}")

    def call(self, tool: str, arguments: Json) -> None:
        result = self.request("tools/call", {"name": tool, "arguments": arguments})
        if result.get("isError"):
            raise SystemExit(f"{tool}: {result['content']}")

    def greet(self, version: str) -> None:
        about = {"name": "conformance-client", "version": "1.0.0"}
        capabilities = {"elicitation": {"form": {"applyDefaults": True}}}
        self.request(
            "initialize", {"protocolVersion": version, "capabilities": capabilities, "clientInfo": about}
        )
        self.send({"method": "notifications/initialized"})

    def own_tools(self) -> list[str]:
        """The tools of the server behind callmux."""
        listed = self.request("tools/list", {})["tools"]
        return [tool["name"] for tool in listed if not tool["name"].startswith("callmux_")]

    def use(self) -> str:
        """Calls a tool of the server; gives the code of the error, or nothing."""
        names = self.own_tools()
        call = {"name": names[0], "arguments": {}} if names else {"name": "callmux_call", "arguments": ANY}
        result = self.request("tools/call", call)
        if not result.get("isError"):
            return ""
        return str(result.get("structuredContent", {}).get("error", {}).get("code", "error"))

    def wait(self) -> None:
        """Waits until the server is connected."""
        end = time.monotonic() + SECONDS
        while not self.own_tools() and time.monotonic() < end:
            time.sleep(0.02)

    def leave(self) -> None:
        """Closes stdin and waits until callmux has ended."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)


def accepted(schema: Json) -> Json:
    """The answer of a user who takes every default."""
    properties = schema.get("properties", {})
    taken = {name: given["default"] for name, given in properties.items() if "default" in given}
    return {"action": "accept", "content": taken}


METADATA_DOCUMENT = "https://conformance-test.local/client-metadata.json"
MOST_SIGN_INS = 3
SECONDS = 60.0
"""How long a server may take to be there after a sign-in: the suite gives its client 120 s for everything."""


class Following:
    """A person who agrees at once: goes where the authorization server sends a browser."""

    redirect_uri = "http://127.0.0.1:3999/callback"

    async def authorize(self, url: str, state: str) -> str:
        async with aiohttp.ClientSession() as web:
            for _ in range(5):
                if url.startswith(self.redirect_uri):
                    return url
                async with web.get(url, allow_redirects=False) as answer:
                    if "Location" not in answer.headers:
                        raise SignInFailed(f"the authorization server stays at {answer.status}")
                    url = answer.headers["Location"]
        raise SignInFailed("the authorization server redirects for ever")

    async def show_code(self, code: DeviceCode) -> None:
        raise SignInFailed("no scenario has a code")


def oauth_of(scenario: str, context: Json) -> Json:
    """What the configuration says of the sign-in."""
    if "private_key_pem" in context:
        key = {"privateKey": "env:CONFORMANCE_SECRET"}
        return {"grant": "client_credentials", "clientId": context["client_id"], **key}
    if "client_id" in context:
        client = {"clientId": context["client_id"], "clientSecret": "env:CONFORMANCE_SECRET"}
        if "issuer" in context:
            client["issuer"] = context["issuer"]
        return {**client, **({"grant": "client_credentials"} if "credentials" in scenario else {})}
    return {"clientMetadataUrl": METADATA_DOCUMENT} if "cimd" in scenario else {}


def sign_in_and_call(scenario: str, version: str, url: str) -> None:
    """Lists and calls; signs in each time that callmux says so."""
    context: Json = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))
    secret = context.get("private_key_pem") or context.get("client_secret") or ""
    with tempfile.TemporaryDirectory() as home:
        entry = {"url": url, "oauth": oauth_of(scenario, context)}
        file = Path(home) / "callmux.json"
        file.write_text(json.dumps({"servers": {"s": entry}}))
        own = {"HOME": home, "XDG_STATE_HOME": f"{home}/state", "CONFORMANCE_SECRET": secret}
        env = {**os.environ, **own}
        client = Client([sys.executable, "-m", "callmux", "--config", str(file)], env)
        client.greet(version)
        config = msgspec.json.decode(json.dumps(entry), type=HttpServer)
        for _ in range(MOST_SIGN_INS):
            code = client.use()
            if code != "sign_in_needed":
                break
            store = TokenStore(token_directory(env))
            asyncio.run(sign_in("s", config, store, Following(), env=env, base_dir=Path(home)))
            client.wait()
        client.leave()
        if code:
            raise SystemExit(f"{scenario}: {code}")


def main(way: str, url: str) -> None:
    scenario = os.environ.get("MCP_CONFORMANCE_SCENARIO", "")
    if scenario.startswith("auth/"):
        try:
            sign_in_and_call(scenario, os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION", ""), url)
        except SignInFailed as failure:
            raise SystemExit(f"{scenario}: {failure.reason}") from None
        return
    client = Client([sys.executable, "-m", "callmux", *WAYS[way], url])
    client.greet(os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION", "2025-11-25"))
    names = {tool["name"] for tool in client.request("tools/list", {})["tools"]}
    if "add_numbers" in names:
        client.call("add_numbers", {"a": 5, "b": 3})
    for name in ("test_client_elicitation_defaults", "test_reconnection"):
        if name in names:
            client.call(name, {})
    client.leave()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
