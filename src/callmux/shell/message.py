"""The messages of a short MCP session: what is sent, and which answer belongs to it. Pure.

Called by `callmux.shell.conversation`. Not `callmux.protocol`: importing that costs half of what a whole call
may take.
"""

from __future__ import annotations

import json
from typing import Any

from callmux import __version__
from callmux.depth import DEEPEST, ROOM, is_deeper, too_deep
from callmux.shell.failure import ShellFailed

LEVELS = DEEPEST + ROOM
"""Levels of what a listener answers: those of a server's message, and those that its own answers add."""

PROTOCOL_VERSION = "2025-11-25"

ASKS = "callmux/asks"
"""The member of `_meta` of `initialize` by which a command on a terminal says that a person can be asked
there about calls that need approval. It is no capability: servers must not take the command for a client that
shows their forms, nor be given a connection of its own for it."""


def initialize(*, asks: bool) -> str:
    """The params of `initialize`.

    Args:
        asks: Whether somebody sits at a terminal.
    """
    about: dict[str, Any] = {
        "protocolVersion": PROTOCOL_VERSION,
        "capabilities": {},
        "clientInfo": {"name": "callmux-cli", "version": __version__},
    }
    return json.dumps({**about, "_meta": {ASKS: True}} if asks else about)


INITIALIZED = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'


class Digits(str):
    """A number of JSON, as it was written: no digit is lost on its way to whoever reads it."""

    __slots__ = ()


def request(id: int, method: str, params: str) -> bytes:
    """A request on one line, as stdio wants it; `params` is JSON text, whose strings have no line ends."""
    params = params.replace("\r", " ").replace("\n", " ")
    return f'{{"jsonrpc":"2.0","id":{id},"method":{json.dumps(method)},"params":{params}}}'.encode()


def call_params(tool: str, arguments: str) -> str:
    """The parameters of `tools/call`; `arguments` is JSON text."""
    return f'{{"name":{json.dumps(tool)},"arguments":{arguments}}}'


def with_format(arguments: str, wanted: str) -> str:
    """The arguments of a meta-tool, with the format of its answer where they name none."""
    try:
        members = json.loads(arguments, parse_int=Digits, parse_float=Digits)
    except (ValueError, RecursionError):
        return arguments
    if not isinstance(members, dict) or "outputFormat" in members:
        return arguments
    before = arguments.rstrip()[:-1]
    return f'{before}{"," if members else ""}"outputFormat":{json.dumps(wanted)}}}'


def parse(text: bytes | str) -> Any:
    """JSON with its numbers as `Digits`.

    Raises:
        ValueError: It is none.
    """
    try:
        value = json.loads(text, parse_int=Digits, parse_float=Digits)
    except RecursionError:
        raise ValueError(f"it {too_deep(LEVELS)}") from None
    if is_deeper(text.encode() if isinstance(text, str) else text, LEVELS):
        raise ValueError(f"it {too_deep(LEVELS)}")
    return value


def answers(message: Any, id: int) -> bool:
    """Whether `message` answers request `id`; so does an error that names no request: there is only one."""
    if not isinstance(message, dict) or "method" in message:
        return False
    given = message.get("id")
    return given == str(id) or ("error" in message and not isinstance(given, Digits))


def is_question(message: Any) -> bool:
    """Whether it is a request of the server's."""
    return isinstance(message, dict) and "method" in message and "id" in message


def answer_to(question: dict[str, Any], member: str, value: object) -> bytes:
    """The answer to a request of the server's.

    Args:
        member: `result` or `error`.
    """
    id = question["id"]
    shown = json.dumps(id) if isinstance(id, str) and not isinstance(id, Digits) else str(id)
    return f'{{"jsonrpc":"2.0","id":{shown},"{member}":{json.dumps(value)}}}'.encode()


def refusal_of(question: dict[str, Any]) -> bytes:
    """The answer to what nobody can be asked: nothing for a ping, which is always allowed."""
    if question["method"] == "ping":
        return answer_to(question, "result", {})
    error = {"code": -32601, "message": "a call from a shell cannot answer questions"}
    return answer_to(question, "error", error)


def result_of(message: Any, method: str) -> dict[str, Any]:
    """The result that an answer carries.

    Raises:
        ShellFailed: It carries an error, or nothing.
    """
    error = message.get("error") if isinstance(message, dict) else None
    if isinstance(error, dict):
        raise ShellFailed(str(error.get("message") or f"the listener refused {method}"))
    result = message.get("result") if isinstance(message, dict) else None
    if not isinstance(result, dict):
        raise ShellFailed(f"the answer to {method} has no result: is --url the address of an MCP server?")
    return result


class EventReader:
    """Cuts an event stream into the data of its events, as far as they have come."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, part: bytes) -> list[bytes]:
        """The data of every event that `part` completes."""
        lines = (self._rest + part).replace(b"\r\n", b"\n").split(b"\n")
        self._rest = lines.pop()
        events = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif not line and self._data:
                events.append(b"\n".join(self._data))
                self._data = []
        return events
