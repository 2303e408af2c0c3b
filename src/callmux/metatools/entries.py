"""Reading the calls in a request: flat ones are wrapped, leftovers are named in a warning. Pure.

Called by the parsers of call, parallel, batch and pipeline.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux.fields import Fields
from callmux.plan import ToolCall
from callmux.rings.envelope import encode

OUTPUT_FORMATS = ("json", "toon", "auto", "plain", "shortest")
CALL_KEYS = frozenset({"tool", "server", "arguments", "timeoutMs", "cwd"})
SHOWN_KEYS = 5


def output_format(fields: Fields) -> str | None:
    """The `outputFormat` argument."""
    return fields.choice("outputFormat", OUTPUT_FORMATS)


class Repairs:
    """What the entries of one request needed, as warnings.

    Args:
        noun: What an entry is called: `calls`, `items` or `steps`.
        example: A well-formed entry, for the advice.
    """

    def __init__(self, noun: str, example: str) -> None:
        self._noun = noun
        self._example = example
        self._seen = 0
        self._wrapped = 0
        self._ignored: list[str] = []
        self._others: list[dict[str, str]] = []

    def arguments(self, entry: Fields, reserved: frozenset[str], *, required: bool = False) -> Raw | None:
        """The arguments of an entry.

        Without a member `arguments`, all members that are not `reserved` are the arguments. With one, other
        members are reported.

        Args:
            entry: The object.
            reserved: Its own keys, which are never arguments.
            required: Whether an entry without any argument gets `{}`, and counts as wrapped.
        """
        self._seen += 1
        if entry.has("arguments"):
            entry.optional_object("arguments")
            self.ignore(entry.path(key) for key in entry.members if key not in reserved)
            return Raw(bytes(entry.members["arguments"]))
        flat = {key: raw for key, raw in entry.members.items() if key not in reserved}
        if not flat and not required:
            return None
        self._wrapped += 1
        return Raw(encode(flat))

    def ignore(self, paths: Iterable[str]) -> None:
        """Reports members that have no meaning."""
        self._ignored.extend(paths)

    def add(self, code: str, message: str, recommendation: str) -> None:
        """Adds a warning of its own."""
        self._others.append({"code": code, "message": message, "recommendation": recommendation})

    def warnings(self) -> list[dict[str, str]]:
        """All warnings, the one about wrapping first."""
        found = []
        if self._wrapped:
            found.append(
                {
                    "code": f"auto_wrapped_flat_{self._noun}",
                    "message": f"{self._wrapped} of {self._seen} {self._noun} had no arguments object: "
                    "the other keys were taken as arguments",
                    "recommendation": f"Put them into arguments: {self._example}",
                }
            )
        if self._ignored:
            more = len(self._ignored) - SHOWN_KEYS
            shown = ", ".join(self._ignored[:SHOWN_KEYS]) + (f" and {more} more" if more > 0 else "")
            found.append(
                {
                    "code": "unexpected_keys_ignored",
                    "message": f"these keys have no meaning there and were not sent: {shown}",
                    "recommendation": f"Arguments of the tool go into arguments: {self._example}",
                }
            )
        return found + self._others


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A call that needs no repair, as nearly all are written."""

    tool: str
    arguments: Raw
    server: str | UnsetType = UNSET


_ENTRIES = msgspec.json.Decoder(list[_Entry])


def read_calls(fields: Fields, key: str, repairs: Repairs) -> list[ToolCall]:
    """A list of such objects; in one step where none of them needs a closer look."""
    given = fields.members.get(key)
    if given is not None:
        try:
            return [_plain(entry) for entry in _ENTRIES.decode(given)]
        except (msgspec.MsgspecError, RecursionError, ValueError):
            pass
    return [read_call(entry, repairs) for entry in fields.objects(key)]


def _plain(entry: _Entry) -> ToolCall:
    """The call that an entry is.

    Raises:
        ValueError: It needs a closer look.
    """
    arguments, server = bytes(entry.arguments), None if entry.server is UNSET else entry.server
    if arguments[:1] != b"{" or not entry.tool.strip() or (server is not None and not server.strip()):
        raise ValueError(entry.tool)
    return ToolCall(spelling=entry.tool, server=server, arguments=Raw(arguments))


def read_call(entry: Fields, repairs: Repairs, reserved: frozenset[str] = CALL_KEYS) -> ToolCall:
    """One `{tool, server, arguments, timeoutMs, cwd}` object, in that order of checks."""
    tool = entry.text("tool")
    server = entry.optional_text("server")
    arguments = repairs.arguments(entry, reserved)
    return ToolCall(
        spelling=tool,
        server=server,
        arguments=arguments,
        timeout_ms=entry.timeout_ms(),
        cwd=entry.cwd(),
    )
