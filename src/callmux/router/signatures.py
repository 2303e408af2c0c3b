"""A tool in one line: its name, its parameters with short types, a few words. Pure.

Called by `callmux.router.tool_index`. Names come from servers: whatever is no plain character becomes a
space, so that none of them can look like another line of the index. Parameters are sorted, because some
servers give them in another order each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from callmux.config.recipes import PARAM, Recipe, RecipeParameter, placeholders, request
from callmux.protocol.shapes import Tool
from callmux.router.compress import is_obvious
from callmux.router.deprecations import DEPRECATED, discouraged, first_sentence

WORDS = 60
"""Characters of what a tool is for."""
LONGEST = 320
"""Characters of a signature; a longer one says less of each parameter, or names only what must be given."""
LONGEST_NAME = 64
LONGEST_CHOICE = 40
"""Characters of the values of an `enum`; where they are longer, it counts as the text it is."""
MOST_MEMBERS = 5
"""Members of an object that are shown inside of a signature."""
DEEPEST = 2
MORE = "..."
"""Stands for parameters that may be given and are not named, and for words that are cut off."""

_SHORT = {
    "string": "",
    "integer": "int",
    "number": "num",
    "boolean": "bool",
    "object": "obj",
    "array": "any[]",
}
_TEXT = "str"
_LEADING = frozenset(
    {"a", "an", "the", "of", "in", "on", "at", "to", "for", "from", "by", "with", "and", "or", "as", "that"}
    | {"which", "is", "are", "be", "this", "its", "their", "your"}
)


def signature(name: str, tool: Tool, *, optional: bool = True) -> str:
    """A tool as it is called, such as `get_issue(number:int, full?:bool)`.

    Args:
        name: What clients know it by, less what stands for its server.
        optional: Whether parameters are named that need not be given.
    """
    schema = tool.input_schema
    for depth in range(DEEPEST, -1, -1) if optional else ():
        line = f"{plain(name)}({_parameters(schema, schema, depth)})"
        if len(line) <= LONGEST:
            return line
    return f"{plain(name)}({_required(schema)})"


def words(name: str, tool: Tool) -> str:
    """What a tool is for, in a few words; empty where its name says as much."""
    return few_words(name, tool.description or tool.title or "")


def few_words(name: str, description: str) -> str:
    """The beginning of a description; empty where a name says as much. Of a tool that should not be used any
    more, what is said about that."""
    if (said := discouraged(description)) is not None:
        short = _cut(plain(said))
        return short if DEPRECATED in short.lower() else _cut(f"{DEPRECATED}: {plain(said)}")
    short = _cut(first_sentence(plain(description)))
    return "" if not short or is_obvious(short.removesuffix(MORE), name) else short


def is_deprecated(tool: Tool) -> bool:
    """Whether a tool should not be used any more, as its server says."""
    return any(discouraged(text) is not None for text in (tool.description, tool.title) if text)


def _cut(text: str) -> str:
    """The text whole, or its beginning in whole words, with dots in place of the rest. Words that lead to
    what is cut off say nothing; neither does a bracket that is not closed."""
    if len(text) <= WORDS:
        return text
    short = text[: WORDS - len(MORE)]
    if not text[len(short)].isspace() and (space := short.rfind(" ")) > 0:
        short = short[:space]
    if (bracket := short.rfind("(")) > max(short.rfind(")"), 0):
        short = short[:bracket]
    kept = short.rstrip(" .,;:-").split(" ")
    while len(kept) > 1 and kept[-1].lower() in _LEADING:
        kept.pop()
    return " ".join(kept).rstrip(" .,;:-") + MORE


def of_recipe(name: str, recipe: Recipe, *, optional: bool = True) -> str:
    """A recipe as it is run."""
    declared = recipe.parameters or {}
    used = {found[PARAM] for _, found in placeholders(request(recipe)[1], "") if len(found) == 1}
    shown, left_out = [], False
    for key in sorted(used):
        parameter = declared.get(key, RecipeParameter())
        if parameter.must_be_given or optional:
            kind = "any" if parameter.type is None else _SHORT[parameter.type]
            shown.append(_member(key, kind, must=parameter.must_be_given))
        else:
            left_out = True
    return f"{plain(name)}({', '.join([*shown, *([MORE] if left_out else [])])})"


def plain(text: str) -> str:
    """The text on one line, without characters that cannot be seen."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def short_type(schema: Any, root: Mapping[str, Any], depth: int = DEEPEST) -> str:
    """What a parameter takes, in as few letters as possible; empty for text.

    Args:
        root: The schema that local references lead into.
        depth: Levels of objects whose members are shown.
    """
    schema = _resolved(schema, root)
    if not isinstance(schema, dict):
        return "any"
    if (values := _values(schema)) is not None:
        choice = "|".join(values)
        if 0 < len(choice) <= LONGEST_CHOICE:
            return choice
    kinds = _kinds(schema.get("type"))
    if not kinds:
        return _of_choices(schema, root, depth)
    return "|".join(dict.fromkeys(_of_kind(kind, schema, root, depth) or _text(kinds) for kind in kinds))


