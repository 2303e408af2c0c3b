"""What is probably wrong with the arguments of a call that nobody has made yet. Pure.

Called by `callmux.metatools.preview`. Nothing here is an error: callmux sends what it is given, and the tool
decides. Schemas are read as far as `callmux.rings.schemas` reads them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set

import msgspec
from msgspec import Raw

from callmux.rings.envelope import encode
from callmux.rings.schemas import Node, Steps, TooMuch, fits, kind_of

TEXT_FIELDS = frozenset({"body", "description", "comment", "text", "content"})
"""Names that usually mean text."""
MOST = 20
"""Warnings of one kind about one call."""
OF_SCHEMA = frozenset(
    {"argument_type_mismatch", "argument_value_not_allowed", "missing_required_argument", "unknown_argument"}
)
"""Codes of warnings that the tool's input schema explains."""

Warning = dict[str, str]

_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_ARRAY = msgspec.json.Decoder(list[Raw])
_STRING = msgspec.json.Decoder(str)


def _warning(
    code: str, path: str, message: str, recommendation: str, canonical: str | None = None
) -> Warning:
    found = {"code": code}
    if canonical is not None:
        found["canonicalCode"] = canonical
    return found | {"path": path, "message": message, "recommendation": recommendation}


def about_values(arguments: Raw) -> list[Warning]:
    """Expressions that are sent literally, and structures where text is usual."""
    literal: list[Warning] = []
    structured: list[Warning] = []
    for path, key, raw in _walk(arguments, "arguments", None):
        kind = kind_of(raw)
        if kind == "string":
            text = _STRING.decode(raw)
            if text == "$json" or text.startswith("$json."):
                literal.append(
                    _warning(
                        "literal_json_mapping",
                        path,
                        f'"{text}" is sent as it stands: expressions work in inputMapping only',
                        "Move it to the inputMapping of a pipeline step",
                        "literal_mapping_expression_in_arguments",
                    )
                )
        elif key in TEXT_FIELDS and kind in ("object", "array"):
            structured.append(
                _warning(
                    "structured_text_field",
                    path,
                    f"an {kind} stands in a field that usually takes text",
                    "$file and $text give text; $jsonFile and $yamlFile are for structures",
                    "structured_value_for_likely_text_field",
                )
            )
    return literal[:MOST] + structured[:MOST]


def _walk(raw: Raw, path: str, key: str | None) -> Iterator[tuple[str, str | None, Raw]]:
    """Every value with its path and the name of the member it belongs to; items belong to their list's."""
    yield path, key, raw
    kind = kind_of(raw)
    if kind == "object":
        for name, member in _OBJECT.decode(raw).items():
            yield from _walk(member, f"{path}.{name}", name)
    elif kind == "array":
        for n, item in enumerate(_ARRAY.decode(raw)):
            yield from _walk(item, f"{path}[{n}]", key)


def as_strings(arguments: Raw, node: Node) -> tuple[Raw, list[str]]:
    """The arguments as a client sends them that turns structures into text where a schema says string.

    Returns:
        The arguments, and the paths of what would be text.
    """
    paths: list[str] = []
    return _stringified(arguments, node, "arguments", paths), paths


def _stringified(raw: Raw, node: Node, path: str, paths: list[str]) -> Raw:
    kind = kind_of(raw)
    if kind not in ("object", "array"):
        return raw
    if "string" in node.kinds and not node.kinds & {"object", "array"} and not fits(raw, node):
        paths.append(path)
        return Raw(encode(msgspec.json.format(bytes(raw), indent=-1).decode()))
    if kind == "array":
        if node.items is None:
            return raw
        items = _ARRAY.decode(raw)
        found = [_stringified(item, node.items, f"{path}[{n}]", paths) for n, item in enumerate(items)]
        return raw if all(a is b for a, b in zip(items, found, strict=True)) else Raw(encode(found))
    members = _OBJECT.decode(raw)
    changed: dict[str, Raw] = {}
    for key, member in members.items():
        inner = node.properties.get(key, node.rest)
        if inner is not None:
            shown = _stringified(member, inner, f"{path}.{key}", paths)
            if shown is not member:
                changed[key] = shown
    return Raw(encode(members | changed)) if changed else raw


def about_text(paths: Sequence[str]) -> list[Warning]:
    """Structures on fields that take text."""
    return [
        _warning(
            "client_stringifies_structured_value",
            path,
            "the field takes text: many clients send such a value as the JSON text shown here, while "
            "callmux sends what it gets",
            "Send a string",
            "structured_value_coerced_to_string_on_wire",
        )
        for path in paths[:MOST]
    ]


def about_schema(arguments: Raw | None, node: Node, mapped: Set[str] = frozenset()) -> list[Warning]:
    """Members that are missing or not known, and values of another type than declared.

    Args:
        arguments: The arguments; None counts as none at all.
        node: The tool's schema.
        mapped: Members that an earlier result will give.
    """
    found: list[Warning] = []
    given = Raw(b"{}") if arguments is None else arguments
    steps = Steps(memoryview(given).nbytes)
    try:
        for warning in _against(given, node, "arguments", steps, mapped):
            found.append(warning)
            if len(found) >= MOST:
                break
    except (RecursionError, TooMuch):
        # A schema that refers to itself without end, or as good as that, says nothing.
        pass
    return found


def _against(
    raw: Raw, node: Node, path: str, steps: Steps, mapped: Set[str] = frozenset()
) -> Iterator[Warning]:
    steps.take()
    kind = kind_of(raw)
    if node.types is not None and not _typed(raw, node):
        wanted = " or ".join(sorted(node.types))
        yield _warning(
            "argument_type_mismatch",
            path,
            f"it is of the type {kind}, the tool asks for {wanted}",
            "Change it",
        )
        return
    if node.values is not None and msgspec.json.decode(raw) not in node.values:
        shown = ", ".join(encode(value).decode() for value in node.values[:10])
        yield _warning(
            "argument_value_not_allowed",
            path,
            "it is none of the values the tool takes",
            f"Use one of {shown}",
        )
    if kind == "object":
        yield from _members_against(_OBJECT.decode(raw), node, path, steps, mapped)
    elif kind == "array" and node.items is not None:
        for n, item in enumerate(_ARRAY.decode(raw)):
            yield from _against(item, node.items, f"{path}[{n}]", steps)
    for part in node.parts:
        yield from _against(raw, part, path, steps, mapped)
    for choices in node.choices:
        if not mapped and not any(fits(raw, choice, steps) for choice in choices):
            yield _warning(
                "argument_type_mismatch", path, "it is none of the alternatives the tool takes", "Change it"
            )


def _members_against(
    members: dict[str, Raw], node: Node, path: str, steps: Steps, mapped: Set[str]
) -> Iterator[Warning]:
    for name in sorted(node.required - members.keys() - mapped):
        yield _warning("missing_required_argument", f"{path}.{name}", "the tool requires it", "Add it")
    for name, member in members.items():
        inner = node.properties.get(name, node.rest)
        if inner is not None:
            yield from _against(member, inner, f"{path}.{name}", steps)
        elif node.closed:
            known = ", ".join(sorted(node.properties)) or "none"
            yield _warning(
                "unknown_argument", f"{path}.{name}", "the tool does not know it", f"It knows: {known}"
            )


def _typed(raw: Raw, node: Node) -> bool:
    alone = Node()
    alone.types = node.types
    return fits(raw, alone)


def size_of(arguments: Raw) -> int:
    """The bytes of arguments as compact JSON."""
    return len(msgspec.json.format(bytes(arguments), indent=-1))
