"""JSON or YAML: a configuration's text read, written and changed as the name of its file says. Pure.

Called by `callmux.config.load` and by the commands that edit the configuration. Files named `.yaml` or `.yml`
are YAML; all others are JSON, in which comments and trailing commas are read. What takes a text apart is
imported when it is needed: a plain JSON file, read once, needs none of it.
"""

from __future__ import annotations

import os.path
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from callmux.errors import ConfigError

T = TypeVar("T")


def is_yaml(path: str) -> bool:
    """Whether a file of that name holds YAML."""
    return os.path.splitext(path)[1].lower() in (".yaml", ".yml")


def parse(path: str, text: str) -> Any:
    """The value of a text.

    Raises:
        ConfigError: It is malformed; names the file and the place.
    """
    from callmux.config import json_text, yaml_text

    return _named(path, lambda: (yaml_text.parse_yaml if is_yaml(path) else json_text.parse_json)(text))


def set_value(path: str, text: str, keys: Sequence[str], value: Any) -> str:
    """The text with `value` at `keys`; every other byte stays.

    Raises:
        ConfigError: It is malformed, or cannot be changed there.
    """
    from callmux.config import json_text, yaml_text

    change = yaml_text.set_value if is_yaml(path) else json_text.set_value
    return _named(path, lambda: change(text, keys, value))


def delete_value(path: str, text: str, keys: Sequence[str]) -> str:
    """The text without what is at `keys`; every other byte stays.

    Raises:
        ConfigError: It is malformed, or cannot be changed there.
    """
    from callmux.config import json_text, yaml_text

    change = yaml_text.delete_value if is_yaml(path) else json_text.delete_value
    return _named(path, lambda: change(text, keys))


def rename_key(path: str, text: str, keys: Sequence[str], name: str) -> str:
    """The text with the key at `keys` called `name`; every other byte stays.

    Raises:
        ConfigError: It is malformed, or cannot be changed there.
    """
    from callmux.config import json_text, yaml_text

    change = yaml_text.rename_key if is_yaml(path) else json_text.rename_key
    return _named(path, lambda: change(text, keys, name))


def write(path: str, document: Mapping[str, Any]) -> str:
    """The text of a new file."""
    text = "" if is_yaml(path) else "{}\n"
    for key, value in document.items():
        text = set_value(path, text, [key], value)
    return text


def _named(path: str, work: Callable[[], T]) -> T:
    """What `work` gives; its failures name the file."""
    from callmux.config.json_text import TextError

    try:
        return work()
    except TextError as error:
        raise ConfigError([f"{path}: {error.message}"]) from None
