"""What both kinds of raw clients share: the messages, and loads that end by a number of calls or by a time.

Blocking and without a loop, so that the driver costs little beside what it measures. Used by `ways` and
`growth` through `pipes` and `sockets`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import orjson

ANSWER_SECONDS = 60.0
START_SECONDS = 90.0
TOOL = "get_item"
SERVER = "bench"
GREETING = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "performance", "version": "1"},
}
READY = {"jsonrpc": "2.0", "method": "notifications/initialized"}

Params = dict[str, Any]
Wrap = Callable[[str, Params], tuple[str, Params]]
"""How a product without tools of servers wants a call: a server and arguments become what is sent."""


class Failed(RuntimeError):
    """A product did not do what was asked; the message says what it said."""


class Flood(NamedTuple):
    """Calls with several in flight.

    Attributes:
        calls: How many were answered.
        seconds: How long all of them took.
    """

    calls: int
    seconds: float

    @property
    def per_second(self) -> float:
        return self.calls / self.seconds


class Client:
    """Whoever lists the tools of a product and calls one of the bench server's.

    Args:
        wrap: How the product wants a call, where it lists no tools of servers.
    """

    def __init__(self, wrap: Wrap | None = None) -> None:
        self._wrap = wrap
        self._sent = 0
        self.tools: list[str] = []

    def request(self, method: str, params: Params) -> Params:
        """The result of a request that is sent alone.

        Raises:
            Failed: It was refused, or no answer came.
        """
        raise NotImplementedError

    def listed(self) -> list[str]:
        """One `tools/list`: the names in it."""
        return [tool["name"] for tool in self.request("tools/list", {})["tools"]]

    def until_listed(self, count: int = 1) -> None:
        """Lists until the bench server's tools are there, of `count` servers.

        A product may answer before its server is up. One whose lists never have a server's tool is asked
        for a call instead.

        Raises:
            Failed: They do not come.
        """
        end = time.perf_counter() + START_SECONDS
        names: list[str] = []
        said = ""
        while time.perf_counter() < end:
            try:
                names = self.listed()
                if self._wrap is not None:
                    self.tools = [SERVER, *[f"{SERVER}{n}" for n in range(1, count)]]
                    for n in range(count):
                        self.call(n)
                    return
            except Failed as error:
                said = f": {error}"
            found = [name for name in names if name.replace("-", "_").endswith(TOOL)]
            if self._wrap is None and len(found) >= count:
                self.tools = found
                return
            time.sleep(0.002)
        raise Failed(f"after {START_SECONDS:.0f} s its {len(names)} tools have no {count} named {TOOL}{said}")

    def params(self, n: int, size: int = 0) -> Params:
        """What call number n sends: its servers take turns."""
        tool = self.tools[n % len(self.tools)]
        arguments: Params = {"id": n, "size": size} if size else {"id": n}
        if self._wrap is not None:
            tool, arguments = self._wrap(tool, arguments)
        return {"name": tool, "arguments": arguments}

    def call(self, n: int, size: int = 0) -> Params:
        """One call, checked to the end: the text that came must be the one of this call.

        Raises:
            Failed: It is another one, or none.
        """
        result = self.request("tools/call", self.params(n, size))
        text = "".join(block.get("text", "") for block in result.get("content", ()))
        if result.get("isError"):
            raise Failed(text[:300])
        if (size and text.count("x") < size) or (not size and "open" not in text):
            raise Failed(f"the result is not that of the call: {text[:200]}")
        return result

    def bytes(self, n: int, size: int = 0) -> bytes:
        """Call number n as it is sent, with an id of its own."""
        self._sent += 1
        message = {
            "jsonrpc": "2.0",
            "id": self._sent,
            "method": "tools/call",
            "params": self.params(n, size),
        }
        return orjson.dumps(message)

    def lone(self, count: int, seconds: float, size: int = 0) -> list[float]:
        """Calls one after the other, at most so many and so long: the seconds of each.

        Raises:
            Failed: One of them failed.
        """
        raise NotImplementedError

    def flood(self, count: int, seconds: float, width: int) -> Flood:
        """Calls with `width` of them in flight, at most so many and so long.

        Raises:
            Failed: One of them failed.
        """
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


def checked(answer: bytes, size: int = 0) -> None:
    """Cheap, for each answer of a load: no error, and the text of the bench server (or as many bytes).

    Raises:
        Failed: It is not.
    """
    good = len(answer) > size if size else b"open" in answer
    if not good or b'"isError":true' in answer[-400:] or b'"error":' in answer[:120]:
        raise Failed(f"a call failed: {answer[:300].decode(errors='replace')}")


def percentile(values: Sequence[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]
