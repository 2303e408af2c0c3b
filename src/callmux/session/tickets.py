"""Session ids that outlive the process that gave them: they carry what a new one needs to go on. Pure.

Called by `callmux.session.table`. An id is a payload (what the client declared, and when) and a MAC over it,
so that nobody can invent one; it holds no secret. A session has one id: no other spelling of it is taken. The
key comes from `callmux.session.saved_sessions`.
"""

from __future__ import annotations

import hashlib
import hmac
import zlib
from base64 import b32decode, b32encode

import msgspec

MAX_LENGTH = 6000
"""Characters of the longest id: some servers and proxies refuse headers above 8 KB."""
MAX_AGE_SECONDS = 7 * 24 * 3600.0
_MAC_BYTES = 16


class Ticket(msgspec.Struct, frozen=True, array_like=True):
    """What a session is, apart from what it does.

    Attributes:
        nonce: Tells two sessions of the same client apart.
        issued: Seconds since 1970.
        version: The MCP revision agreed on.
        capabilities: What the client declared, as JSON.
        owner: Stands for the principal that began it; empty where nobody was asked for a credential.
        asked: The profile that its address names; empty for none.
        profile: The profile that it has; empty for none, None where the id does not say.
    """

    nonce: str
    issued: float
    version: str
    capabilities: str
    owner: str = ""
    asked: str = ""
    profile: str | None = None


def seal(ticket: Ticket, key: bytes) -> str:
    """The session id for a ticket; only its nonce where it would be too long to carry."""
    body = zlib.compress(msgspec.json.encode(ticket))
    text = _encode(body + _mac(body, key))
    return text if len(text) <= MAX_LENGTH else ticket.nonce


def owner_mark(owner: str, key: bytes) -> str:
    """What a ticket says of a principal: nobody without the key can tell whom it means, or try names out."""
    return _mac(b"owner\0" + owner.encode("utf-8", "surrogatepass"), key).hex() if owner else ""


def unseal(id: str, key: bytes, now: float) -> Ticket | None:
    """The ticket in a session id; None where it is none of ours, or too old."""
    if len(id) > MAX_LENGTH:
        return None
    try:
        raw = b32decode(id.upper() + "=" * (-len(id) % 8))
        # Base 32 has several spellings for the same bytes: case, padding, the bits that are left over.
        if _encode(raw) != id:
            return None
        body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if not hmac.compare_digest(mac, _mac(body, key)):
            return None
        ticket = msgspec.json.decode(zlib.decompress(body), type=Ticket)
    except (ValueError, zlib.error, msgspec.MsgspecError):
        return None
    return ticket if now - ticket.issued <= MAX_AGE_SECONDS else None


def _mac(body: bytes, key: bytes) -> bytes:
    return hmac.new(key, body, hashlib.sha256).digest()[:_MAC_BYTES]


def _encode(raw: bytes) -> str:
    return b32encode(raw).rstrip(b"=").decode().lower()
