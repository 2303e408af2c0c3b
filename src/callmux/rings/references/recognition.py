"""Which values in the arguments of a call are references, and what stands around them. Pure.

Called by `callmux.rings.references.resolving`. The arguments become a template: pieces of JSON that go out as
they stand, and files to be read between them. Text references are expanded here. What a file says is never
looked at again, and neither is what came from a server (`opaque`).

    {"$file": "notes.md", "maxBytes": 5000}     the text of a file
    {"$jsonFile": "data.json"}                  the value in a JSON file
    {"$yamlFile": "data.yaml"}                  the value in a YAML file
    {"$text": {"lines": ["a", "b"]}}            lines, joined by newlines or by `join`
    {"$verbatim": {"$file": "x"}}               the inner value as it stands: no reference
    "{\\"$file\\": \\"notes.md\\"}"                a string that is such a reference and nothing else
"""

from __future__ import annotations

import re
from collections.abc import Set

import msgspec
from msgspec import Raw

from callmux.rings.envelope import encode
from callmux.rings.schemas import kind_of

TEXT = "$text"
VERBATIM = "$verbatim"
FILES = ("$file", "$jsonFile", "$yamlFile")
REFERENCES = (*FILES, TEXT)
MAX_BYTES = "maxBytes"

MOST_FILES = 32
"""File references in one call."""
LARGEST_FILE = 10_000_000
DEFAULT_BYTES = 1_000_000
DEEPEST = 128
"""Levels of the arguments that are searched; what lies deeper is data."""

_NAMES = re.compile(rb"\$(?:file|jsonFile|yamlFile|text|verbatim)")
_ESCAPE = re.compile(rb"\\u00[2-7]")
"""How a visible ASCII character may hide in JSON."""
_IDENTIFIER = re.compile(r"[A-Za-z0-9_$-]+")
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_ARRAY = msgspec.json.Decoder(list[Raw])
_STRING = msgspec.json.Decoder(str)


class Malformed(ValueError):
    """A reference that cannot be understood; the text begins with its place."""


class FileReference(msgspec.Struct, frozen=True, kw_only=True):
    """A file to be read.

    Attributes:
        where: Its place, such as `arguments.a[0].b`.
        form: `$file`, `$jsonFile` or `$yamlFile`.
        path: The path as written.
        max_bytes: How large the file may be.
    """

    where: str
    form: str
    path: str
    max_bytes: int = DEFAULT_BYTES


Piece = bytes | FileReference
"""JSON as it goes out, or a file whose content stands there."""


def may_refer(arguments: bytes) -> bool:
    """Whether `arguments` can hold a reference at all; False for nearly all calls, in no time."""
    # Looking for a single byte is by far the fastest; most arguments have neither of the two.
    if arguments.find(b"$") >= 0 and _NAMES.search(arguments) is not None:
        return True
    return arguments.find(b"\\") >= 0 and _ESCAPE.search(arguments) is not None


def recognise(arguments: bytes, opaque: Set[str] = frozenset()) -> list[Piece] | None:
    """The template of `arguments`; None where nothing in them is a reference.

    Args:
        arguments: A JSON object.
        opaque: Members that are a server's data.

    Raises:
        Malformed: Something is a reference by its key, and is none that works; or there are too many.
    """
    if not may_refer(arguments):
        return None
    try:
        members = _OBJECT.decode(arguments)
    except (msgspec.MsgspecError, RecursionError):
        return None
    search = _Search()
    if opaque & members.keys():
        own = [key for key in REFERENCES if key in members and key not in opaque]
        if own:
            raise Malformed(
                f'arguments: unexpected keys beside "{own[0]}": values of an earlier result cannot be added '
                "to a reference"
            )
        return search.members(members, "arguments", 0, opaque)
    return search.value(Raw(arguments), "arguments", 0)


