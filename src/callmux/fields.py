"""Typed readers for untrusted JSON objects: each error names the field. Pure.

Called by the plan parsers of the meta-tools. An object is read as raw values by key, so that what nobody
looks into is never decoded and keeps its digits.
"""

from __future__ import annotations

import os.path
from collections.abc import Sequence

import msgspec
from msgspec import Raw

from callmux.errors import InvalidArguments

MAX_TIMEOUT_MS = 2**31 - 1
"""The longest time-out, in milliseconds (about 24 days): timers of many systems end there."""

_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_ARRAY = msgspec.json.Decoder(list[Raw])
_STRING = msgspec.json.Decoder(str)
_NUMBER = msgspec.json.Decoder(int | float)
_BOOLEAN = msgspec.json.Decoder(bool)


def as_object(raw: Raw | bytes, field: str) -> dict[str, Raw]:
    """The members of a JSON object.

    Raises:
        InvalidArguments: It is anything else.
    """
    try:
        return _OBJECT.decode(raw)
    except (msgspec.MsgspecError, RecursionError):
        raise InvalidArguments(f"{field} must be an object", field=field) from None


class Fields:
    """Reads the members of one object.

    Args:
        members: The object.
        path: Where the object stands, such as `calls[0]`; empty for the top.
    """

    def __init__(self, members: dict[str, Raw], path: str = "") -> None:
        self.members = members
        self._path = path

    def path(self, key: str) -> str:
        """The path of member `key` for messages."""
        return f"{self._path}.{key}" if self._path else key

    def fail(self, key: str, expectation: str, **details: object) -> InvalidArguments:
        """An error that says member `key` `expectation`."""
        path = self.path(key)
        return InvalidArguments(f"{path} {expectation}", field=path, **details)

    def has(self, key: str) -> bool:
        return key in self.members

    def optional_text(self, key: str) -> str | None:
        """A string that is not blank, exactly as given; None where absent."""
        raw = self.members.get(key)
        if raw is None:
            return None
        try:
            value = _STRING.decode(raw)
        except msgspec.MsgspecError:
            raise self.fail(key, "must be a string") from None
        if not value.strip():
            raise self.fail(key, "must not be blank")
        return value

    def text(self, key: str) -> str:
        """A string that is not blank, exactly as given."""
        value = self.optional_text(key)
        if value is None:
            raise self.fail(key, "is required and must be a string")
        return value

    def any_text(self, key: str) -> str | None:
        """A string, blank ones included; None where absent."""
        raw = self.members.get(key)
        if raw is None:
            return None
        try:
            return _STRING.decode(raw)
        except msgspec.MsgspecError:
            raise self.fail(key, "must be a string") from None

    def boolean(self, key: str, default: bool) -> bool:
        raw = self.members.get(key)
        if raw is None:
            return default
        try:
            return _BOOLEAN.decode(raw)
        except msgspec.MsgspecError:
            raise self.fail(key, "must be true or false") from None

    def integer(self, key: str, minimum: int, maximum: int | None = None) -> int | None:
        """A whole number within bounds, both included; None where absent."""
        raw = self.members.get(key)
        if raw is None:
            return None
        try:
            number = _NUMBER.decode(raw)
        except (msgspec.MsgspecError, ValueError):
            raise self.fail(key, "must be a whole number") from None
        # 5.0 is a whole number too: JSON has one kind of number.
        value = int(number)
        if value != number:
            raise self.fail(key, "must be a whole number")
        if maximum is not None and value > maximum:
            raise self.fail(key, f"must be at most {maximum}", max=maximum)
        if value < minimum:
            raise self.fail(key, f"must be at least {minimum}")
        return value

    def timeout_ms(self, key: str = "timeoutMs") -> int | None:
        """A time-out in milliseconds, 1 to `MAX_TIMEOUT_MS`; None where absent."""
        return self.integer(key, 1, MAX_TIMEOUT_MS)

    def cwd(self, key: str = "cwd") -> str | None:
        """An absolute directory path, trimmed; None where absent."""
        value = self.optional_text(key)
        if value is None:
            return None
        value = value.strip()
        if not os.path.isabs(value):
            raise self.fail(key, "must be an absolute path")
        return value

    def choice(self, key: str, choices: Sequence[str]) -> str | None:
        """One of `choices`; None where absent."""
        raw = self.members.get(key)
        if raw is None:
            return None
        try:
            value = _STRING.decode(raw)
        except msgspec.MsgspecError:
            value = None
        if value not in choices:
            raise self.fail(key, "must be one of " + ", ".join(f'"{c}"' for c in choices))
        return value

    def optional_object(self, key: str) -> dict[str, Raw] | None:
        raw = self.members.get(key)
        return None if raw is None else as_object(raw, self.path(key))

    def array(self, key: str) -> list[Raw]:
        """The elements of a required array."""
        raw = self.members.get(key)
        if raw is None:
            raise self.fail(key, "is required and must be an array")
        try:
            return _ARRAY.decode(raw)
        except (msgspec.MsgspecError, RecursionError):
            raise self.fail(key, "must be an array") from None

    def objects(self, key: str) -> list[Fields]:
        """The elements of a required array of objects."""
        return [
            Fields(as_object(raw, f"{self.path(key)}[{n}]"), f"{self.path(key)}[{n}]")
            for n, raw in enumerate(self.array(key))
        ]
