"""A host whose calls need approval, its server, and a client with a person who answers as a test says."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from callmux.clock import Clock
from tests.interaction.bench import Bench, Client, bench
from tests.interaction.raw_server import Call, Json, RawServer, text

FORM: Json = {"elicitation": {}}
ASK = "elicitation/create"
HINTS: dict[str, Json] = {
    "read": {"readOnlyHint": True},
    "write": {"destructiveHint": False},
    "destroy": {"destructiveHint": True},
}


def accept(decision: str) -> Json:
    """What a client answers whose person chose this."""
    return {"action": "accept", "content": {"decision": decision}}


class Ledger(RawServer):
    """A server that writes down every effect.

    Attributes:
        effects: What was done, in order: a tool and its arguments, or a method and its target.
        hints: The annotations of its tools.
    """

    def __init__(self, name: str = "led") -> None:
        super().__init__(name, capabilities={"tools": {"listChanged": True}, "prompts": {}, "resources": {}})
        self.effects: list[tuple[str, Any]] = []
        self.hints = dict(HINTS)
        self.schema: Json = {"type": "object"}
        self.answers("tools/list", lambda call: {"tools": self._tools()})
        self.answers("tools/call", self._do)
        self.answers("prompts/get", self._prompt)
        self.answers("resources/read", self._read)
        self.lists("prompts", {"name": "hello"})
        self.lists("resources", {"uri": "led:///one", "name": "one"})

    def _tools(self) -> list[Json]:
        return [
            {"name": name, "inputSchema": self.schema, "annotations": hints}
            for name, hints in self.hints.items()
        ]

    def _do(self, call: Call) -> Json:
        name, arguments = call.params["name"], call.params.get("arguments")
        self.effects.append((name, arguments))
        return text(f'{{"n": {len(self.effects)}}}')

    def _prompt(self, call: Call) -> Json:
        self.effects.append(("prompts/get", call.params["name"]))
        return {"messages": []}

    def _read(self, call: Call) -> Json:
        self.effects.append(("resources/read", call.params["uri"]))
        return {"contents": [{"uri": call.params["uri"], "text": "one"}]}


class Place:
    """A bench with one ledger and one client.

    Attributes:
        asked: The message of every question that the client was asked.
    """

    def __init__(self, bench: Bench, server: Ledger, client: Client) -> None:
        self.bench = bench
        self.host = bench.host
        self.server = server
        self.client = client

    @property
    def effects(self) -> list[tuple[str, Any]]:
        return self.server.effects

    @property
    def asked(self) -> list[str]:
        return [question["params"]["message"] for question in self.client.asked if question["method"] == ASK]

    def person(self, *decisions: str | Json) -> None:
        """What the person says to one question after the other; the last one for all that follow."""
        left = list(decisions)

        def answer(message: Json) -> Json:
            decision = left.pop(0) if len(left) > 1 else left[0]
            return accept(decision) if isinstance(decision, str) else decision

        self.client.answers[ASK] = answer

    async def question(self, n: int = 1) -> Json:
        """The n-th question that the client is asked."""
        found: Json = (
            await self.client.until(lambda c: [q for q in c.asked if q["method"] == ASK][n - 1 : n])
        )[0]
        return found

    def waiting(self) -> list[Json]:
        """What `callmux approve` is told."""
        found: list[Json] = self.host.desk.waiting()["waiting"]
        return found


@contextlib.asynccontextmanager
async def place(
    *approve: str,
    capabilities: Json | None = None,
    server: Ledger | None = None,
    tmp_path: Path | None = None,
    env: dict[str, str] | None = None,
    clock: Clock | None = None,
    **config: Any,
) -> AsyncIterator[Place]:
    """A place where these calls need approval.

    Args:
        capabilities: What the client declares; that it shows forms, by default.
    """
    own = server or Ledger()
    async with bench(own, tmp_path=tmp_path, env=env, clock=clock, approve=list(approve), **config) as made:
        client = await made.greeted(capabilities=FORM if capabilities is None else capabilities)
        yield Place(made, own, client)


def code_of(result: Json) -> str:
    """The code of the error that a result is."""
    assert result.get("isError") is True, result
    code: str = result["structuredContent"]["error"]["code"]
    return code


Route = Callable[[Client, str, Json], Any]
"""Makes a call of a tool with arguments in one of the ways that there are."""
