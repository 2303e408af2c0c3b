"""Changes single keys of a YAML text and keeps every other byte: order, layout, comments. Pure.

Called by `callmux.config.notation`. `ruamel.yaml` says where everything stands; only the lines of what
changes are written anew. The result is read again, and refused unless it says exactly what it should.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from callmux.config.json_text import TextError
from callmux.yaml import YamlProblem, scalar, to_json

MAX_BYTES = 16 * 2**20
_PLAIN = re.compile(r"[A-Za-z_/.~][A-Za-z0-9_/.@~+=*-]*")
_UNREADABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
"""What YAML does not allow in a text, or takes for the end of a line; JSON allows it."""


class YamlTextError(TextError):
    """A text that is not YAML, or in which the place to change cannot be."""

    code = "invalid_yaml"


def parse_yaml(text: str) -> Any:
    """The value of a YAML text, by the core schema of YAML 1.2.

    Raises:
        YamlTextError: It is malformed; says where.
    """
    try:
        return msgspec.json.decode(to_json(text, MAX_BYTES))
    except YamlProblem as problem:
        raise YamlTextError(f"invalid YAML: {problem}") from None


def set_value(text: str, path: Sequence[str], value: Any) -> str:
    """The text with `value` at `path`; what already has that value stays as it is written.

    Objects are compared key by key; those on the way that are missing are made.

    Raises:
        YamlTextError: The text is malformed, something on the way is no mapping, or an anchor is in the way.
    """
    expected = _with(_mapping(parse_yaml(text)), path, value)
    return _verified(_set(text, list(path), value), expected)


def delete_value(text: str, path: Sequence[str]) -> str:
    """The text without the key at `path`; the same text where there is none.

    Raises:
        YamlTextError: As `set_value`.
    """
    document = _mapping(parse_yaml(text))
    *parents, key = path
    inner: Any = document
    for name in parents:
        inner = inner.get(name) if isinstance(inner, dict) else None
    if not isinstance(inner, dict) or key not in inner:
        return text
    changed = _delete(text, list(path))
    del inner[key]
    return _verified(changed, document)


def rename_key(text: str, path: Sequence[str], name: str) -> str:
    """The text with the key at `path` called `name`; its value and its place stay.

    Raises:
        YamlTextError: As `set_value`, or there is no such key.
    """
    document = _mapping(parse_yaml(text))
    *parents, key = path
    inner: Any = document
    for parent in parents:
        inner = inner.get(parent) if isinstance(inner, dict) else None
    if not isinstance(inner, dict) or key not in inner:
        raise YamlTextError(f'there is no "{".".join(path)}"')
    inner[name] = inner.pop(key)
    return _verified(_renamed(text, path, name), document)


def _renamed(text: str, path: Sequence[str], name: str) -> str:
    if text.startswith("\ufeff"):
        return "\ufeff" + _renamed(text[1:], path, name)
    place, pair = _Place(text, _compose(text)), None
    for depth, key in enumerate(path):
        pair = place.find(key)
        if pair is None:
            raise YamlTextError(f'"{".".join(path)}" comes from somewhere else in the file: edit it by hand')
        if depth < len(path) - 1:
            place = _Place(text, pair[1])
    assert pair is not None
    start, end = int(pair[0].start_mark.index), int(pair[0].end_mark.index)
    return text[:start] + (_flow(name) if place.flow else _key(name)) + text[end:]


def _mapping(document: Any) -> dict[str, Any]:
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise YamlTextError("the document must be a mapping")
    return document


def _with(document: dict[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    inner = document
    for name in path[:-1]:
        following = inner.get(name)
        if following is None:
            following = inner[name] = {}
        elif not isinstance(following, dict):
            raise YamlTextError(f'"{name}" must be a mapping')
        inner = following
    inner[path[-1]] = value
    return document


def _verified(text: str, expected: Any) -> str:
    try:
        found = parse_yaml(text)
    except YamlTextError:
        found = None
    if not _same(found or {}, expected):
        raise YamlTextError(
            "this YAML cannot be changed here without touching more of it"
            " (an anchor, a merged or an unusual layout): edit it by hand"
        )
    return text


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: `1` is not `true`; it is `1.0`, since YAML reads both as one."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(item, other[key]) for key, item in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


class _Place:
    """A mapping in the text, and its members.

    Args:
        text: The document.
        node: Its node; None for an empty document.
    """

    def __init__(self, text: str, node: Any) -> None:
        if node is not None and type(node).__name__ != "MappingNode":
            raise YamlTextError("a part of the path to the key is not a mapping")
        self.text = text
        self.node = node
        self.pairs: list[tuple[Any, Any]] = [] if node is None else node.value
        self.flow = node is not None and bool(node.flow_style)

    def find(self, key: str) -> tuple[Any, Any] | None:
        return next((pair for pair in self.pairs if pair[0].value == key), None)

    def indent(self) -> str:
        return " " * int(self.pairs[0][0].start_mark.column)


def _compose(text: str) -> Any:
    from ruamel.yaml import YAML

    # What cannot be composed has been refused by the reader before.
    return YAML(typ="safe", pure=True).compose(text.removeprefix("\ufeff"))


def _end(text: str, key: Any, value: Any) -> int:
    """Where a member's value really ends: before blank lines and comments that follow it."""
    if value.start_mark.index < key.end_mark.index:
        # An alias: what stands here is on the line of the key.
        return _line_end(text, key.end_mark.index)
    kind = type(value).__name__
    if kind != "ScalarNode" and not value.flow_style and value.value:
        last = value.value[-1]
        inner_key, inner = last if isinstance(last, tuple) else (None, last)
        if inner_key is not None:
            return _end(text, inner_key, inner)
        return _end(text, value.start_mark and _At(value.start_mark), inner)
    end = int(value.end_mark.index)
    if kind == "ScalarNode" and not value.value and not value.style:
        return int(text.index(":", key.end_mark.index)) + 1 if hasattr(key, "value") else end
    return len(text[:end].rstrip()) if kind == "ScalarNode" and value.style in ("|", ">") else end


