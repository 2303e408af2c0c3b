"""Arguments brought into the shape a tool declares: repairs for what clients and models get wrong. Pure.

Called by the preparing stage and by dry runs, with one `Shaper` per tool, made once. Only strings change, and
only where the schema allows no string: numbers, booleans, lists and objects that arrived as text become what
they say. Arguments that need no change come back as the very same object, and what is not touched keeps its
digits. `callmux.rings.schemas` reads the schema.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from callmux.numerals import number_in
from callmux.protocol.shapes import json_in
from callmux.rings.envelope import encode
from callmux.rings.schemas import Node, Steps, TooMuch, compile_schema, fits, kind_of

ENVELOPES = (frozenset({"params"}), frozenset({"method", "params"}))
"""The keys of arguments that somebody wrapped into a request of their own."""
ENVELOPE = b'"params"'
"""What stands in arguments that somebody wrapped."""
PLURAL = "issues"
SINGULARS = ("issue", "issue_number", "number")

_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_ARRAY = msgspec.json.Decoder(list[Raw])
_STRING = msgspec.json.Decoder(str)


class Shaper:
    """Shapes the arguments of one tool.

    Args:
        root: Its compiled schema.
        unwraps: Whether arguments inside a `params` envelope are taken out of it.
        renames: Whether a single issue is put into the list that the tool wants.

    Attributes:
        always: Any arguments may have to change; else only those with `ENVELOPE` in them.
        fits: Decodes arguments in which nothing has to change, and raises where something may.
    """

    def __init__(self, root: Node, *, unwraps: bool, renames: bool) -> None:
        self._root = root
        self._unwraps = unwraps
        self._renames = renames
        self._walks = root.active
        self.always = renames or root.active
        settled = None if renames else _settled(root, unwraps)
        self.fits: Callable[[bytes], object] = _must_be_walked if settled is None else settled.decode

    def __call__(self, arguments: bytes) -> bytes:
        """The arguments, shaped; the same object where nothing had to change."""
        if not (self.always or (self._unwraps and arguments.find(ENVELOPE) >= 0)):
            return arguments
        try:
            self.fits(arguments)
            return arguments
        except (msgspec.MsgspecError, RecursionError, UnicodeError):
            return self.shape(arguments)

    def shape(self, arguments: bytes) -> bytes:
        """The same, without looking first whether anything may have to change."""
        steps = Steps(len(arguments))
        try:
            members = _OBJECT.decode(arguments)
            repaired = self._repair(members)
            if not self._walks:
                return arguments if repaired is members else encode(repaired)
            if not self._root.composed:
                shaped = _shape_members(repaired, self._root, steps)
                return arguments if shaped is members else encode(shaped)
            before = Raw(arguments if repaired is members else encode(repaired))
            after = _shape(before, self._root, steps)
            return arguments if after is before and repaired is members else bytes(after)
        except (msgspec.MsgspecError, RecursionError, TooMuch, UnicodeError):
            return arguments

    def _repair(self, members: dict[str, Raw]) -> dict[str, Raw]:
        if self._unwraps and "params" in members and members.keys() in ENVELOPES:
            inner = members["params"]
            if kind_of(inner) == "object":
                members = _OBJECT.decode(inner)
        if self._renames and PLURAL not in members:
            for single in SINGULARS:
                if single in members and single not in self._root.properties:
                    return {
                        PLURAL if key == single else key: _as_list(raw) if key == single else raw
                        for key, raw in members.items()
                    }
        return members


def compile_shaping(schema: dict[str, Any]) -> Shaper | None:
    """The shaper for a tool with this input schema; None where it could never change anything."""
    root = compile_schema(schema)
    unwraps = (
        "params" not in root.properties
        and root.rest is None
        and schema.get("additionalProperties") is not True
    )
    plural = root.properties.get(PLURAL)
    renames = plural is not None and "array" in plural.kinds
    if not (root.active or unwraps or renames):
        return None
    return Shaper(root, unwraps=unwraps, renames=renames)


MOST_SETTLED = 50
"""Members of arguments that are told by one look whether anything may have to change."""
_SCALAR = int | float | bool | None


def _settled(root: Node, unwraps: bool) -> msgspec.json.Decoder[Any] | None:
    """Reads the arguments in which nothing has to change, and raises where something may: a string, list or
    object stands where one may have to change. None where most arguments must be walked anyway."""
    if root.composed or not 0 < len(root.properties) <= MOST_SETTLED:
        return None
    inner = root.properties.values()
    if any(node.active and node.kinds & {"array", "object"} for node in inner):
        return None
    fields = [
        (f"m{n}", _SCALAR if node.active else Raw, msgspec.field(name=name, default=None))
        for n, (name, node) in enumerate(root.properties.items())
    ]
    strict = unwraps or (root.rest is not None and root.rest.active)
    try:
        kind = msgspec.defstruct("Settled", fields, forbid_unknown_fields=strict, gc=False)
    except ValueError:
        return None  # a name that must be escaped
    return msgspec.json.Decoder(kind)


def _must_be_walked(arguments: bytes) -> object:
    raise msgspec.ValidationError("no look is enough")


def _as_list(raw: Raw) -> Raw:
    return raw if kind_of(raw) == "array" else Raw(b"[" + bytes(raw) + b"]")


def _shape(raw: Raw, node: Node, steps: Steps) -> Raw:
    """The value, shaped; the same object where nothing had to change."""
    if not node.active:
        return raw
    steps.take()
    kind = kind_of(raw)
    if kind == "string":
        if node.text or not node.convertible:
            return raw
        value = convert(_STRING.decode(raw), node.kinds)
        return (
            raw
            if value is None
            else _shape(value, node, steps)
            if kind_of(value) in ("array", "object")
            else value
        )
    if kind == "object":
        raw = _shape_object(raw, node, steps)
    elif kind == "array":
        raw = _shape_array(raw, node, steps)
    else:
        return raw
    for part in node.parts:
        raw = _shape(raw, part, steps)
    for choices in node.choices:
        raw = _shape_by_choice(raw, choices, steps)
    return raw


def _shape_object(raw: Raw, node: Node, steps: Steps) -> Raw:
    if not (node.properties or node.rest):
        return raw
    members = _OBJECT.decode(raw)
    shaped = _shape_members(members, node, steps)
    return raw if shaped is members else Raw(encode(shaped))


def _shape_members(members: dict[str, Raw], node: Node, steps: Steps) -> dict[str, Raw]:
    changed: dict[str, Raw] = {}
    for key, raw in members.items():
        inner = node.properties.get(key, node.rest)
        if inner is not None and inner.active:
            shaped = _shape(raw, inner, steps)
            if shaped is not raw:
                changed[key] = shaped
    return members | changed if changed else members


def _shape_array(raw: Raw, node: Node, steps: Steps) -> Raw:
    if node.items is None or not node.items.active:
        return raw
    items = _ARRAY.decode(raw)
    shaped = [_shape(item, node.items, steps) for item in items]
    return raw if all(new is old for new, old in zip(shaped, items, strict=True)) else Raw(encode(shaped))


def _shape_by_choice(raw: Raw, choices: tuple[Node, ...], steps: Steps) -> Raw:
    """`anyOf`, `oneOf`: a value that fits a branch stays; else the first branch it can be made to fit."""
    if any(fits(raw, choice, steps) for choice in choices):
        return raw
    tries = [shaped for choice in choices if (shaped := _shape(raw, choice, steps)) is not raw]
    fitting = (shaped for shaped in tries if any(fits(shaped, choice, steps) for choice in choices))
    return next(fitting, tries[0] if tries else raw)


def convert(text: str, kinds: frozenset[str]) -> Raw | None:
    """What `text` says, where that is of one of `kinds`; None where it is not."""
    if "boolean" in kinds and text in ("true", "false"):
        return Raw(text.encode())
    if "number" in kinds or "integer" in kinds:
        value = number_in(text, whole="number" not in kinds)
        if value is not None:
            return Raw(value.encode())
    start = text.lstrip()[:1]
    if (start == "[" and "array" in kinds) or (start == "{" and "object" in kinds):
        return json_in(text)
    return None
