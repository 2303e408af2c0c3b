"""What requests of the management interface ask for: their bodies, and the entries they lead to. Pure.

Called by `callmux.management.api`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from callmux.errors import InvalidArguments
from callmux.management.shown import restored

_NAME = re.compile(r"(?!-)(?!.*__)[^\s\x00-\x1f\x7f]{1,64}")
_LISTS = ("tools", "addTools", "removeTools")
ADDING = ("name", "config", "dryRun")
CHANGING = ("config", *_LISTS, "disabled", "dryRun")
CLEARING = ("tool", "server")
ORDERING = ("node",)


def read_object(body: bytes, known: Iterable[str]) -> dict[str, Any]:
    """The JSON object of a body; nothing sent is an empty one.

    Args:
        known: The members that it may have.

    Raises:
        InvalidArguments: It is none, or has others.
    """
    if not body.strip():
        return {}
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InvalidArguments("the body must be one JSON object")
    for key in value:
        if key not in known:
            raise InvalidArguments(f'"{key[:80]}" is not known here: there is {", ".join(known)}', field=key)
    return value


def flag(body: dict[str, Any], key: str) -> bool:
    """Whether a member is true; it is not where it is absent.

    Raises:
        InvalidArguments: It is something else.
    """
    value = body.get(key, False)
    if not isinstance(value, bool):
        raise InvalidArguments(f"{key} must be true or false", field=key)
    return value


def text(body: dict[str, Any], key: str) -> str | None:
    """A member that is a text with something in it; None where it is absent.

    Raises:
        InvalidArguments: It is something else.
    """
    value = body.get(key)
    if value is not None and not (isinstance(value, str) and value.strip()):
        raise InvalidArguments(f"{key} must be a non-empty string", field=key)
    return value


def new_name(body: dict[str, Any], known: Iterable[str]) -> str:
    """The name of a server to add.

    Args:
        known: The servers there are: what they are called is a name.

    Raises:
        InvalidArguments: It cannot be one.
    """
    name = text(body, "name")
    if name is None:
        raise InvalidArguments("name is required", field="name")
    if name not in known and not (_NAME.fullmatch(name) and name.isprintable() and name.strip(".")):
        raise InvalidArguments(
            "name must be 1 to 64 characters without blanks and invisible ones,"
            ' must not begin with "-", must not contain "__" and must have more than dots',
            field="name",
        )
    return name


def added(body: dict[str, Any], before: Any) -> dict[str, Any]:
    """The entry of a server to add.

    Args:
        before: The entry of a server of this name that is there already.

    Raises:
        InvalidArguments: There is none.
    """
    entry = body.get("config")
    if not isinstance(entry, dict):
        raise InvalidArguments("config is required: the server's entry, an object", field="config")
    return restored(entry, before)


def changed(body: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """The entry of a server after a change.

    A server without a list `tools` exposes all of its tools: what is taken away from it goes into
    `denyTools`, and what is added comes out of there again.

    Raises:
        InvalidArguments: It says something that cannot be.
    """
    if "config" in body:
        if len(body.keys() - {"config", "dryRun"}) > 0:
            raise InvalidArguments("config replaces the whole entry: leave the other members out")
        return added(body, before)
    entry = dict(before)
    lists = {key: _names(body, key) for key in _LISTS if key in body}
    if "tools" in lists:
        entry["tools"] = lists["tools"]
        if not lists["tools"]:
            del entry["tools"]
    more, fewer = lists.get("addTools", []), lists.get("removeTools", [])
    denied = [tool for tool in _texts(entry.get("denyTools")) if tool not in more]
    listed = entry.get("tools")
    if isinstance(listed, list):
        entry["tools"] = [tool for tool in dict.fromkeys([*listed, *more]) if tool not in fewer]
    elif new := [tool for tool in more if tool not in _texts(entry.get("denyTools"))]:
        entry["tools"] = [tool for tool in new if tool not in fewer]
    else:
        denied = list(dict.fromkeys([*denied, *fewer]))
    if denied:
        entry["denyTools"] = denied
    else:
        entry.pop("denyTools", None)
    if "disabled" in body:
        if flag(body, "disabled"):
            entry["disabled"] = True
        else:
            entry.pop("disabled", None)
    return entry


def _names(body: dict[str, Any], key: str) -> list[str]:
    value = body[key]
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise InvalidArguments(f"{key} must be a list of names of tools", field=key)
    return list(dict.fromkeys(value))


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
