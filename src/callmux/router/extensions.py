"""Requests of extensions, each to the server it belongs to; what several servers list, joined.

Called by `callmux.router.offers`. What a request is and where names stand in its result says the table in
`callmux.protocol.extensions`; what names lead to say `UriBook` (URIs) and `IdBook`. Nothing else in a result
is touched, so that what it says of bytes (digests, sizes) stays true.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, MutableSequence, Sequence
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote, unquote

import msgspec
from msgspec import Raw

from callmux.context import CallContext
from callmux.errors import CallmuxError
from callmux.protocol import caching, extensions
from callmux.protocol.caching import Freshness
from callmux.protocol.extensions import Method, Naming
from callmux.protocol.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, RpcError
from callmux.protocol.params import members, optional_text, progress_token
from callmux.protocol.versions import MODERN
from callmux.rings.converting import as_rpc_error
from callmux.router.door import Door
from callmux.upstream.reading.paging import MAX_PAGES
from callmux.upstream.resources import Place, ResourceIndex

if TYPE_CHECKING:
    from callmux.guard.rights import Rights
    from callmux.router.sight import Sight

log = logging.getLogger(__name__)

RESOURCE_NOT_FOUND = -32002
ELSEWHERE = frozenset({RESOURCE_NOT_FOUND, INVALID_PARAMS, METHOD_NOT_FOUND})
"""Codes of a server that does not know what a request names: another one may."""

_ITEMS = msgspec.json.Decoder(list[Raw] | None)
_ENCODER = msgspec.json.Encoder()
_NULL = Raw(b"null")


class Book(Protocol):
    """What names of one kind lead to."""

    def places(self, name: str, servers: Sequence[str]) -> Sequence[Place]:
        """Where a name may lead among these servers, likeliest first, each with the server's own name."""

    def allows(self, server: str, name: str) -> bool:
        """Whether a server's own name exists for clients."""

    def shown(self, server: str, name: str) -> str:
        """What clients know a server's own name by."""

    def learn(self, server: str, names: Sequence[str]) -> None:
        """A server has these names: those that another one has, too, are shown as others from now on."""


class UriBook:
    """URIs: those of resources, whatever request names them.

    Args:
        index: Gives the index of resources as it is now.
        note: Takes URIs that a server has named.
    """

    def __init__(
        self, index: Callable[[], ResourceIndex], note: Callable[[str, Sequence[str]], None]
    ) -> None:
        self._index = index
        self._note = note

    def places(self, name: str, servers: Sequence[str]) -> Sequence[Place]:
        return [place for place in self._index().find(name, servers) if place.server in servers]

    def allows(self, server: str, name: str) -> bool:
        return self._index().allows(server, name)

    def shown(self, server: str, name: str) -> str:
        return self._index().shown(server, name)

    def learn(self, server: str, names: Sequence[str]) -> None:
        self._note(server, names)


class IdBook:
    """Ids: with several servers each is shown with its server before it, so that nothing need be kept of it.

    Args:
        servers: Names of all servers that are not disabled.
    """

    def __init__(self, servers: Sequence[str]) -> None:
        self._servers = servers

    def places(self, name: str, servers: Sequence[str]) -> Sequence[Place]:
        if len(self._servers) == 1:
            return [Place(server, name) for server in servers]
        key, _, own = name.partition(":")
        server = unquote(key)
        return [Place(server, own)] if own and server in servers else []

    def allows(self, server: str, name: str) -> bool:
        return True

    def shown(self, server: str, name: str) -> str:
        return name if len(self._servers) == 1 else f"{quote(server, safe='')}:{name}"

    def learn(self, server: str, names: Sequence[str]) -> None:
        """Each is shown as it is, whoever else has it."""


