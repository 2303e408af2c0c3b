"""`callmux init --profile dev|staging|prod`: what a configuration begins with where callmux serves others.

Called by `callmux.cli.init`. What the profiles hold and why: docs/release-profiles.md.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

from callmux.cli.grammar.init import PROFILES
from callmux.config.secrets import hash_token

TOKEN_ID = "ops"
HASH_FILE = Path("secrets") / f"{TOKEN_ID}.hash"
"""Beside the configuration; the file holds a hash, and nobody can make the token of it."""

_AUTH: dict[str, Any] = {
    "mode": "bearer",
    "tokens": [{"id": TOKEN_ID, "hashRef": f"file:{HASH_FILE}"}],
    "allowUnauthenticatedHealth": True,
}
_LIMITS = {"globalRequestsPerMinute": 6000, "principalRequestsPerMinute": 1200, "principalMaxInFlight": 64}
_EVERYTHING = {"id": "ops-everything", "effect": "allow", "principals": [f"bearer:{TOKEN_ID}"]}
_KEYS: dict[str, dict[str, Any]] = {
    "dev": {},
    "staging": {
        "auth": _AUTH,
        "abuseControls": _LIMITS,
        "auditLog": {"enabled": True},
        "sessionCwdRoots": [],
    },
    "prod": {
        "auth": _AUTH,
        "authorization": {"defaultEffect": "deny", "rules": [_EVERYTHING]},
        "abuseControls": _LIMITS,
        "auditLog": {"enabled": True, "path": "audit/callmux.jsonl"},
        "fileReferenceRoots": [],
        "sessionCwdRoots": [],
    },
}
assert tuple(_KEYS) == PROFILES


def keys_of(profile: str) -> dict[str, Any]:
    """The keys of a profile, beside those that every new configuration has."""
    return _KEYS[profile]


def make_token(config: Path, profile: str) -> str | None:
    """Makes what the profile needs beside its configuration: the hash of a new token, in a file of its own.

    Returns:
        The token, which is written nowhere; None where the profile has none or a hash is there already.
    """
    if "auth" not in _KEYS[profile]:
        return None
    path = config.parent / HASH_FILE
    if path.exists():
        return None
    token = secrets.token_urlsafe(32)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(hash_token(token) + "\n")
    return token
