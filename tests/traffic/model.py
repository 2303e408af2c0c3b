"""What clients sent and servers got, and what each may see of it: a dictionary, and no line of callmux.

Filled by `tests.traffic.street` with what happens at both ends. It knows nothing of what is between them;
what it finds wrong stands in `wrong`.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

Json = dict[str, Any]

WRITES = ("work",)
"""Tools that must never be carried out twice."""
FAILURES = {"tool_call_failed", "downstream_unavailable"}
PATIENCE = 40.0
"""Seconds beside its own time that a call may take: two attempts, a look whether the server lives, a
connection."""
BACKOFF = 90.0
"""Seconds after which a server that had trouble is there again."""
EPSILON = 0.01


class OneCall:
    """One call that a client wants made: a direct one, or a child of a fan-out."""

    def __init__(self, server: str, tool: str, n: int, timeout: float) -> None:
        self.server, self.tool, self.n, self.timeout = server, tool, n, timeout

    @property
    def key(self) -> tuple[str, str, int]:
        return self.server, self.tool, self.n


class Sent:
    """A request of a client."""

    def __init__(
        self, client: str, id: Any, calls: list[OneCall], token: Any, at: int, now: float, several: bool
    ) -> None:
        self.client, self.id, self.calls, self.token = client, id, calls, token
        self.at, self.now, self.several = at, now, several
        self.over: int | None = None
        self.answered = False


class Got:
    """A call that a server got on one link."""

    def __init__(self, link: Any, server: str, id: int, tool: str, n: int, at: int) -> None:
        self.link, self.server, self.id, self.tool, self.n, self.at = link, server, id, tool, n, at
        self.served: int | None = None
        self.withdrawn: int | None = None
        self.lost: int | None = None

    @property
    def key(self) -> tuple[str, str, int]:
        return self.server, self.tool, self.n


class Model:
    """Who sent, got and saw what, in the order in which it happened."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.at = 0
        self.open: dict[tuple[str, str], Sent] = {}
        self.sent: list[Sent] = []
        self.got: list[Got] = []
        self.serials: dict[int, Got] = {}
        self.beats: dict[int, Got] = {}
        self.trouble: list[tuple[str, float]] = []
        self.written: dict[str, list[tuple[int, int]]] = {}
        self.callers: dict[Any, set[str]] = {}
        self.count: Counter[str] = Counter()

    def _tick(self) -> int:
        self.at += 1
        return self.at

    def fault(self, what: str) -> None:
        self.wrong.append(what)

    # What clients do.

    def sends(
        self, client: str, id: Any, calls: list[OneCall], token: Any, now: float, several: bool
    ) -> None:
        one = Sent(client, id, calls, token, self._tick(), now, several)
        self.open[client, json.dumps(id)] = one
        self.sent.append(one)
        self.count["sent"] += 1

    def cancels(self, client: str, id: Any) -> None:
        one = self.open.pop((client, json.dumps(id)), None)
        if one is not None:
            one.over = self._tick()
            self.count["cancelled"] += 1

    def leaves(self, client: str) -> None:
        for key in [key for key in self.open if key[0] == client]:
            self.open.pop(key).over = self._tick()

    # What clients see.

    def answers(self, client: str, message: Json, now: float) -> None:
        one = self.open.pop((client, json.dumps(message["id"])), None)
        if one is None:
            self.fault(f"{client}: an answer to {message['id']!r}, which it does not wait for")
            return
        one.over, one.answered = self._tick(), True
        self.count["answered"] += 1
        if "error" in message:
            self.fault(f"{client}: {message['id']!r} was refused: {message['error']}")
            return
        result = message["result"]
        if not one.several:
            self._judge(one, one.calls[0], _value(result), now)
            return
        entries = result.get("structuredContent", {}).get("results")
        if not isinstance(entries, list) or len(entries) != len(one.calls):
            self.fault(f"{client}: {message['id']!r} has other results than calls: {result}")
            return
        for call, entry in zip(one.calls, entries, strict=True):
            self._judge(one, call, _value(entry["result"]), now)

    def _judge(self, one: Sent, call: OneCall, value: Any, now: float) -> None:
        """Whether this may be the answer to one call."""
        who = f"{one.client}: {one.id!r} {call.key}"
        if now - one.now > 2 * call.timeout + PATIENCE:
            self.fault(f"{who} took {now - one.now:.1f} s of {call.timeout} s")
        if isinstance(value, dict) and "serial" in value:
            self._genuine(one, call, value["serial"], who)
            return
        error = value.get("error") if isinstance(value, dict) else None
        if not isinstance(error, dict) or error.get("code") not in FAILURES:
            self.fault(f"{who} got {value}")
            return
        details = error.get("details", {})
        category = details.get("category")
        cause = str(details.get("rootCause", ""))
        self.count[f"failed: {category or error['code']}"] += 1
        if cause.startswith("no "):
            self._genuine(one, call, int(cause.removeprefix("no ")), who)
        elif category == "timeout":
            if now - one.now < call.timeout - EPSILON:
                self.fault(f"{who} timed out after {now - one.now:.3f} s of {call.timeout} s: {error}")
        elif not any(server == call.server and when > one.now - BACKOFF for server, when in self.trouble):
            # A server that was in trouble a little before may still be on its way back.
            self.fault(f"{who} failed, and nothing was wrong with {call.server}: {error}")
        begun = call.tool in WRITES and any(got.key == call.key for got in self.got)
        if begun and details.get("executionState") == "not_started":
            self.fault(f"{who} is said not to have begun, and its server has it")

    def _genuine(self, one: Sent, call: OneCall, serial: int, who: str) -> None:
        got = self.serials.get(serial)
        if got is None or got.key != call.key:
            self.fault(f"{who} got the answer to {got and got.key}")
            return
        assert got.served is not None
        if got.withdrawn is not None and got.served > got.withdrawn:
            self.fault(f"{who} got what was answered after it was given up")
        if call.tool in WRITES:
            self.written.setdefault(call.server, []).append((got.served, self.at))
        elif any(got.at < done and told < one.at for done, told in self.written.get(call.server, ())):
            self.fault(f"{who} was read before a write that had ended when it was asked")
        if call.tool == "read" and got.at < one.at:
            self.count["shared or kept"] += 1

    def hears(self, client: str, params: Json) -> None:
        """A client is told of progress."""
        mine = [
            one
            for (who, _), one in self.open.items()
            if who == client and one.token == params["progressToken"]
        ]
        if not mine:
            self.fault(f"{client} is told of {params['progressToken']!r}, which is not under way")
        elif "total" in params:
            if not mine[0].several:
                self.fault(f"{client} is told of parts of {mine[0].id!r}, which has none")
        elif mine[0].several or self.beats[params["progress"]].key != mine[0].calls[0].key:
            self.fault(f"{client} is told of {self.beats[params['progress']].key} for {mine[0].id!r}")
        else:
            self.count["progress"] += 1

    # What servers get and do.

    def gets(self, link: Any, server: str, id: int, tool: str, n: int) -> Got:
        got = Got(link, server, id, tool, n, self._tick())
        self.got.append(got)
        wanted = [one for one in self.open.values() if any(call.key == got.key for call in one.calls)]
        if not wanted:
            self.fault(f"{server} got {got.key}, which nobody wants any more")
        for one in wanted:
            self.callers.setdefault(link, set()).add(one.client)
        if tool in WRITES and sum(other.key == got.key for other in self.got) > 1:
            self.fault(f"{server} got the write {got.key} twice")
        return got

    def withdraws(self, link: Any, id: int) -> None:
        """A server is told that a call of it is given up."""
        found = next((got for got in self.got if got.link is link and got.id == id), None)
        if found is None:
            return
        if found.withdrawn is not None:
            self.fault(f"{found.server} was told twice that {found.key} is given up")
        if found.served is not None:
            self.fault(f"{found.server} was told that {found.key} is given up, which it had answered")
        found.withdrawn = self._tick()
        self.count["withdrawn"] += 1

    def serves(self, got: Got) -> int:
        """A server answers; gives the number that tells this answer from all others."""
        serial = self._tick()
        self.serials[serial] = got
        got.served = serial
        return serial

    def beat(self, got: Got) -> int:
        """A server tells of progress; gives its value."""
        value = self._tick()
        self.beats[value] = got
        return value

    def fails(self, server: str, now: float, link: Any = None) -> None:
        """A link ended, or cannot be opened."""
        at = self._tick()
        self.trouble.append((server, now))
        for got in self.got:
            if got.link is link and got.served is None and got.withdrawn is None:
                got.lost = at

    # In the end.

    def ends(self) -> None:
        """All that was wanted is answered, and all that servers got has an end."""
        for one in self.open.values():
            self.fault(f"{one.client} never had an answer to {one.id!r}: {[w.key for w in one.calls]}")
        for got in self.got:
            if got.served is None and got.withdrawn is None and got.lost is None:
                self.fault(f"{got.server} was left with {got.key}, which nobody waits for any more")


def _value(result: Any) -> Any:
    """What the result of one call says, directly or as an entry of a fan-out."""
    if not isinstance(result, dict):
        return result
    said = result.get("structuredContent") or result.get("error")
    if said is None and "content" in result:
        said = result["content"][0]["text"]
    if isinstance(said, str):
        try:
            return json.loads(said)
        except ValueError:
            return result
    return result if said is None or said is result.get("error") else said
