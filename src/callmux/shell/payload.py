"""Arguments as they are typed: `'{"id": 5}'`, and `'get_item {"id": 5}'` for calls of several. Pure.

Called by `callmux.cli.call`. The text is checked and then sent as it stands, so that every digit arrives.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

from callmux.depth import DEEPEST, ROOM, is_deeper, too_deep
from callmux.shell.failure import ShellFailed

LEVELS = DEEPEST - ROOM
"""Levels of a payload: its message adds some of its own."""


class PayloadEntry(NamedTuple):
    """A call of several.

    Attributes:
        tool: Its name.
        arguments: JSON text of an object.
    """

    tool: str
    arguments: str


def read_object(text: str, what: str = "payload") -> str:
    """JSON text of an object, as it was given.

    Args:
        what: What it is, for messages: `payload`, `args for tool "x"`.

    Raises:
        ShellFailed: It is no JSON, or no object; names the place, never the text.
    """
    text = text.removeprefix("\ufeff")
    try:
        text.encode()
        value: Any = json.loads(text, parse_constant=_refused, parse_int=str, parse_float=str)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise ShellFailed(f"Invalid JSON {what}: {_found(text, error)} at {place}") from None
    except UnicodeEncodeError as error:
        raise ShellFailed(f"Invalid JSON {what}: not UTF-8 at character {error.start + 1}") from None
    except RecursionError:
        raise ShellFailed(f"Invalid JSON {what}: it {too_deep(LEVELS)}") from None
    if is_deeper(text.encode(), LEVELS):
        raise ShellFailed(f"Invalid JSON {what}: it {too_deep(LEVELS)}")
    if not isinstance(value, dict):
        raise ShellFailed(f'{what} must be a JSON object, such as {{"id": 5}}, not {_kind(value)}')
    return text


def _found(text: str, error: json.JSONDecodeError) -> str:
    # What Python says of an end that comes too early names what it hoped for, not what is wrong.
    if error.pos >= len(text.rstrip()):
        return "it ends too early" if text.strip() else "it is empty"
    said = error.msg.replace("enclosed in", "in")
    return said[0].lower() + said[1:]


def _kind(value: Any) -> str:
    kinds = {list: "an array", str: "a string or a number", bool: "true or false"}
    return kinds.get(type(value), "null")


def _refused(word: str) -> NoReturn:
    raise json.JSONDecodeError(f"the value {word} is not allowed in JSON", "", 0)


def read_entry(text: str) -> PayloadEntry:
    """`TOOL` or `TOOL JSON`, split at the first blank.

    Raises:
        ShellFailed: There is no tool, or the rest is no JSON object.
    """
    tool, _, rest = text.partition(" ")
    if not tool:
        raise ShellFailed("Invalid call: it begins with a blank; write the tool first, as in 'TOOL JSON'")
    return PayloadEntry(tool, read_object(rest, f'args for tool "{tool}"') if rest.strip() else "{}")


def fan_out(verb: str, entries: Sequence[PayloadEntry]) -> str:
    """The arguments of `callmux_parallel`, `callmux_batch` or `callmux_pipeline`, as JSON text.

    Raises:
        ShellFailed: A batch names several tools.
    """
    if verb != "batch":
        calls = ",".join(f'{{"tool":{json.dumps(e.tool)},"arguments":{e.arguments}}}' for e in entries)
        return f'{{"{"calls" if verb == "parallel" else "steps"}":[{calls}]}}'
    names = list(dict.fromkeys(entry.tool for entry in entries))
    if len(names) > 1:
        raise ShellFailed(
            f"a batch calls one tool, and these are {len(names)}: {', '.join(names)}. "
            "callmux parallel calls different ones"
        )
    items = ",".join(f'{{"arguments":{entry.arguments}}}' for entry in entries)
    return f'{{"tool":{json.dumps(names[0])},"items":[{items}]}}'
