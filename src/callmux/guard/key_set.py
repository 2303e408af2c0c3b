"""The public keys of an issuer, as its document lists them (RFC 7517). Pure.

Called by `callmux.guard.issuer_keys`. What no signature may be checked with here is left out: keys for
encryption, secrets shared with the issuer, RSA keys that are too short.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from typing import Any

import msgspec

from callmux.guard.grant import Standing

CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
SHORTEST_RSA, LONGEST_RSA = 2048, 16384
_PUBLIC = {"RSA": ("n", "e"), "EC": ("crv", "x", "y")}
_NUMBER = re.compile(r"[A-Za-z0-9_-]{1,3000}")


class NotUsable(Exception):
    """The document is no key set."""


class PublicKey(msgspec.Struct, frozen=True, eq=False):
    """One key.

    Attributes:
        members: What makes it this key: `kty`, and the numbers of that type.
        algorithm: The only algorithm it may be used with; None for any of its type.
        standing: Whether the issuer still lists it.
    """

    members: dict[str, str]
    algorithm: str | None
    standing: Standing

    def takes(self, algorithm: str) -> bool:
        """Whether a signature of this algorithm may be checked with it."""
        if self.algorithm not in (None, algorithm):
            return False
        if self.members["kty"] == "EC":
            return CURVES[self.members["crv"]] == algorithm
        return algorithm.startswith("RS")


class KeySet:
    """The keys of one document.

    Args:
        keys: By their ids; an id may name a key of each type.
    """

    def __init__(self, keys: dict[str, list[PublicKey]]) -> None:
        self._keys = keys

    def __len__(self) -> int:
        return sum(map(len, self._keys.values()))

    def find(self, kid: str) -> list[PublicKey]:
        """The keys of this id."""
        return self._keys.get(kid, [])

    def withdraw(self, but: KeySet | None = None) -> None:
        """Whatever was found good by a key that `but` does not list, too, is good no more."""
        kept = set() if but is None else {id(key.standing) for keys in but._keys.values() for key in keys}
        for keys in self._keys.values():
            for key in keys:
                key.standing.valid = key.standing.valid and id(key.standing) in kept


def read(raw: bytes, before: KeySet | None = None) -> KeySet:
    """The keys in a document.

    Args:
        before: Those of an earlier one: a key in both keeps its standing.

    Raises:
        NotUsable: It is none.
    """
    try:
        listed = msgspec.json.decode(raw, type=dict[str, Any]).get("keys")
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise NotUsable("it is no JSON object") from None
    if not isinstance(listed, list):
        raise NotUsable("it has no list of keys")
    found: dict[str, list[PublicKey]] = {}
    for entry in listed:
        kid = entry.get("kid") if isinstance(entry, dict) else None
        if isinstance(kid, str) and kid and (key := _key(entry, kid, before)) is not None:
            found.setdefault(kid, []).append(key)
    return KeySet(found)


def _key(entry: dict[str, Any], kid: str, before: KeySet | None) -> PublicKey | None:
    kind, use, operations = entry.get("kty"), entry.get("use", "sig"), entry.get("key_ops", ["verify"])
    algorithm = entry.get("alg")
    if not isinstance(kind, str) or kind not in _PUBLIC:
        return None
    numbers = _PUBLIC[kind]
    if use != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    if algorithm is not None and not isinstance(algorithm, str):
        return None
    texts = {name: entry.get(name) for name in numbers}
    members = {name: v for name, v in texts.items() if isinstance(v, str) and _NUMBER.fullmatch(v)}
    if len(members) < len(numbers) or (kind == "EC" and members["crv"] not in CURVES):
        return None
    if kind == "RSA" and not SHORTEST_RSA <= _bits(members["n"]) <= LONGEST_RSA:
        return None
    members["kty"] = kind
    same = [key for key in (before.find(kid) if before else ()) if key.members == members]
    standing = same[0].standing if same and same[0].algorithm == algorithm else Standing()
    return PublicKey(members, algorithm, standing)


def _bits(number: str) -> int:
    padded = number + "=" * (-len(number) % 4)
    try:
        return int.from_bytes(urlsafe_b64decode(padded)).bit_length()
    except ValueError:
        return 0