class Extensions:
    """The requests of extensions, for one configuration.

    Args:
        door: The way to the servers.
        addresses: What URIs lead to.
        servers: Names of all servers that are not disabled.
        sight: What each client may see; None where all may use everything.
    """

    def __init__(
        self, door: Door, addresses: Book, servers: Sequence[str], sight: Sight | None = None
    ) -> None:
        self._door = door
        self._books = {Naming.ADDRESS: addresses, Naming.ID: IdBook(servers)}
        self._all = servers
        self._several = len(servers) > 1
        self._sight = sight

    async def answer(self, method: Method, params: Raw | None, context: CallContext) -> bytes:
        """The result of a request of the table. Nobody need have declared it: callmux may have, while it was
        not known what servers have.

        Raises:
            RpcError: It is refused.
        """
        await self._door.settled()
        servers: Sequence[str] = self.offering(method)
        guessed = False
        if not servers and len(self._all) == 1:
            # It may know what it does not declare.
            servers, guessed = self._all, True
        modern, apart = context.client.version in MODERN, self._sight is not None
        try:
            if method.items is not None:
                result = await self._listed(method, method.items, params, context, servers)
            else:
                result = await self._named(method, params, context, servers)
            return caching.said_to(result, modern=modern, private=apart)
        except RpcError as error:
            may_be_declared = extensions.OWNERS[method.name].whole is not None
            if not guessed or error.code != METHOD_NOT_FOUND or not may_be_declared:
                raise
        if method.items is not None:
            return _ENCODER.encode({method.items: []})
        raise RpcError(INVALID_PARAMS, f"{method.name}: no server has this {method.target}")

    def offering(self, method: Method) -> list[str]:
        """The servers that declare that they answer a request."""
        path = extensions.OWNERS[method.name].path
        return self._door.declaring(*path, *([method.setting] if method.setting else []))

    # What names something of one server.

    async def _named(
        self, method: Method, params: Raw | None, context: CallContext, servers: Sequence[str]
    ) -> bytes:
        given, target = members(params), method.target
        assert target is not None
        name = optional_text(given.get(target, _NULL))
        if name is None:
            raise RpcError(INVALID_PARAMS, f"{method.name}: {target} is required and must be a string")
        places = self._allowed(method, self._books[method.naming].places(name, servers), context)
        if not places:
            raise RpcError(
                INVALID_PARAMS, f"{method.name}: no server has this {target}: {name}", {target: name}
            )
        for place in places[:-1]:
            try:
                return self._shown(method, place.server, await self._send(method, place, given, context))
            except RpcError as error:
                if error.code not in ELSEWHERE:
                    raise
        last = places[-1]
        return self._shown(method, last.server, await self._send(method, last, given, context))

    def _allowed(self, method: Method, places: Sequence[Place], context: CallContext) -> Sequence[Place]:
        if self._sight is None or method.naming is not Naming.ADDRESS:
            return places
        try:
            return self._sight.places(self._sight.rights(context), places)
        except CallmuxError as error:
            raise as_rpc_error(error) from None

    def _shown(self, method: Method, server: str, result: bytes) -> bytes:
        """A result with its names as clients know them."""
        if not self._several:
            return result
        book = self._books[method.naming]
        book.learn(server, extensions.texts(result, method.names))
        return extensions.renamed(result, method.names, partial(book.shown, server))

    # What all servers list.

    async def _listed(
        self, method: Method, member: str, params: Raw | None, context: CallContext, servers: Sequence[str]
    ) -> bytes:
        given, rights = members(params), None
        if self._sight is not None:
            rights = self._sight.rights(context)
            servers = [server for server in servers if server in self._sight.servers(rights)]
        if not self._several and servers:
            # The only one there is pages as it likes.
            page = await self._send(method, Place(servers[0], method.name), given, context)
            return self._permitted(method, member, servers[0], page, rights)
        if bytes(given.pop("cursor", _NULL)) not in (b"null", b'""'):
            raise RpcError(INVALID_PARAMS, "the cursor is not one that callmux gave: list without it")
        pages = await asyncio.gather(
            *(self._pages_of(method, member, server, given, context) for server in servers)
        )
        book, failed = self._books[method.naming], [page for page in pages if isinstance(page, RpcError)]
        if failed and len(failed) == len(pages):
            raise failed[0]
        found: MutableSequence[tuple[str, bytes]] = []
        for server, answer in zip(servers, pages, strict=True):
            if isinstance(answer, RpcError):
                log.warning('could not ask "%s" for %s: %s', server, method.name, answer.message)
                continue
            seen = self._permitted(method, member, server, answer, rights)
            book.learn(server, extensions.texts(seen, method.names))
            found.append((server, seen))
        shown: MutableSequence[Raw] = []
        holds = caching.narrowest(caching.told(members(seen)) for _, seen in found)
        for server, seen in found:
            # Only now is it known which names several servers have.
            joined = extensions.renamed(seen, method.names, partial(book.shown, server))
            shown.extend(extensions.among(_items(joined, member), method.alone))
        ttl = 0 if holds.ms == inf else int(holds.ms)
        hints = {caching.TTL: ttl, caching.SCOPE: "private" if holds.private or not found else "public"}
        return _ENCODER.encode({member: shown, **hints})

    async def _pages_of(
        self, method: Method, member: str, server: str, given: Mapping[str, Raw], context: CallContext
    ) -> bytes | RpcError:
        """All pages of one server as one; why it gives none."""
        asked, found, seen = dict(given), list[Raw](), set[str]()
        holds = Freshness()
        while len(seen) < MAX_PAGES:
            try:
                page = await self._send(method, Place(server, method.name), asked, context)
                found.extend(_items(page, member))
                holds = holds.narrowed(caching.told(members(page)))
            except RpcError as error:
                if not seen:
                    return error
                # What it has told so far counts.
                log.warning('could not ask "%s" for all pages of %s: %s', server, method.name, error.message)
                break
            except msgspec.MsgspecError:
                return RpcError(INTERNAL_ERROR, f'what "{server}" lists cannot be read')
            after = optional_text(members(page).get("nextCursor", _NULL))
            if not after or after in seen:
                break
            seen.add(after)
            asked["cursor"] = Raw(_ENCODER.encode(after))
        scope = "private" if holds.private else "public"
        return _ENCODER.encode({member: found, caching.TTL: holds.ms, caching.SCOPE: scope})

    def _permitted(
        self, method: Method, member: str, server: str, page: bytes, rights: Rights | None
    ) -> bytes:
        """A page without what its reader may not use: the first name of an item is its own."""
        own = [path[1:] for path in method.names if path[0] == member]
        try:
            items = _items(page, member)
        except msgspec.MsgspecError:
            return page
        kept = [
            item
            for item in items
            if not (names := extensions.texts(item, own[:1])) or self._may(method, server, names[0], rights)
        ]
        if len(kept) == len(items):
            return page
        return _ENCODER.encode({**members(page), member: kept})

    def _may(self, method: Method, server: str, name: str, rights: Rights | None) -> bool:
        if not self._books[method.naming].allows(server, name):
            return False
        if rights is None or self._sight is None or method.naming is not Naming.ADDRESS:
            return True
        return self._sight.of_place(rights, Place(server, name)) is None

    async def _send(
        self, method: Method, place: Place, given: Mapping[str, Raw], context: CallContext
    ) -> bytes:
        if (token := progress_token(given.get("_meta"))) is not None:
            context = msgspec.structs.replace(context, progress_token=token)
        try:
            key = method.target
            result = await self._door.send(
                place.server, method.name, place.uri, key, given or None, context, method.reads
            )
        except CallmuxError as error:
            raise as_rpc_error(error) from None
        return result.raw


def _items(page: bytes, member: str) -> list[Raw]:
    """What a page lists.

    Raises:
        msgspec.MsgspecError: It is no list.
    """
    return [raw for raw in _ITEMS.decode(members(page).get(member, b"null")) or [] if raw != _NULL]
