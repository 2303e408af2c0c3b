"""Which directory, or whose credentials, the connection of a call must have.

Called by the preparing stage (`callmux.rings.preparing`). A server with a command works in the client's
directory unless its `cwdMode` is `global`; a server at a URL gets the client's own headers where its
`forwardHeaders` name them. What comes out is part of the connection's key, of the cache's, and of shared
reads.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Awaitable, Coroutine, Sequence
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import msgspec
from msgspec import Raw

from callmux.config.model import Config
from callmux.config.security import BearerAuth, OidcAuth
from callmux.config.servers import HttpServer, StdioServer, signs_in_each
from callmux.context import CallContext, ClientPort, Directory, Scope
from callmux.errors import SessionCwdRefused, SessionCwdUnresolved
from callmux.guard.principal import signer_of
from callmux.rings.call import Call

log = logging.getLogger(__name__)

NEVER_FORWARDED = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "last-event-id",
        "mcp-protocol-version",
        "mcp-session-id",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that belong to one connection or one message (RFC 9110, section 7.6.1), and those of MCP itself:
what a client says in them is said to callmux."""
AUTHORIZATION = "authorization"
OWN = "x-callmux-"
"""How headers to callmux begin."""

_HINT = (
    "send the header x-callmux-cwd (callmux bridge does), declare MCP roots, set callmux.cwd in _meta, or "
    "give callmux_call, callmux_parallel, callmux_batch or callmux_pipeline an absolute cwd; absolute paths "
    "in the arguments alone do not tell a server where it works"
)
BACKSLASH = 0x5C
SHORTEST = len('{"cwd":"/"}') - 1
"""Bytes of arguments that cannot name a directory."""
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])


class _Rule(msgspec.Struct, frozen=True):
    """What holds for one server.

    Attributes:
        cwd: Where it works without a client's directory.
        required: Whether it refuses to work there.
        forwarded: Names of headers that it gets; a server with any has no directory.
        audiences: What a token of an issuer must be for, to go to it although it let the client in here.
        owned: Whether each principal has a sign-in of its own.
    """

    cwd: str = ""
    required: bool = False
    forwarded: frozenset[str] = frozenset()
    audiences: frozenset[str] = frozenset()
    owned: bool = False


def forwarded_names(server: StdioServer | HttpServer) -> frozenset[str]:
    """The headers of clients that a server gets."""
    if not isinstance(server, HttpServer):
        return frozenset()
    return frozenset(n for n in server.forward_headers if n not in NEVER_FORWARDED and not n.startswith(OWN))


class Scopes:
    """The scopes of calls, for one configuration.

    Args:
        config: The configuration.
        unresolved: Counts, by server, the calls whose directory nobody knew.

    Attributes:
        rules: What holds for the servers whose calls may need something of their own.
        strict: Those that refuse to work without it.
    """

    def __init__(self, config: Config, unresolved: Counter[str]) -> None:
        self.rules = {
            n: rule for n, s in config.servers.items() if (rule := _rule(n, s, config.auth)) is not None
        }
        self.strict = frozenset(name for name, rule in self.rules.items() if rule.required)
        self._roots = config.session_cwd_roots
        self._unresolved = unresolved
        self._told: WeakKeyDictionary[ClientPort, set[str]] = WeakKeyDictionary()

    def is_plain(self, call: Call) -> bool:
        """Whether the call certainly needs nothing of its own, which is so for almost every call on stdio."""
        rule = self.rules.get(call.route.server)
        if rule is None:
            return True
        if rule.owned:
            return False
        if call.asked.cwd is not None or call.context.find_cwd is not None:
            return False
        return not rule.required

    def of(self, call: Call) -> Scope | Coroutine[Any, Any, Scope | None] | None:
        """The scope of `call`, whose arguments are final; None where it shares its connection with everybody.
        Where the client must be asked for its directory, what gives the scope then.

        Raises:
            SessionCwdUnresolved: The server must know the directory, and nobody does.
            SessionCwdRefused: It is one that this client may not work in.
        """
        rule, context = self.rules.get(call.route.server), call.context
        if rule is None:
            return None
        if rule.forwarded or rule.owned:
            return _with_headers(rule, context)
        if call.asked.cwd is not None:
            return self._in(Directory(call.asked.cwd), rule, call)
        found = context.find_cwd() if context.find_cwd is not None else None
        if found is None:
            self._go_on_without(rule, call, context)
            return None
        if isinstance(found, Directory):
            return self._in(found, rule, call)
        return self._once_found(found, rule, call)

    async def _once_found(self, found: Awaitable[Directory | None], rule: _Rule, call: Call) -> Scope | None:
        return self._in(await found, rule, call)

    def _in(self, found: Directory | None, rule: _Rule, call: Call) -> Scope | None:
        """The scope of a call for this directory; None where nobody knows it, or none was named."""
        context = call.context
        directory = None if found is None else found.path
        if found is not None and self._roots is not None and _is_bound(context):
            # Where nobody may choose a directory, the one that a client works in counts for nothing: the
            # bridge sends it with every request. A server that cannot do without refuses.
            chosen = bool(self._roots) or rule.required or call.asked.cwd is not None
            directory = _allowed(found, self._roots) if chosen else None
        if directory is None:
            self._go_on_without(rule, call, context)
            return None
        # The same directory in two spellings is one; whether `..` leads back is up to links, and left alone.
        return Scope(cwd=directory.rstrip(os.sep) or os.sep)

    def _go_on_without(self, rule: _Rule, call: Call, context: CallContext) -> None:
        """Counts a call whose directory nobody knows, and refuses it where the server needs one."""
        # What callmux asks by itself, and what cannot name a directory on stdio, is no call of a tool.
        counts = call.route.method == "tools/call" or context.find_cwd is not None
        given = call.arguments
        if not counts or (given is not None and len(given) > SHORTEST and _names_directory(given)):
            return
        self._unresolved[call.route.server] += 1
        if not rule.required:
            return
        told = self._told.setdefault(context.client.session, set())
        if call.server not in told:
            told.add(call.server)
            log.warning(
                '"%s" needs the directory of its client (requireSessionCwd), and nothing tells it: the calls '
                "are refused",
                call.server,
            )
        raise SessionCwdUnresolved(
            f'"{call.server}" works in the directory of its client, and callmux could not find out which '
            f"that is: relative paths would count from {rule.cwd}. Nothing was sent. To tell it, {_HINT}",
            tool=call.asked.spelling,
            server=call.server,
            retryable=False,
            callmuxCwd=rule.cwd,
            hint=_HINT,
        )


