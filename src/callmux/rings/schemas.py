"""What a JSON Schema says about strings that should have been something else. Pure.

Called by `callmux.rings.coercion` and, for what previews warn about, `callmux.metatools.advice`. This is no
validator: it keeps types, properties, items, combinations and local references, and treats everything else as
allowed. `callmux.rings.breaches`, which looks at more, follows references and counts steps by what is here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import msgspec
from msgspec import Raw

CONVERTIBLE = frozenset({"boolean", "number", "integer", "array", "object"})
"""Types that a string can be turned into."""
DEEPEST = 64
"""Levels of a schema that are read."""
LEAST_STEPS = 10_000
"""Comparisons that any value may take; beside these, one for each of its bytes."""

_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_ARRAY = msgspec.json.Decoder(list[Raw])
_KINDS = {ord('"'): "string", ord("{"): "object", ord("["): "array", ord("t"): "boolean", ord("f"): "boolean"}
_KINDS |= {ord("n"): "null"}


def kind_of(raw: Raw) -> str:
    """The JSON type of a raw value, by its first byte; `number` for whole numbers too."""
    view = memoryview(raw)
    return _KINDS.get(view[0], "number") if len(view) else "null"


class Node:
    """One schema, as far as it matters here.

    Attributes:
        types: The declared types; None where any will do.
        values: The values of `enum` or `const`; None where any will do.
        properties: Schemas of members by name.
        required: Names of members that must be there.
        closed: Members without a schema of their own are not allowed.
        rest: The schema of members without one of their own.
        items: The schema of items.
        parts: Schemas that all apply (`allOf`, and what `$ref` leads to).
        choices: Groups of schemas of which one applies (`anyOf`, `oneOf`).
        text: A string may stand here.
        kinds: The types that may stand here as far as declared, combinations included.
        convertible: A string that stands here may be turned into something else.
        active: Something here or further down may have to change.
    """

    __slots__ = (
        "active",
        "choices",
        "closed",
        "convertible",
        "items",
        "kinds",
        "parts",
        "properties",
        "required",
        "rest",
        "text",
        "types",
        "values",
    )

    def __init__(self) -> None:
        self.types: frozenset[str] | None = None
        self.values: list[Any] | None = None
        self.properties: dict[str, Node] = {}
        self.required: frozenset[str] = frozenset()
        self.closed = False
        self.rest: Node | None = None
        self.items: Node | None = None
        self.parts: tuple[Node, ...] = ()
        self.choices: tuple[tuple[Node, ...], ...] = ()
        self.text = True
        self.kinds: frozenset[str] = frozenset()
        self.convertible = False
        self.active = False

    @property
    def composed(self) -> bool:
        """Whether the schema combines others."""
        return bool(self.parts or self.choices)

    def flat(self) -> Iterator[Node]:
        """The schemas that apply to the same value."""
        yield from self.parts
        for group in self.choices:
            yield from group

    def inner(self) -> Iterator[Node]:
        """All schemas directly below."""
        yield from self.flat()
        yield from self.properties.values()
        for node in (self.rest, self.items):
            if node is not None:
                yield node


def compile_schema(schema: dict[str, Any]) -> Node:
    """Reads a schema; what makes no sense in it counts as allowing anything."""
    reader = _Reader(schema)
    root = reader.read(schema, 0)
    _settle(list(reader.nodes.values()))
    # Arguments are an object already, never a string.
    root.active = any(inner.active for inner in root.inner())
    return root


class _Reader:
    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self.nodes: dict[int, Node] = {}

    def read(self, schema: Any, depth: int) -> Node:
        if not isinstance(schema, dict) or depth > DEEPEST:
            # Kept by a key of its own: `true` and what is too deep allow anything.
            return self.nodes.setdefault(-1, Node())
        if (known := self.nodes.get(id(schema))) is not None:
            return known
        node = self.nodes[id(schema)] = Node()
        depth += 1
        node.types = _types(schema.get("type"))
        node.values = _values(schema)
        required = schema.get("required")
        if isinstance(required, list):
            node.required = frozenset(name for name in required if isinstance(name, str))
        properties = schema.get("properties")
        if isinstance(properties, dict):
            node.properties = {name: self.read(inner, depth) for name, inner in properties.items()}
        rest = schema.get("additionalProperties")
        node.closed = rest is False and "patternProperties" not in schema
        if isinstance(rest, dict) and "patternProperties" not in schema:
            node.rest = self.read(rest, depth)
        if isinstance(schema.get("items"), dict) and "prefixItems" not in schema:
            node.items = self.read(schema["items"], depth)
        parts = self._all(schema.get("allOf"), depth)
        reference = schema.get("$ref")
        if isinstance(reference, str) and isinstance(inner := referred(self._root, reference), dict):
            parts += (self.read(inner, depth),)
        node.parts = parts
        groups = (self._all(schema.get(key), depth) for key in ("anyOf", "oneOf"))
        node.choices = tuple(group for group in groups if group)
        return node

    def _all(self, schemas: Any, depth: int) -> tuple[Node, ...]:
        return (
            tuple(self.read(s, depth) for s in schemas if s is not False) if isinstance(schemas, list) else ()
        )


def referred(root: Any, reference: str) -> Any:
    """What a reference inside of the schema `root` leads to; None for nothing that is known."""
    if reference == "#":
        return root
    if not reference.startswith("#/"):
        return None
    at = root
    for step in reference.split("/")[1:]:
        key = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(at, dict) and key in at:
            at = at[key]
        elif isinstance(at, list) and key.isascii() and key.isdigit() and len(key) < 6 and int(key) < len(at):
            at = at[int(key)]
        else:
            return None
    return at


def _types(declared: Any) -> frozenset[str] | None:
    if isinstance(declared, str):
        return frozenset({declared})
    if isinstance(declared, list) and declared:
        return frozenset(name for name in declared if isinstance(name, str))
    return None


def _values(schema: dict[str, Any]) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    values = schema.get("enum")
    return values if isinstance(values, list) else None


def _settle(nodes: list[Node]) -> None:
    """Says of every node whether a string may stand there, which types may, and whether anything may change.

    References may form circles, so each answer starts from what a node says alone and spreads until nothing
    changes. Nodes are in reading order, so from the last one most is known after one round.
    """
    for node in nodes:
        node.text = node.types is None or "string" in node.types
        if node.values is not None and not any(isinstance(value, str) for value in node.values):
            node.text = False
        node.kinds = frozenset() if node.types is None else node.types
    spreading = True
    while spreading:
        spreading = False
        for node in reversed(nodes):
            if not node.composed:
                continue
            text = node.text and all(part.text for part in node.parts)
            text = text and all(any(choice.text for choice in group) for group in node.choices)
            kinds = node.types or node.kinds.union(*(other.kinds for other in node.flat()))
            if text != node.text or kinds != node.kinds:
                node.text, node.kinds = text, kinds
                spreading = True
    for node in nodes:
        node.convertible = node.active = not node.text and bool(node.kinds & CONVERTIBLE)
    spreading = True
    while spreading:
        spreading = False
        for node in reversed(nodes):
            if not node.active and any(inner.active for inner in node.inner()):
                node.active = spreading = True


class TooMuch(Exception):
    """A schema and a value would take more steps than either is worth."""


class Steps:
    """How many comparisons a value may take. Schemas that refer to each other can say in a few lines what
    takes for ever to look through.

    Args:
        size: Bytes of the value.
    """

    __slots__ = ("_left",)

    def __init__(self, size: int) -> None:
        self._left = LEAST_STEPS + size

    def take(self) -> None:
        """Counts one step more.

        Raises:
            TooMuch: There have been too many.
        """
        self._left -= 1
        if self._left < 0:
            raise TooMuch


def fits(raw: Raw, node: Node, steps: Steps | None = None) -> bool:
    """Whether a value keeps to what the node knows of its schema.

    Args:
        steps: Those of the whole value it is part of, or None: then one that takes too many fits.

    Raises:
        TooMuch: The steps are used up.
    """
    if steps is None:
        try:
            return fits(raw, node, Steps(memoryview(raw).nbytes))
        except TooMuch:
            return True
    steps.take()
    kind = kind_of(raw)
    if (
        node.types is not None
        and kind not in node.types
        and not (kind == "number" and _whole(raw, node.types))
    ):
        return False
    if node.values is not None and msgspec.json.decode(raw) not in node.values:
        return False
    if kind == "object" and not _members_fit(_OBJECT.decode(raw), node, steps):
        return False
    if kind == "array" and node.items is not None:
        items = node.items
        if not all(fits(item, items, steps) for item in _ARRAY.decode(raw)):
            return False
    return all(fits(raw, part, steps) for part in node.parts) and all(
        any(fits(raw, choice, steps) for choice in group) for group in node.choices
    )


def _members_fit(members: dict[str, Raw], node: Node, steps: Steps) -> bool:
    if not node.required <= members.keys():
        return False
    return all(
        inner is None or fits(raw, inner, steps)
        for key, raw in members.items()
        for inner in (node.properties.get(key, node.rest),)
    )


def _whole(raw: Raw, types: frozenset[str]) -> bool:
    return "integer" in types and float(bytes(raw)).is_integer()
