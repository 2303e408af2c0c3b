"""Which calls only read, which of them may be cached, and under which key. Pure.

Called by `callmux.router.routing` (verdicts) and by the cache and coalescing stages (keys). A tool reads if
it says so (`readOnlyHint`) or if the operator lists it in an `allowTools`; names are no signal. Rules:
docs/caching.md.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Protocol

import msgspec
from msgspec import Raw

from callmux import names
from callmux.config.model import Config
from callmux.context import Scope
from callmux.plan import Asked
from callmux.protocol.calling import DirectCall
from callmux.protocol.methods import RESOURCES_READ
from callmux.protocol.shapes import Result, Tool
from callmux.rings.route import KEPT, ONLY_READS, WRITES, CachingVerdict, Route
from callmux.stores.cache import Key

LARGEST_ARGUMENTS = 256 * 1024
"""Bytes of arguments that are compared at all: making them comparable takes about a millisecond there."""
LONGEST_KEPT = 256
"""Bytes of canonical arguments that stand in a key as they are; longer ones by their digest."""

_key = tuple.__new__
"""Makes a key of all its members: the class itself is a function in Python."""
_DECODE = msgspec.json.Decoder(float_hook=lambda digits: Raw(digits.encode())).decode
_ENCODE = msgspec.json.Encoder(order="deterministic").encode


class Comparable(Protocol):
    """A call, as far as its key is concerned (`callmux.rings.call`)."""

    @property
    def asked(self) -> Asked: ...

    @property
    def route(self) -> Route: ...

    @property
    def target(self) -> str: ...

    @property
    def arguments(self) -> bytes | None: ...

    @property
    def scope(self) -> Scope | None: ...


class _Server(msgspec.Struct, frozen=True):
    allow: re.Pattern[str] | None
    deny: re.Pattern[str] | None
    aged: bool


def canonical(arguments: bytes) -> bytes | None:
    """Arguments in one spelling: keys sorted, no spaces, numbers digit for digit. None where they cannot be
    read or are too large to be worth it."""
    if len(arguments) > LARGEST_ARGUMENTS:
        return None
    try:
        spelled = _ENCODE(_DECODE(arguments))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return (
        spelled if len(spelled) <= LONGEST_KEPT else b"#" + hashlib.blake2b(spelled, digest_size=32).digest()
    )


def is_whole(result: Result) -> bool:
    """Whether a result is the answer itself: not an error, and not the promise of a later answer."""
    if result.is_error:
        return False
    if result.raw.find(b'"resultType"') < 0:
        return True
    try:
        kind = result.members().get("resultType")
    except (msgspec.MsgspecError, RecursionError):
        return False
    return kind is None or bytes(kind) == b'"complete"'


class ReusePolicy:
    """The rules of one configuration."""

    def __init__(self, config: Config) -> None:
        general = config.cache_policy
        self.caches = config.cache_ttl_seconds > 0
        self._servers: Mapping[str, _Server] = {
            name: _Server(
                names.pattern((*general.allow_tools, *server.cache_policy.allow_tools)),
                names.pattern((*general.deny_tools, *server.cache_policy.deny_tools)),
                general.tell_age or server.cache_policy.tell_age,
            )
            for name, server in config.servers.items()
        }

    def verdict(self, server: str, tool: Tool | None, spelled: Iterable[str]) -> CachingVerdict:
        """What holds for calls of a tool.

        Args:
            tool: None for one of a server that never listed its tools: it may write.
            spelled: Every name of the tool.
        """
        if tool is None:
            return WRITES
        rules, known = self._servers[server], list(spelled)
        allowed = rules.allow is not None and any(map(rules.allow.fullmatch, known))
        denied = rules.deny is not None and any(map(rules.deny.fullmatch, known))
        reads = tool.read_only or allowed
        cached = allowed if rules.allow is not None else tool.read_only
        if not reads:
            return WRITES
        return CachingVerdict(True, not denied, cached and not denied, rules.aged)

    def of_method(self, server: str, method: str, spelled: Iterable[str], *, safe: bool) -> CachingVerdict:
        """What holds for other requests than tool calls. Only reads of resources are kept, and only for as
        long as their server says of each (`callmux.rings.cache.holding`); none is shared.

        Args:
            spelled: Every name that a pattern may mean the method by.
            safe: Whether repeating it does no harm.
        """
        if not safe:
            return WRITES
        deny = self._servers[server].deny
        denied = deny is not None and any(map(deny.fullmatch, spelled))
        return KEPT if self.caches and method == RESOURCES_READ and not denied else ONLY_READS

    def key(self, call: Comparable, client: int, anew: bool = False) -> Key | None:
        """What an equal call has in common with this one; None for a call like no other.

        Args:
            client: The number of the session where the server keeps its clients apart, else 0.
            anew: Whether a call that is to be made whatever is kept has one, too.
        """
        asked = call.asked
        # Members that we do not know (a task, an answer to a question) may make it another kind of call.
        if type(asked) is not DirectCall and (asked.extra or (asked.force_reconnect and not anew)):
            return None
        arguments = None
        if call.arguments is not None and (arguments := canonical(call.arguments)) is None:
            return None
        if (scope := call.scope) is None:
            return _key(Key, (call.route.server, call.target, arguments, "", "", client, ""))
        return Key(call.route.server, call.target, arguments, scope.cwd or "", scope.credentials, client)