def _rule(name: str, server: StdioServer | HttpServer, auth: BearerAuth | OidcAuth | None) -> _Rule | None:
    if isinstance(server, StdioServer):
        if server.cwd_mode == "global":
            return None
        return _Rule(cwd=server.cwd or os.getcwd(), required=server.require_session_cwd)
    forwarded = forwarded_names(server)
    for ignored in sorted(set(server.forward_headers) - forwarded):
        log.warning('"%s": forwardHeaders names %s, which is never passed on', name, ignored)
    if isinstance(auth, BearerAuth) and AUTHORIZATION in forwarded:
        log.warning(
            '"%s": forwardHeaders names authorization, but the tokens of auth are for this listener alone',
            name,
        )
    own = auth.audience if isinstance(auth, OidcAuth) else ()
    owned = signs_in_each(server)
    if not forwarded and not owned:
        return None
    return _Rule(forwarded=forwarded, audiences=_audiences(server.url, own), owned=owned)


def _audiences(url: str, own: Sequence[str]) -> frozenset[str]:
    """What names a server: its address, or its host, unless that is a name of ours."""
    address = _canonical(url)
    parts = urlsplit(address)
    host = f"{parts.scheme}://{parts.netloc}"
    return frozenset({address} if host in map(_canonical, own) else {address, host})


def _canonical(url: str) -> str:
    """An address as it is compared (RFC 8707, section 2); what is none stays as it is."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return url
    if parts.scheme not in ("http", "https") or parts.hostname is None:
        return url
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    usual = {"http": 80, "https": 443}[parts.scheme]
    where = host if port in (None, usual) else f"{host}:{port}"
    return f"{parts.scheme}://{where}{parts.path.rstrip('/')}"


def _with_headers(rule: _Rule, context: CallContext) -> Scope | None:
    wanted = rule.forwarded
    if context.audiences is not None and not any(_canonical(a) in rule.audiences for a in context.audiences):
        # Whoever gets a token that is for us could come to us with it.
        wanted = wanted - {AUTHORIZATION}
    headers = tuple(sorted((name, value) for name, value in context.headers.items() if name in wanted))
    owner = signer_of(context.principal) if rule.owned else ""
    return Scope(headers=headers, owner=owner) if headers or owner else None


def _is_bound(context: CallContext) -> bool:
    """Whether the client works in configured directories only. A client with a token is not the user of this
    machine, wherever it is."""
    principal = context.principal
    return context.elsewhere or (principal is not None and principal.kind != "stdio")


def _allowed(found: Directory, roots: Sequence[str]) -> str | None:
    """The real path of a directory inside `roots`; None where it is outside and nobody named it.

    Raises:
        SessionCwdRefused: It is outside, and the client wants it.
    """
    real = os.path.realpath(found.path)
    # The real path goes on, not the one given: a link that is turned meanwhile leads nowhere else.
    if any(_is_inside(real, os.path.realpath(root)) for root in roots):
        return real
    if not found.named:
        return None
    raise SessionCwdRefused(
        f'the directory "{found.path}" is outside configured sessionCwdRoots, the directories of the '
        "listener's machine that its clients may work in. Work in one of these, or have it added",
        retryable=False,
        executionState="not_started",
    )


def _is_inside(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)


def _names_directory(arguments: bytes) -> bool:
    """Whether the arguments themselves name an absolute directory."""
    if not (
        arguments.find(b'"cwd"') >= 0
        or arguments.find(b'"workingDirectory"') >= 0
        # A name may be written with escapes.
        or BACKSLASH in arguments
    ):
        return False
    try:
        given = _MEMBERS.decode(arguments)
        named = [msgspec.json.decode(given[key]) for key in ("cwd", "workingDirectory") if key in given]
    except (msgspec.MsgspecError, RecursionError):
        return False
    return any(isinstance(value, str) and os.path.isabs(value.strip()) for value in named)