class _At:
    """Stands for the key of an item of a list."""

    def __init__(self, mark: Any) -> None:
        self.end_mark = mark


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _line_end(text: str, at: int) -> int:
    """The end of the line of `at`, before its break."""
    found = text.find("\n", at)
    end = len(text) if found < 0 else found
    return end - 1 if text[end - 1 : end] == "\r" else end


def _set(text: str, path: list[str], value: Any) -> str:
    root = _compose(text)
    if text.startswith("\ufeff"):
        return "\ufeff" + _set(text[1:], path, value)
    place, depth = _Place(text, root), 0
    while True:
        pair = place.find(path[depth])
        for missing in reversed(path[depth + 1 :]) if pair is None or _is_vacant(pair[1]) else ():
            value = {missing: value}
        if pair is None:
            return _insert(place, path[depth], value)
        if depth == len(path) - 1 or _is_vacant(pair[1]):
            return _replace(place, path[: depth + 1], pair, value)
        place, depth = _Place(text, pair[1]), depth + 1


def _is_vacant(node: Any) -> bool:
    return _is_null(node) or (type(node).__name__ == "MappingNode" and not node.value)


def _is_null(node: Any) -> bool:
    return type(node).__name__ == "ScalarNode" and not node.style and node.value in ("", "~", "null")


