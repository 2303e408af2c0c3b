"""The service files that callmux for Node wrote, taken apart. Pure. Called by `callmux.migrate.plan`."""

from __future__ import annotations

import plistlib
import re
import shlex
from dataclasses import dataclass
from xml.parsers.expat import ExpatError

from callmux.daemon.units import is_managed

_START = re.compile(r"^ExecStart=(.*)$", re.MULTILINE)
_FLAGS = ("--config", "--listen", "--host")


@dataclass(frozen=True, slots=True)
class OldUnit:
    """What a service file starts.

    Attributes:
        program: The words before the flags.
        config: `--config`.
        port: `--listen`.
        host: `--host`; None where it is not there.
    """

    program: tuple[str, ...]
    config: str
    port: int
    host: str | None


def read_unit(text: str) -> OldUnit | None:
    """What a service file of callmux for Node starts; None where it is another file, or one of ours.

    Ours says `Type=notify`, or when it is to be kept alive; the original's neither.
    """
    if not is_managed(text):
        return None
    words = _plist_words(text) if "<plist" in text else _systemd_words(text)
    if words is None:
        return None
    at = next((n for n, word in enumerate(words) if word.startswith("--")), len(words))
    program, rest = tuple(words[:at]), words[at:]
    values = {flag: rest[rest.index(flag) + 1] for flag in _FLAGS if flag in rest[:-1]}
    port = values.get("--listen", "")
    if "--config" not in values or not port.isdigit():
        return None
    return OldUnit(program, values["--config"], int(port), values.get("--host"))


def _systemd_words(text: str) -> list[str] | None:
    match = _START.search(text)
    if match is None or "Type=notify" in text:
        return None
    try:
        return shlex.split(match[1])
    except ValueError:
        return None


def _plist_words(text: str) -> list[str] | None:
    try:
        document = plistlib.loads(text.encode())
    except (ExpatError, ValueError):
        return None
    if not isinstance(document, dict) or document.get("KeepAlive") is not True:
        return None
    words = document.get("ProgramArguments")
    if not isinstance(words, list):
        return None
    return [str(word) for word in words]
