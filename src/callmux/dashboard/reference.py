"""What the page shows that never changes: how each client is connected, and what failures mean. Pure.

Used by `callmux.dashboard.pages`, in a thread: it imports what knows the clients' files.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from callmux.clients import codex
from callmux.clients.dialects import CLIENTS, Dialect
from callmux.clients.entry import DEFAULT_NAME, ClientFileError, Entry
from callmux.clients.json_files import snippet
from callmux.failures.registry import ALL, next_step

URL = "{url}"
"""Stands for the listener's address: the page knows it as browsers see it."""
_PROGRAM = "callmux"
_BRIDGE = Entry(command=_PROGRAM, args=("bridge", "--url", URL))
_DIRECT = Entry(url=URL, transport="streamable-http")


@cache
def reference() -> bytes:
    """All of it, as JSON: `clients` and `failures`."""
    clients = [_client(dialect) for dialect in CLIENTS.values()]
    failures = {
        id: {"what": f"{failure.what[0].upper()}{failure.what[1:]}.", "next": next_step(failure, {})}
        for id, failure in ALL.items()
    }
    return msgspec.json.encode({"clients": clients, "failures": failures})


def _client(dialect: Dialect) -> dict[str, Any]:
    attach = f"callmux client attach {dialect.kind} --url {URL}"
    if dialect.files is None:
        attach += " --file PATH"
    shown = {
        "kind": dialect.kind,
        "title": dialect.title,
        "command": f"{attach} --bridge",
        "entry": _shown(dialect, _BRIDGE),
        "reload": dialect.reload,
    }
    if dialect.files is not None:
        shown["file"] = ("…/" if dialect.files.desktop else "~/") + "/".join(dialect.files.own)
    try:
        shown["direct"] = _shown(dialect, _DIRECT)
    except ClientFileError:
        # It starts programs only.
        return shown
    return shown | {"directCommand": attach}


def _shown(dialect: Dialect, entry: Entry) -> str:
    if dialect.kind == "codex":
        return codex.table(DEFAULT_NAME, entry)
    text = msgspec.json.encode(snippet(dialect, DEFAULT_NAME, entry))
    return msgspec.json.format(text, indent=2).decode()
