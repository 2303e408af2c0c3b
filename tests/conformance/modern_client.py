"""The client side of the official conformance suite, for the revision without a handshake.

    python modern_client.py URL

The suite starts this with the address of a server of its own and the name of the scenario in the environment.
A plain client of that revision on the pipes of callmux does what the scenario asks of a client: it uses all
that the server has, and answers what it is asked.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

Json = dict[str, Any]

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "conformance-client", "version": "1.0.0"},
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}, "roots": {}, "sampling": {}},
}


class Client:
    """Writes requests, one at a time; what it is asked meanwhile it answers by asking again."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._last = 0

    def request(self, method: str, params: Json) -> Json:
        """The result of a request, or its error."""
        answer = self._once(method, params)
        while answer.get("resultType") == "input_required":
            more: Json = {
                "inputResponses": {key: taken(asked) for key, asked in answer["inputRequests"].items()}
            }
            if "requestState" in answer:
                more["requestState"] = answer["requestState"]
            answer = self._once(method, {**params, **more})
        return answer

    def _once(self, method: str, params: Json) -> Json:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._last += 1
        message = {"jsonrpc": "2.0", "id": self._last, "method": method, "params": {**params, "_meta": META}}
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            read: Json = json.loads(line)
            if read.get("id") == self._last:
                answer: Json = read.get("result", read)
                return answer
        raise SystemExit(f"callmux ended before it answered {method}")

    def listed(self, method: str, member: str) -> list[Json]:
        """What a list has of the server's own."""
        found: list[Json] = self.request(method, {}).get(member, [])
        return [item for item in found if not str(item.get("name")).startswith("callmux_")]

    def leave(self) -> None:
        """Closes stdin and waits until callmux has ended."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)


def taken(asked: Json) -> Json:
    """The answer of a client that agrees to everything."""
    if asked["method"] == "elicitation/create":
        return {"action": "accept", "content": {"confirmed": True}}
    if asked["method"] == "roots/list":
        return {"roots": []}
    return {
        "role": "assistant",
        "content": {"type": "text", "text": "yes"},
        "model": "m",
        "stopReason": "endTurn",
    }


def use(client: Client, context: Json) -> None:
    """Calls, reads and gets everything there is, or what the scenario names."""
    tools = client.listed("tools/list", "tools")
    schemas = {tool["name"]: tool.get("inputSchema") for tool in tools}
    for call in context.get("toolCalls", [{"name": name, "arguments": {}} for name in schemas]):
        arguments = call["arguments"]
        if call["name"] == "json_schema_echo":
            arguments = {"schema": next(s for name, s in schemas.items() if name != "json_schema_echo")}
        if call["name"] == "add_numbers":
            arguments = {"a": 5, "b": 3}
        client.request("tools/call", {"name": call["name"], "arguments": arguments})
    for resource in client.listed("resources/list", "resources"):
        client.request("resources/read", {"uri": resource["uri"]})
    for prompt in client.listed("prompts/list", "prompts"):
        client.request("prompts/get", {"name": prompt["name"]})


def main(url: str) -> None:
    client = Client([sys.executable, "-m", "callmux", "--url", url])
    client.request("server/discover", {})
    use(client, json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}")))
    client.leave()


if __name__ == "__main__":
    main(*sys.argv[1:])
