"""What one node sends another, so that each knows that the other has the same secret. Pure.

Called by `callmux.nodes.passing`, which seals, and by `callmux.nodes.endpoint`, which opens. The MAC of a
request is over all of it: the client's request and what was found out about the client. It names the process
that it is for, and a number that is taken once, so that a request that was listened to is worth nothing. The
answer shows the secret, too. What is said stays readable on the wire unless the address is https.
"""

from __future__ import annotations

import hashlib
import hmac
import math

import msgspec

SCHEMA = 1
FREE_BYTES = 1024 * 1024
"""Bytes of a request that are read before it is known who sends them; more must be announced."""
WINDOW = 8192
"""How far numbers of one sender may overtake each other."""
SENDERS = 1000
"""Senders whose numbers are remembered: each start of a node is another one."""
_LENGTH = 4


class Unsealed(Exception):
    """A request that nobody with our secret has sent to us now."""


class PassedClient(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who the client proved to be to the node that it asked.

    Attributes:
        kind, id, subject, scopes, groups: As in `callmux.guard.principal.Principal`.
        not_before, expires: As in `callmux.guard.grant.Grant`; absent for no bound.
        audiences, lacks: The same.
    """

    kind: str
    id: str
    subject: str | None = None
    scopes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    not_before: float | None = None
    expires: float | None = None
    audiences: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


class Passed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A request on its way to another node.

    Attributes:
        sender, receiver: The nodes, by the ids of their processes.
        number: Of this request among those of the sender.
        method, path, query, headers, scheme, peer: The client's request.
        request_id: Its `x-request-id`.
        profile: The profile that its address names.
        client: Who the client is; None where nobody is asked for a credential.
        granted: Whether what it showed says for how long it holds.
        seen_host, seen_https: As in `callmux.transport.http.exchange.Exchange`.
        schema: Of this form.
    """

    sender: str
    receiver: str
    number: int
    method: str = "POST"
    path: str = "/mcp"
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    scheme: str = "http"
    peer: str | None = None
    request_id: str = ""
    profile: str = ""
    client: PassedClient | None = None
    granted: bool = False
    seen_host: str | None = None
    seen_https: bool = False
    schema: int = SCHEMA


class NodeKeys:
    """What is calculated from the secret that all nodes have.

    Args:
        secret: It.
    """

    def __init__(self, secret: bytes) -> None:
        self._asking = _derived(secret, b"request")
        self._answering = _derived(secret, b"answer")
        self._announcing = _derived(secret, b"size")

    def seal(self, passed: Passed, body: bytes) -> tuple[bytes, str]:
        """The bytes that are sent, and their MAC."""
        head = msgspec.json.encode(passed)
        sent = len(head).to_bytes(_LENGTH, "big") + head + body
        return sent, self._mac(sent)

    def open(self, sent: bytes, mac: str) -> tuple[Passed, bytes]:
        """What was sealed. Whom it is for is left to the caller.

        Raises:
            Unsealed: It was not sealed with our secret, or in another form.
        """
        # As bytes: text that is not ASCII cannot be compared.
        if not hmac.compare_digest(self._mac(sent).encode(), mac.encode("utf-8", "replace")):
            raise Unsealed("the MAC is another one: do all nodes have the same state.key?")
        end = _LENGTH + int.from_bytes(sent[:_LENGTH], "big")
        try:
            passed = msgspec.json.decode(sent[_LENGTH:end], type=Passed)
        except msgspec.MsgspecError:
            raise Unsealed("it has another form: do all nodes run the same version?") from None
        if passed.schema != SCHEMA:
            raise Unsealed(f"it has form {passed.schema}, this node has {SCHEMA}")
        return passed, sent[end:]

    def announced(self, size: int) -> str:
        """What shows before the first byte of a large request that a node of ours sends so many."""
        return hmac.new(self._announcing, b"%d" % size, hashlib.sha256).hexdigest()

    def announces(self, announced: str, size: int) -> bool:
        """Whether a node of ours sends so many bytes."""
        return hmac.compare_digest(self.announced(size).encode(), announced.encode("utf-8", "replace"))

    def proof(self, mac: str) -> str:
        """What shows with an answer that its sender has the secret, too, and read this request."""
        return hmac.new(self._answering, mac.encode(), hashlib.sha256).hexdigest()

    def proves(self, proof: str, mac: str) -> bool:
        """Whether an answer to a request comes from a node of ours."""
        return hmac.compare_digest(self.proof(mac).encode(), proof.encode("utf-8", "replace"))

    def _mac(self, sent: bytes) -> str:
        return hmac.new(self._asking, sent, hashlib.sha256).hexdigest()


def _derived(secret: bytes, purpose: bytes) -> bytes:
    return hmac.new(secret, b"callmux nodes\0" + purpose, hashlib.sha256).digest()


class TakenNumbers:
    """The numbers that were taken of each sender: each once."""

    def __init__(self) -> None:
        self._senders: dict[str, tuple[int, int]] = {}

    def take(self, sender: str, number: int) -> bool:
        """Whether this number of the sender comes for the first time. Of very old ones nobody knows."""
        highest, seen = self._senders.pop(sender, (-1, 0))
        if number > highest:
            ahead = number - highest
            seen = (seen << ahead | 1) & _MASK if ahead < WINDOW else 1
            highest, fresh = number, True
        else:
            bit = 1 << (highest - number)
            fresh = highest - number < WINDOW and not seen & bit
            seen |= bit if fresh else 0
        # Those that ask are remembered longest.
        self._senders[sender] = highest, seen
        while len(self._senders) > SENDERS:
            del self._senders[next(iter(self._senders))]
        return fresh


_MASK = (1 << WINDOW) - 1


def finite(time: float) -> float | None:
    """A time that JSON can carry; None for no bound."""
    return time if math.isfinite(time) else None
