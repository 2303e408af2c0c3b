"""What an agent makes of an answer to several calls, in whichever form it comes. Called by `replay.ways`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import toons

from replay.process import text_of

_HEADING = re.compile(r"\n?(?P<mark>===.*\[)(?P<index>\d+)\] (?P<tool>[^\n:]*): (?P<notes>[^\n]*)\n\Z")
_WAY_ON = re.compile(r"callmux_get_result (\{.*\})")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to several calls.

    Attributes:
        entries: What each said, the JSON value of its text or the text; only the first of them, or none,
            where the answer came shortened.
        ref: Where the whole is kept, if it came shortened.
    """

    entries: tuple[Any, ...]
    ref: str | None = None


def value_of(text: str) -> Any:
    """The value of a text that is JSON or, exactly, TOON; else the text."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        value = toons.loads(text)
        return value if isinstance(value, (dict, list)) and toons.dumps(value) == text else text
    except ValueError:
        return text


def payload(text: str) -> Any:
    """The payload of a meta-tool, in JSON or TOON."""
    return json.loads(text) if text[:1] == "{" else toons.loads(text)


def answer_of(result: Mapping[str, Any], key: str = "results") -> Answer:
    """What a fan-out or a pipeline answered.

    Args:
        result: The result as MCP has it.
        key: Where the entries stand: `results` or `steps`.

    Raises:
        RuntimeError: Not every call succeeded.
    """
    texts = [block["text"] for block in result["content"] if block["type"] == "text"]
    if any(_HEADING.search(text) for text in texts[1:]):
        return _plain(texts)
    read = payload(text_of(result))
    if "_callmux" in read:
        return Answer((), read["_callmux"]["ref"])
    if read["status"] != "completed":
        raise RuntimeError(f"not every call succeeded: {text_of(result)[:2000]}")
    return Answer(tuple(unwrapped(entry["result"]) for entry in read[key]))


def page_of(result: Mapping[str, Any]) -> Any:
    """A page of a stored result: in JSON or TOON, or what is said of it and then its text."""
    about, *data = (block["text"] for block in result["content"])
    return {**json.loads(about), "data": data[0]} if data else payload(about)


def unwrapped(result: Any) -> Any:
    """What a result says, however a fan-out shows it."""
    if not isinstance(result, dict) or not isinstance(result.get("content"), list):
        return result
    if result["content"]:
        return value_of(text_of(result))
    return bare(result["structuredContent"])


def bare(content: Any) -> Any:
    """What structured content says: of a text under the only key that servers give it, the text's value."""
    if isinstance(content, dict) and list(content) in (["content"], ["result"]):
        (only,) = content.values()
        return value_of(only) if isinstance(only, str) else only
    return content


def _plain(texts: list[str]) -> Answer:
    if not texts[0].startswith("completed"):
        raise RuntimeError(f"not every call succeeded: {texts[0]}")
    found = _WAY_ON.search(texts[0])
    entries: list[list[str]] = []
    for text in texts[1:]:
        if (heading := _HEADING.search(text)) is not None:
            if heading["notes"] == "left out":
                break
            entries.append([])
        else:
            entries[-1].append(text)
    said = tuple(value_of("\n".join(parts)) for parts in entries)
    return Answer(said, json.loads(found[1])["ref"] if found else None)
