"""Whether a value breaks a JSON Schema: a yes or no after a call has failed, never before it. Pure.

Called by `callmux.rings.reminding`. What callmux itself needs of a schema for every call is read by
`callmux.rings.schemas`; this looks at bounds, patterns and closed objects too, and takes its time. It knows
the keywords of draft 2020-12 that say something about arguments, with those of earlier drafts, and local
references. A keyword that it does not know, or that makes no sense, is kept; so is a schema that would take
too long.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from math import isclose
from typing import Any

from callmux.rings.schemas import Steps, TooMuch, referred

LONGEST = 2000
"""Characters of a text that is compared with a pattern, and of that pattern: both come from outside."""
MOST_TRIES = 10**7
"""Ways of laying patterns over texts that are tried for one value; about a tenth of a second."""
COMPILING = 100
"""Tries that take as long as a character of a pattern takes to be read."""
DEEPEST = 100
"""Levels of references that are followed."""


def breaks(value: Any, schema: Any, size: int) -> bool:
    """Whether a value is certainly not what a schema asks for.

    Args:
        value: It, decoded.
        schema: The schema, decoded.
        size: Bytes of the value: with these grows what may be compared.
    """
    try:
        return not _Reader(schema, Steps(size)).keeps(value, schema, 0)
    except (TooMuch, RecursionError, ArithmeticError):
        return False


class _Reader:
    def __init__(self, root: Any, steps: Steps) -> None:
        self._root = root
        self._steps = steps
        self._tries = MOST_TRIES

    def keeps(self, value: Any, schema: Any, depth: int) -> bool:
        self._steps.take()
        if not isinstance(schema, Mapping):
            return schema is not False
        if depth > DEEPEST:
            return True
        declared = schema.get("type")
        if declared is not None and not _is_of(value, declared):
            return False
        if "const" in schema and not _equal(value, schema["const"]):
            return False
        values = schema.get("enum")
        if isinstance(values, list) and not any(self._same(value, one) for one in values):
            return False
        if isinstance(value, str):
            kept = self._text_keeps(value, schema)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            kept = _number_keeps(value, schema)
        elif isinstance(value, list):
            kept = self._list_keeps(value, schema, depth + 1)
        elif isinstance(value, dict):
            kept = self._object_keeps(value, schema, depth + 1)
        else:
            kept = True
        return kept and self._combined(value, schema, depth + 1)

    def _same(self, one: Any, other: Any) -> bool:
        self._steps.take()
        return _equal(one, other)

    def _text_keeps(self, value: str, schema: Mapping[str, Any]) -> bool:
        if not _counts(len(value), schema, "minLength", "maxLength"):
            return False
        pattern = schema.get("pattern")
        return not isinstance(pattern, str) or self._has(value, pattern) is not False

    def _has(self, text: str, pattern: str) -> bool | None:
        """Whether a text has a pattern in it; None where the pattern is not understood, or could take long:
        nothing else is served while it is looked for."""
        self._steps.take()
        if len(text) > LONGEST or len(pattern) > LONGEST or _may_explode(pattern):
            return None
        ways = (len(text) + 1) ** (len(_REPETITION.findall(pattern)) + 1) << len(_CHOICE.findall(pattern))
        cost = ways + COMPILING * len(pattern)
        if cost > self._tries:
            return None
        self._tries -= cost
        try:
            return re.search(pattern, text) is not None
        except (re.error, RecursionError, OverflowError):
            return None

    def _list_keeps(self, value: list[Any], schema: Mapping[str, Any], depth: int) -> bool:
        if not _counts(len(value), schema, "minItems", "maxItems"):
            return False
        items, first = schema.get("items"), schema.get("prefixItems")
        if isinstance(items, list):
            # Before draft 2020-12.
            items, first = schema.get("additionalItems"), items
        leading = first if isinstance(first, list) else []
        if not all(self.keeps(v, s, depth) for v, s in zip(value, leading, strict=False)):
            return False
        if items is not None and not all(self.keeps(v, items, depth) for v in value[len(leading) :]):
            return False
        wanted = "contains" in schema and schema.get("minContains") != 0
        if wanted and not any(self.keeps(v, schema["contains"], depth) for v in value):
            return False
        if schema.get("uniqueItems") is True:
            for n, one in enumerate(value):
                if any(self._same(one, other) for other in value[:n]):
                    return False
        return True

    def _object_keeps(self, value: dict[str, Any], schema: Mapping[str, Any], depth: int) -> bool:
        required = schema.get("required")
        if isinstance(required, list) and any(
            isinstance(name, str) and name not in value for name in required
        ):
            return False
        if not _counts(len(value), schema, "minProperties", "maxProperties"):
            return False
        known, rest = _members(schema.get("properties")), schema.get("additionalProperties")
        patterns = _members(schema.get("patternProperties"))
        for name, member in value.items():
            schemas = [known[name]] if name in known else []
            has = {pattern: self._has(name, pattern) for pattern in patterns}
            schemas += [patterns[pattern] for pattern, found in has.items() if found]
            # Where it is not known whether a pattern means this name, nobody can tell whether it is left.
            if not schemas and rest is not None and None not in has.values():
                schemas = [rest]
            if not all(self.keeps(member, s, depth) for s in schemas):
                return False
        names = schema.get("propertyNames")
        if names is not None and not all(self.keeps(name, names, depth) for name in value):
            return False
        return self._dependent(value, schema, depth)

    def _dependent(self, value: dict[str, Any], schema: Mapping[str, Any], depth: int) -> bool:
        for key in ("dependentRequired", "dependentSchemas", "dependencies"):
            for name, needed in _members(schema.get(key)).items():
                if name not in value:
                    continue
                if isinstance(needed, list):
                    if any(isinstance(other, str) and other not in value for other in needed):
                        return False
                elif not self.keeps(value, needed, depth):
                    return False
        return True

    def _combined(self, value: Any, schema: Mapping[str, Any], depth: int) -> bool:
        reference = schema.get("$ref")
        if isinstance(reference, str):
            inner = referred(self._root, reference)
            if inner is not None and not self.keeps(value, inner, depth):
                return False
        if not all(self.keeps(value, one, depth) for one in _group(schema, "allOf")):
            return False
        for key in ("anyOf", "oneOf"):
            # That several of `oneOf` are kept is no proof: one of them may say what is not known here.
            if (group := _group(schema, key)) and not any(self.keeps(value, one, depth) for one in group):
                return False
        if "not" in schema and self._is_known(schema["not"]) and self.keeps(value, schema["not"], depth):
            return False
        if "if" in schema and self._is_known(schema["if"]):
            then = schema.get("then" if self.keeps(value, schema["if"], depth) else "else")
            return then is None or self.keeps(value, then, depth)
        return True

    def _is_known(self, schema: Any) -> bool:
        """Whether nothing in a schema is unknown here: what is unknown counts as kept, so that its contrary
        would count as broken."""
        return isinstance(schema, bool) or (isinstance(schema, Mapping) and schema.keys() <= _EXACT)


_EXACT = frozenset(
    {"type", "const", "enum", "required", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
    | {"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"}
    | {"title", "description", "default", "examples"}
)
"""Keywords that are looked at whole, or that say nothing."""

_KINDS: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: (
        not isinstance(value, bool)
        and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))
    ),
}


def _is_of(value: Any, declared: Any) -> bool:
    names = declared if isinstance(declared, list) else [declared]
    known = [_KINDS.get(name) if isinstance(name, str) else None for name in names]
    return not known or any(one is None or one(value) for one in known)


def _equal(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: `true` is not 1, and 1.0 is."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(member, other[key]) for key, member in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)


_REPETITION = re.compile(r"[+*]|\{\d*,")
_CHOICE = re.compile(r"\||(?<!(?<!\\)\()\?")
"""What says "or", or "or not"; in `(?:` it does not."""
_ANY_WAY = re.compile(rf"[+*{{]|{_CHOICE.pattern}")
"""What may be laid over a text in several ways."""
_GROUP_AGAIN = re.compile(r"\)[+*{]")
_OF_OTHERS = re.compile(r"\(\?[#A-Za-z-]")
"""Comments, flags and the like, which schemas do not have: their patterns are those of JavaScript."""


def _may_explode(pattern: str) -> bool:
    """Whether a pattern may try every way of dividing a text: in a group that is repeated something may be
    repeated or chosen."""
    if _OF_OTHERS.search(pattern):
        return True
    first = _ANY_WAY.search(pattern)
    return first is not None and _GROUP_AGAIN.search(pattern, first.end()) is not None


def _number_keeps(value: int | float, schema: Mapping[str, Any]) -> bool:
    least, most = _number(schema, "minimum"), _number(schema, "maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if least is not None and (value < least or (above is True and value == least)):
        return False
    if most is not None and (value > most or (below is True and value == most)):
        return False
    above, below = _number(schema, "exclusiveMinimum"), _number(schema, "exclusiveMaximum")
    if (above is not None and value <= above) or (below is not None and value >= below):
        return False
    step = _number(schema, "multipleOf")
    if step is None or step <= 0:
        return True
    if isinstance(value, int) and isinstance(step, int):
        return value % step == 0
    times = value / step
    return isclose(times, round(times), rel_tol=1e-9, abs_tol=1e-9)


def _number(schema: Mapping[str, Any], key: str) -> int | float | None:
    value = schema.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _counts(count: int, schema: Mapping[str, Any], least: str, most: str) -> bool:
    low, high = _number(schema, least), _number(schema, most)
    return (low is None or count >= low) and (high is None or count <= high)


def _members(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _group(schema: Mapping[str, Any], key: str) -> Sequence[Any]:
    group = schema.get(key)
    return group if isinstance(group, list) else ()
