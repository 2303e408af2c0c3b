"""`--header NAME:VALUE`: headers for a listener. Pure.

Called by `callmux.cli.bridge` and `callmux.cli.destination`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from callmux.errors import UsageError

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS = {
    *("accept", "connection", "content-length", "content-type", "host", "transfer-encoding"),
    *("last-event-id", "mcp-protocol-version", "mcp-session-id"),
}


def read_headers(given: Iterable[str]) -> dict[str, str]:
    """The headers of `--header NAME:VALUE`; the same name again replaces, however it is spelled.

    Raises:
        UsageError: One is no header, or one that we set.
    """
    headers: dict[str, str] = {}
    for text in given:
        name, value = read_header(text)
        for known in [known for known in headers if known.lower() == name.lower()]:
            del headers[known]
        headers[name] = value
    return headers


def read_header(text: str) -> tuple[str, str]:
    """Name and value of one.

    Raises:
        UsageError: It is no header, or one that we set.
    """
    name, colon, value = text.partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not name:
        raise UsageError("--header must use Name:Value format")
    if not _NAME.fullmatch(name):
        raise UsageError(f'--header: "{name}" is not a valid header name')
    if name.lower() in _OURS:
        raise UsageError(f"--header: callmux itself sets {name}")
    if any((ord(c) < 32 and c != "\t") or ord(c) == 127 or 0xD800 <= ord(c) <= 0xDFFF for c in value):
        raise UsageError(f"--header: the value of {name} has characters that a header cannot have")
    return name, value
