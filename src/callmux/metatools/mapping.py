"""Pipeline mappings: expressions that take values out of earlier results. Pure.

Called by `callmux.metatools.pipeline`, which parses each expression once and evaluates it when its step's
turn comes. Values are cut out of the raw JSON, so digits survive. The grammar:

    $text                    the text of the previous result
    $json                    the same, parsed
    $json.a.b.0              by keys and array positions; `length` of an array
    $json["a.b"][0].c        the same with brackets, for keys that hold dots or look like positions
    $steps[0].text           the text of an earlier step's result
    $steps[0].json.a         a value out of it
    anything else            the string itself
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
from msgspec import Raw

from callmux.metatools.values import joined_text, structured
from callmux.portions import PIECE, Portions
from callmux.protocol.shapes import Result, parsing
from callmux.rings.envelope import encode

NOT_JSON = "previous_result_not_json"
NOT_FOUND = "path_not_found"

Path = tuple[str, ...]

_STEP = re.compile(r"\$steps\[(0|[1-9][0-9]{0,5})\]\.(text|json)(?![A-Za-z0-9_])")
_BRACKET = re.compile(r"\[(?:(0|[1-9][0-9]*)|(\"(?:[^\"\\]|\\.)*\")|'([^'\\]*)')\]", re.DOTALL)
_PLAIN = re.compile(r"\.([^.\[\]]*)")
_POSITION = re.compile(r"0|[1-9][0-9]*")
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_ARRAY = msgspec.json.Decoder(list[Raw])


class Expression(msgspec.Struct, frozen=True, kw_only=True):
    """One parsed mapping expression.

    Attributes:
        source: It as written.
        step: The index of the step it looks at; None means the previous one.
        text: Whether it stands for the text of that result.
        paths: The ways to read its path inside the JSON of that result, the first that leads somewhere
            counts. Empty for text and literals.
        doubtful: Whether it starts with "$" and means nothing, so it is taken literally.
    """

    source: str
    step: int | None = None
    text: bool = False
    paths: tuple[Path, ...] = ()
    doubtful: bool = False

    @property
    def literal(self) -> bool:
        """Whether it stands for itself."""
        return not self.text and not self.paths


class Missing(msgspec.Struct, frozen=True):
    """A mapping that led nowhere, and why."""

    reason: str


def parse(source: str) -> Expression:
    """Reads an expression; what is none stands for itself."""
    if source == "$text":
        return Expression(source=source, text=True)
    if source == "$json" or source.startswith(("$json.", "$json[")):
        if paths := _paths(source[len("$json") :]):
            return Expression(source=source, paths=paths)
    elif found := _STEP.match(source):
        step, rest = int(found[1]), source[found.end() :]
        if found[2] == "text" and not rest:
            return Expression(source=source, step=step, text=True)
        if found[2] == "json" and (paths := _paths(rest)):
            return Expression(source=source, step=step, paths=paths)
    return Expression(source=source, doubtful=source.startswith("$"))


def _paths(rest: str) -> tuple[Path, ...]:
    """The readings of what follows `json`: by dots alone, as it always was, then with brackets."""
    if not rest:
        return ((),)
    readings: list[Path] = []
    if rest[0] == ".":
        readings.append(tuple(rest[1:].split(".")))
    if "[" in rest and (bracketed := _bracketed(rest)) is not None:
        readings.append(bracketed)
    return tuple(readings)


def _bracketed(rest: str) -> Path | None:
    keys: list[str] = []
    at = 0
    while at < len(rest):
        if found := _PLAIN.match(rest, at):
            keys.append(found[1])
        elif found := _BRACKET.match(rest, at):
            position, quoted, single = found.groups()
            if quoted is not None:
                try:
                    keys.append(msgspec.json.decode(quoted, type=str))
                except msgspec.MsgspecError:
                    return None
            else:
                keys.append(single if position is None else position)
        else:
            return None
        at = found.end()
    return tuple(keys)


def evaluating(expression: Expression, results: Sequence[Result]) -> Portions[Raw | Missing]:
    """The value of an expression, in portions.

    Args:
        expression: What to evaluate.
        results: The results of the steps so far, in order; not empty.
    """
    if expression.literal:
        return Raw(encode(expression.source))
    result = results[-1 if expression.step is None else expression.step]
    if len(result.raw) > PIECE:
        yield
    text = joined_text(result)
    if expression.text:
        if text is None:
            whole = structured(result)
            text = "" if whole is None else bytes(whole).decode()
        return Raw(encode(text))
    roots = [root for root in ((yield from parsing(text or "")), structured(result)) if root is not None]
    for root in roots:
        for path in expression.paths:
            if len(root) > PIECE:
                yield
            if (value := walk(root, path)) is not None:
                return value
    return Missing(NOT_FOUND if roots else NOT_JSON)


def walk(value: Raw, path: Path) -> Raw | None:
    """What stands at `path` inside `value`; None where nothing does. `null` is something."""
    for key in path:
        kind = bytes(value[:1]) if isinstance(value, bytes) else bytes(memoryview(value)[:1])
        if kind == b"{":
            member = _OBJECT.decode(value).get(key)
            if member is None:
                return None
            value = member
        elif kind == b"[":
            items = _ARRAY.decode(value)
            if key == "length":
                value = Raw(str(len(items)).encode())
            elif _POSITION.fullmatch(key) and len(key) < 16 and int(key) < len(items):
                value = items[int(key)]
            else:
                return None
        else:
            return None
    return Raw(bytes(value))
