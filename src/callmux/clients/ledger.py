"""Which entries callmux has written into clients' files, which have no room for a mark or lose it. Pure.

Read and written by `callmux.clients.editing`, kept in `~/.config/callmux/attached.json`. An entry counts as
ours while it is as we left it; an address that was changed since is somebody's own.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

VERSION = 1


def knows(ledger: str, file: str, name: str, raw: Any) -> bool:
    """Whether this entry of `file` is as callmux wrote it."""
    return _read(ledger).get(file, {}).get(name) == _print(raw)


def noted(ledger: str, file: str, name: str, raw: Any | None) -> str:
    """The ledger with that entry in it, or without it where `raw` is None."""
    entries = _read(ledger)
    own = {key: value for key, value in entries.get(file, {}).items() if key != name}
    if raw is not None:
        own[name] = _print(raw)
    entries = {key: value for key, value in {**entries, file: own}.items() if value}
    return json.dumps({"version": VERSION, "files": entries}, indent=2) + "\n"


def _read(ledger: str) -> dict[str, dict[str, str]]:
    """What a ledger holds; one that cannot be read holds nothing, so that less counts as ours."""
    try:
        files = json.loads(ledger or "{}").get("files", {})
    except (ValueError, AttributeError, RecursionError):
        return {}
    if not isinstance(files, dict):
        return {}
    return {str(file): dict(own) for file, own in files.items() if isinstance(own, dict)}


def _print(raw: Any) -> str:
    if isinstance(raw, dict):
        # Clients leave out what is empty when they write their file.
        raw = {key: value for key, value in raw.items() if value not in ([], {})}
    text = json.dumps(raw, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()