class _Search:
    """One walk through the arguments."""

    def __init__(self) -> None:
        self._files = 0

    def value(self, raw: Raw, where: str, depth: int) -> list[Piece] | None:
        """The template of a value; None where it goes out as it stands."""
        if depth > DEEPEST or not may_refer(bytes(raw)):
            return None
        kind = kind_of(raw)
        if kind == "object":
            members = _OBJECT.decode(raw)
            found = self.reference(members, where)
            if found is not None:
                return [found]
            if VERBATIM in members and len(members) == 1:
                return [bytes(members[VERBATIM])]
            return self.members(members, where, depth)
        if kind == "array":
            items = _ARRAY.decode(raw)
            templates = [self.value(item, f"{where}[{n}]", depth + 1) for n, item in enumerate(items)]
            if all(template is None for template in templates):
                return None
            pieces: list[Piece] = []
            for n, (item, template) in enumerate(zip(items, templates, strict=True)):
                pieces.append(b"," if n else b"[")
                pieces.extend([bytes(item)] if template is None else template)
            return [*pieces, b"]"]
        # What is neither, and may refer, is a string.
        lone = self._lone(_STRING.decode(raw), where)
        return None if lone is None else [lone]

    def members(
        self, members: dict[str, Raw], where: str, depth: int, opaque: Set[str] = frozenset()
    ) -> list[Piece] | None:
        """The template of an object that is no reference itself."""
        templates = {
            key: template
            for key, raw in members.items()
            if key not in opaque and (template := self.value(raw, _inside(where, key), depth + 1)) is not None
        }
        if not templates:
            return None
        pieces: list[Piece] = []
        for n, (key, raw) in enumerate(members.items()):
            pieces.append((b"," if n else b"{") + encode(key) + b":")
            pieces.extend(templates.get(key) or [bytes(raw)])
        return [*pieces, b"}"]

    def _lone(self, text: str, where: str) -> Piece | None:
        """The reference that a string is; None for any other string."""
        if not text.lstrip().startswith("{"):
            return None
        try:
            members = _OBJECT.decode(text.strip())
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None
        names = [key for key in members if key in REFERENCES]
        if len(names) != 1 or members.keys() - {names[0], *_companions(names[0])}:
            return None
        return self.reference(members, where)

    def reference(self, members: dict[str, Raw], where: str) -> Piece | None:
        """What an object with a reference's key stands for; None where it has none.

        Raises:
            Malformed: It does not work.
        """
        form = next((key for key in REFERENCES if key in members), None)
        if form is None:
            return None
        if extra := sorted(members.keys() - {form, *_companions(form)}):
            shown = ", ".join(f'"{key}"' for key in extra[:5])
            raise Malformed(
                f'{where}: unexpected keys beside "{form}": {shown}. To send the object as it stands, wrap '
                f'it: {{"{VERBATIM}": {{…}}}}'
            )
        if form == TEXT:
            return encode(_text(members[TEXT], where))
        self._files += 1
        if self._files > MOST_FILES:
            raise Malformed(f"{where}: a call may have at most {MOST_FILES} file references")
        path = _string(members[form])
        if path is None or not path.strip():
            raise Malformed(f'{where}: "{form}" must be a non-empty string, the path of a file')
        if "\0" in path:
            raise Malformed(f'{where}: "{form}" must not contain a NUL character')
        return FileReference(where=where, form=form, path=path, max_bytes=_limit(members, where))


def _companions(form: str) -> tuple[str, ...]:
    return () if form == TEXT else (MAX_BYTES,)


def _inside(where: str, key: str) -> str:
    if _IDENTIFIER.fullmatch(key):
        return f"{where}.{key}"
    return f"{where}[{encode(key).decode()}]"


def _string(raw: Raw) -> str | None:
    try:
        return _STRING.decode(raw)
    except msgspec.MsgspecError:
        return None


def _limit(members: dict[str, Raw], where: str) -> int:
    raw = members.get(MAX_BYTES)
    if raw is None:
        return DEFAULT_BYTES
    if kind_of(raw) == "number":
        number = float(bytes(raw))
        if number.is_integer() and 1 <= number <= LARGEST_FILE:
            return int(number)
    raise Malformed(f"{where}.{MAX_BYTES} must be a whole number from 1 to {LARGEST_FILE}")


def _text(raw: Raw, where: str) -> str:
    """What `$text` says."""
    where = f"{where}.{TEXT}"
    if kind_of(raw) == "string":
        return _STRING.decode(raw)
    if kind_of(raw) != "object":
        raise Malformed(f'{where} must be a string, or {{"lines": [strings]}}')
    members = _OBJECT.decode(raw)
    if extra := sorted(members.keys() - {"lines", "join"}):
        shown = ", ".join(f'"{key}"' for key in extra[:5])
        raise Malformed(
            f"{where}: unexpected keys: {shown}. To send the object as it stands, wrap it: "
            f'{{"{VERBATIM}": {{…}}}}'
        )
    lines, join = members.get("lines"), members.get("join")
    if lines is None or kind_of(lines) != "array":
        raise Malformed(f"{where}.lines must be a list of strings")
    if join is not None and kind_of(join) != "string":
        raise Malformed(f"{where}.join must be a string")
    texts = [_string(line) for line in _ARRAY.decode(lines)]
    found = [text for text in texts if text is not None]
    if len(found) != len(texts):
        raise Malformed(f"{where}.lines must contain only strings")
    return ("\n" if join is None else _STRING.decode(join)).join(found)
