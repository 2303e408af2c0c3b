"""The client side of the official conformance suite: callmux, driven by a plain client on its pipes.

    python client.py run|bridge URL

The suite starts this with the address of a server of its own. `run` puts `callmux --url` in front of that
server, `bridge` puts `callmux bridge` there. Which scenario it is shows in the tools that the server has.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from typing import Any

Json = dict[str, Any]

WAYS = {"run": ["--url"], "bridge": ["bridge", "--url"]}


class Client:
    """Writes requests, answers questions, and waits for one answer at a time."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
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


def main(way: str, url: str) -> None:
    client = Client([sys.executable, "-m", "callmux", *WAYS[way], url])
    version = os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION", "2025-11-25")
    about = {"name": "conformance-client", "version": "1.0.0"}
    capabilities = {"elicitation": {"form": {"applyDefaults": True}}}
    client.request(
        "initialize", {"protocolVersion": version, "capabilities": capabilities, "clientInfo": about}
    )
    client.send({"method": "notifications/initialized"})
    names = {tool["name"] for tool in client.request("tools/list", {})["tools"]}
    if "add_numbers" in names:
        client.call("add_numbers", {"a": 5, "b": 3})
    for name in ("test_client_elicitation_defaults", "test_reconnection"):
        if name in names:
            client.call(name, {})
    client.leave()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