def _replace(place: _Place, path: list[str], pair: tuple[Any, Any], value: Any) -> str:
    text, (key, node) = place.text, pair
    start, end = int(node.start_mark.index), _end(text, key, node)
    if start < key.end_mark.index:
        raise YamlTextError(f'"{".".join(path)}" is an alias of something else: edit it by hand')
    if type(node).__name__ == "MappingNode" and isinstance(value, Mapping) and not node.flow_style and value:
        # Member by member, so that comments inside stay.
        old = _plain_of(text, path)
        for name in [name for name in old if name not in value]:
            text = _delete(text, [*path, name])
        for name, item in value.items():
            if name not in old or not _same(old[name], item):
                text = _set(text, [*path, name], item)
        return text
    if place.flow or type(node).__name__ == "ScalarNode" or node.flow_style:
        if _same(_plain_of(text, path), value):
            return text
        written = (
            _flow(value) if place.flow else _after_key(value, place.indent(), _newline(text)).lstrip(" ")
        )
        if _is_null(node) and not node.value:
            at = int(text.index(":", key.end_mark.index)) + 1
            gap = "" if written.startswith(("\n", "\r")) else " "
            return text[:at] + gap + written + text[at:]
        if written.startswith(("\n", "\r")):
            start = len(text[:start].rstrip(" "))
        return text[:start] + written + text[end:]
    own = text[int(key.start_mark.index) : int(key.end_mark.index)]
    written = f"{own}:{_after_key(value, place.indent(), _newline(text))}"
    return text[: key.start_mark.index] + written + text[end:]


def _plain_of(text: str, path: Sequence[str]) -> Any:
    value = parse_yaml(text)
    for name in path:
        value = value[name]
    return value


def _insert(place: _Place, key: str, value: Any) -> str:
    text, newline = place.text, _newline(place.text)
    if place.flow:
        at = len(text[: place.node.end_mark.index - 1].rstrip())
        comma = ", " if place.pairs and text[at - 1] != "," else " " if place.pairs else ""
        return f"{text[:at]}{comma}{_flow(key)}: {_flow(value)}{text[at:]}"
    if not place.pairs:
        head = text if not text.strip() or text.endswith("\n") else text + newline
        return f"{head}{_key(key)}:{_after_key(value, '', newline)}{newline}"
    indent = place.indent()
    end = _line_end(text, _end(text, *place.pairs[-1]))
    return f"{text[:end]}{newline}{indent}{_key(key)}:{_after_key(value, indent, newline)}{text[end:]}"


def _delete(text: str, path: list[str]) -> str:
    if text.startswith("\ufeff"):
        return "\ufeff" + _delete(text[1:], path)
    place, around = _Place(text, _compose(text)), None
    for name in path[:-1]:
        around = place.find(name)
        if around is None:
            return text
        place = _Place(text, around[1])
    pair = place.find(path[-1])
    if pair is None:
        return text
    if place.flow:
        left = {name: item for name, item in _plain_of(text, path[:-1]).items() if name != path[-1]}
        return text[: place.node.start_mark.index] + _flow(left) + text[place.node.end_mark.index :]
    start = _line_start(text, pair[0].start_mark.index)
    end = _line_end(text, _end(text, *pair))
    if len(place.pairs) == 1:
        # A mapping without members would be nothing.
        return text[: pair[0].start_mark.index] + "{}" + text[end:]
    after = end + (2 if text[end : end + 2] == "\r\n" else 1)
    return text[:start] + text[after:]


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _after_key(value: Any, indent: str, newline: str) -> str:
    """What follows `key:`, the key being indented by `indent`."""
    inner = indent + "  "
    if isinstance(value, Mapping) and value:
        return "".join(
            f"{newline}{inner}{_key(name)}:{_after_key(item, inner, newline)}" for name, item in value.items()
        )
    if isinstance(value, list | tuple) and value:
        return "".join(f"{newline}{inner}- {_scalar(item)}" for item in value)
    return f" {_scalar(value)}"


def _key(name: str) -> str:
    return _scalar(name)


def _scalar(value: Any) -> str:
    """A scalar, plain where nothing else can be meant; collections as flow."""
    unquoted = isinstance(value, str) and _PLAIN.fullmatch(value)
    if unquoted and scalar(value, None, plain=True) == msgspec.json.encode(value):
        return str(value)
    return _flow(value)


def _flow(value: Any) -> str:
    written = json.dumps(value, ensure_ascii=False)
    return _UNREADABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", written)