def _text(kinds: list[str]) -> str:
    return _TEXT if len(kinds) > 1 else ""


def _of_kind(kind: str, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> str:
    if kind == "array":
        items = schema.get("items")
        inner = "any" if items is None else short_type(items, root, depth - 1)
        return f"({inner})[]" if "|" in inner and not inner.endswith("}") else f"{inner or _TEXT}[]"
    if kind == "object" and depth > 0:
        properties = schema.get("properties")
        if isinstance(properties, dict) and 0 < len(properties) <= MOST_MEMBERS:
            return "{" + _parameters(schema, root, depth - 1) + "}"
    return _SHORT.get(kind, "any")


def _of_choices(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> str:
    """The type of a schema that declares none itself."""
    for key in ("anyOf", "oneOf", "allOf"):
        group = schema.get(key)
        if isinstance(group, list) and group and depth > 0:
            kinds = [
                short_type(one, root, depth - 1) or _TEXT
                for one in group
                if not (isinstance(one, dict) and one.get("type") == "null")
            ]
            distinct = list(dict.fromkeys(kinds))
            if distinct == [_TEXT]:
                return ""
            if 0 < len(distinct) <= 3:
                return "|".join(distinct)
    return "obj" if isinstance(schema.get("properties"), dict) else "any"


def _parameters(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> str:
    declared = schema.get("properties")
    properties = declared if isinstance(declared, dict) else {}
    required = _names(schema.get("required"))
    # Some servers require what they do not describe.
    must = [_member(n, short_type(properties.get(n), root, depth)) for n in sorted(required)]
    may = [
        _member(n, short_type(properties[n], root, depth), must=False)
        for n in sorted(properties)
        if n not in required
    ]
    return ", ".join(must + may)


def _required(schema: Mapping[str, Any]) -> str:
    """The names of the parameters that must be given, and a sign for others."""
    properties = schema.get("properties")
    required = sorted(_names(schema.get("required")))
    shown: list[str] = []
    for name in required:
        if len(", ".join(shown)) > LONGEST - LONGEST_NAME:
            break
        shown.append(_member(name, ""))
    left_out = set(required[len(shown) :])
    if isinstance(properties, dict):
        left_out |= properties.keys() - required
    return ", ".join([*shown, *([MORE] if left_out else [])])


def _member(name: str, kind: str, *, must: bool = True) -> str:
    return f"{plain(name)[:LONGEST_NAME]}{'' if must else '?'}{':' if kind else ''}{kind}"


def _names(declared: Any) -> set[str]:
    return {name for name in declared if isinstance(name, str)} if isinstance(declared, list) else set()


def _kinds(declared: Any) -> list[str]:
    """The declared types but for `null`, which is as good as not given."""
    names: Iterable[Any] = declared if isinstance(declared, list) else [declared]
    return sorted({name for name in names if isinstance(name, str) and name != "null"})


def _values(schema: Mapping[str, Any]) -> list[str] | None:
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if not isinstance(values, list) or not all(isinstance(v, str | int | float | bool) for v in values):
        return None
    return [plain(str(value).lower() if isinstance(value, bool) else str(value)) for value in values]


def _resolved(schema: Any, root: Mapping[str, Any]) -> Any:
    """The schema, or what its local reference leads to."""
    for _ in range(DEEPEST):
        reference = schema.get("$ref") if isinstance(schema, dict) else None
        if not isinstance(reference, str) or not reference.startswith("#/"):
            break
        schema = _at(root, reference)
    return schema


def _at(root: Any, reference: str) -> Any:
    for step in reference.split("/")[1:]:
        root = root.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(root, dict) else None
    return root
