"""Everything of MCP beside tools: prompts, resources, completion, tasks, and methods we do not know.

Called by `callmux.session.dispatch`. Each request goes to the server it belongs to through the same call ring
as tool calls; its params and its result pass as they are, but for the name or URI of the target.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableSequence, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw

from callmux.context import CallContext
from callmux.errors import CallmuxError
from callmux.protocol import apps, caching
from callmux.protocol.extensions import METHODS
from callmux.protocol.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, RpcError
from callmux.protocol.params import exchange, members, optional_text, progress_token
from callmux.protocol.versions import MODERN
from callmux.rings.converting import as_rpc_error
from callmux.router import listing
from callmux.router.door import Door
from callmux.router.extensions import ELSEWHERE, RESOURCE_NOT_FOUND, Extensions, UriBook
from callmux.upstream.catalogue import Catalogue
from callmux.upstream.reading.paging import MAX_PAGES
from callmux.upstream.resources import Place, ResourceIndex

if TYPE_CHECKING:
    from callmux.guard.rights import Rights
    from callmux.router.indexes import Indexes
    from callmux.router.sight import Sight

_STRING = msgspec.json.Decoder(str)
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_CONTENTS = msgspec.json.Decoder(list[dict[str, Raw]])
_ITEMS = msgspec.json.Decoder(list[Raw] | None)
_NULL = Raw(b"null")
_ENCODER = msgspec.json.Encoder()


class Offers:
    """The requests beside tools, for one configuration.

    Args:
        door: The way to the servers.
        prompts: Gives the catalogue of prompts as it is now.
        resources: Gives the index of resources as it is now.
        servers: Names of all servers that are not disabled.
        indexes: Takes URIs that a server has named in an answer, and knows whose apps clients have opened.
        sight: What each client may see; None where all may use everything.

    Attributes:
        servers: The names of all servers.
    """

    def __init__(
        self,
        door: Door,
        prompts: Callable[[], Catalogue],
        resources: Callable[[], ResourceIndex],
        servers: Sequence[str],
        indexes: Indexes,
        sight: Sight | None = None,
    ) -> None:
        self._sight, self._indexes = sight, indexes
        self._extensions = Extensions(door, UriBook(resources, indexes.learn), servers, sight)
        self._door = door
        self._prompts = prompts
        self._resources = resources
        self.servers = servers

    async def list(self, kind: str, rights: Rights | None = None) -> bytes:
        """The result of a listing: `prompts`, `resources` or `resourceTemplates`.

        Args:
            rights: What its reader may use.

        Raises:
            AuthorizationDenied: Rules leave nothing in it.
        """
        await self._door.listable()
        return self.current(kind, rights)

    def current(self, kind: str, rights: Rights | None = None) -> bytes:
        """The result of a listing as it would be now.

        Raises:
            AuthorizationDenied: Rules leave nothing in it.
        """
        if rights is not None and self._sight is not None:
            return listing.result(kind, *self._sight.part(rights, kind))
        if kind == "prompts":
            prompts = self._prompts()
            return listing.result(
                kind, [listing.definition(entry) for entry in prompts.entries], prompts.beside
            )
        index = self._resources()
        shown = index.resources if kind == "resources" else index.templates
        return listing.result(kind, shown, index.beside.get(kind, {}))

    async def get_prompt(self, params: Raw | None, context: CallContext) -> bytes:
        """The result of `prompts/get`."""
        given = members(params)
        place = await self._find_prompt(_text(given, "name"), context)
        return await self._send(place, "prompts/get", "name", given, context, safe=True)

    async def read_resource(self, params: Raw | None, context: CallContext) -> bytes:
        """The result of `resources/read`. A URI that nobody lists is tried where it may be known."""
        given = members(params)
        uri = _text(given, "uri")
        places = await self.resource_places(uri, context)
        try:
            result, place = await self._first(places, "resources/read", given, context)
        except RpcError as error:
            if error.code != METHOD_NOT_FOUND or self.sole is not None:
                raise
            # Another server reads; this one has named something that it does not.
            raise _not_found(uri) from None
        apart, modern = self._sight is not None, context.client.version in MODERN
        self._indexes.opened.note(context.client, place)
        return caching.said_to(self._shown(result, place, uri), modern=modern, private=apart)

    async def _first(
        self, places: Sequence[Place], method: str, given: Mapping[str, Raw], context: CallContext
    ) -> tuple[bytes, Place]:
        """The answer of the first of `places` that knows its URI, and which it was."""
        for place in places[:-1]:
            try:
                return await self._send(place, method, "uri", given, context, safe=True), place
            except RpcError as error:
                if error.code not in ELSEWHERE:
                    raise
        return await self._send(places[-1], method, "uri", given, context, safe=True), places[-1]

    def _shown(self, result: bytes, place: Place, uri: str) -> bytes:
        """The contents under the URI that was asked for, and whatever else they name as clients know it."""
        index = self._resources()
        if place.uri == uri and place.server not in index.renamed and place.server not in index.moving:
            return result
        try:
            read = _MEMBERS.decode(result)
            contents = _CONTENTS.decode(read.get("contents", b"[]"))
        except msgspec.MsgspecError:
            return result

        def shown(own: str) -> str:
            return uri if own == place.uri else index.shown(place.server, own)

        changed = False
        for part in (read, *contents):
            changed = exchange(part, "uri", shown) or changed
            if (meta := apps.relinked(part.get("_meta"), shown)) is not None:
                part["_meta"], changed = meta, True
        if not changed:
            return result
        read["contents"] = Raw(_ENCODER.encode(contents))
        return _ENCODER.encode(read)

    async def resource_places(self, uri: str, context: CallContext) -> Sequence[Place]:
        """Where a URI may lead for a client, likeliest first.

        Raises:
            RpcError: No server can know it, or the client may use none of them.
        """
        await self._door.settled()
        index = self._resources()
        places, claims = index.find(uri), index.claims(uri)
        if not places:
            raise _not_found(uri)
        if claims and (server := self._indexes.opened.meant(context.client, [p.server for p in claims])):
            places = [Place(server, uri)]
        elif claims and index.is_guess(uri):
            raise _ambiguous(uri, [index.shown(place.server, uri) for place in claims])
        if (sight := self._sight) is not None:
            try:
                return sight.places(sight.rights(context), places)
            except CallmuxError as error:
                raise as_rpc_error(error) from None
        return places

    async def subscribe(
        self, places: Sequence[Place], given: Mapping[str, Raw], context: CallContext
    ) -> Place:
        """Asks the first of `places` that knows its URI to tell of it; gives that place.

        Raises:
            RpcError: It refuses, or does not tell of changes at all.
        """
        try:
            return (await self._first(places, "resources/subscribe", given, context))[1]
        except RpcError as error:
            if error.code != METHOD_NOT_FOUND or self.sole is not None:
                raise
            # Another server does: the method is there.
            server, uri = places[-1].server, places[-1].uri
            raise RpcError(
                INVALID_PARAMS, f'"{server}" does not report changes of its resources', {"uri": uri}
            ) from None

    async def unsubscribe(self, place: Place, given: Mapping[str, Raw], context: CallContext) -> None:
        """Tells a server that nobody wants to hear of a resource any more."""
        try:
            await self._send(place, "resources/unsubscribe", "uri", given, context, safe=True)
        except RpcError as error:
            # A server that does not tell of changes has nothing to end.
            if error.code != METHOD_NOT_FOUND or self.sole is not None:
                raise

    async def complete(self, params: Raw | None, context: CallContext) -> bytes:
        """The result of `completion/complete`: the server of the prompt or template in `ref` knows."""
        given = members(params)
        ref = members(given.get("ref"))
        if "name" in ref:
            place = await self._find_prompt(_text(ref, "name"), context)
            ref["name"] = Raw(_ENCODER.encode(place.uri))
        else:
            await self._door.settled()
            found = self._resources().find_template(_text(ref, "uri"))
            if found is None:
                raise RpcError(INVALID_PARAMS, "completion/complete: ref.uri is not a template of any server")
            place = found
            ref["uri"] = Raw(_ENCODER.encode(place.uri))
        given["ref"] = Raw(_ENCODER.encode(ref))
        try:
            return await self._send(place, "completion/complete", None, given, context, safe=True)
        except RpcError as error:
            if error.code != METHOD_NOT_FOUND or self.sole is not None:
                raise
            # Another server completes; this one has nothing to suggest.
            return b'{"completion":{"values":[]}}'

    @property
    def sole(self) -> str | None:
        """The only server there is."""
        return self.servers[0] if len(self.servers) == 1 else None

    async def list_tasks(
        self, params: Raw | None, context: CallContext
    ) -> Sequence[tuple[str, bytes]] | None:
        """The tasks of all servers that list theirs, each with its server; None where no server does.

        Raises:
            RpcError: The only such server refuses.
        """
        await self._door.settled()
        servers = self._door.declaring("tasks", "list")
        if self._sight is not None:
            try:
                servers = self._sight.with_tasks(self._sight.rights(context), servers)
            except CallmuxError as error:
                raise as_rpc_error(error) from None
        found: MutableSequence[tuple[str, bytes]] = []
        for server in servers:
            try:
                found.extend([(server, task) for task in await self._tasks_of(server, params, context)])
            except RpcError:
                if len(servers) == 1:
                    raise
        return found if servers else None

    async def _tasks_of(self, server: str, params: Raw | None, context: CallContext) -> Sequence[bytes]:
        place, given = Place(server, "tasks/list"), members(params)
        found: MutableSequence[bytes] = []
        seen: set[str] = set()
        while len(seen) < MAX_PAGES:
            try:
                page = members(await self._send(place, "tasks/list", None, given or None, context, safe=True))
                tasks = _ITEMS.decode(page.get("tasks", b"null")) or []
            except msgspec.MsgspecError:
                raise RpcError(INTERNAL_ERROR, f'the tasks of "{server}" cannot be read') from None
            except RpcError:
                if not seen:
                    raise
                # What it has told so far counts.
                break
            found.extend(bytes(raw) for raw in tasks if raw != _NULL)
            after = optional_text(page.get("nextCursor", _NULL))
            if not after or after in seen:
                break
            seen.add(after)
            given["cursor"] = Raw(_ENCODER.encode(after))
        return found

    async def other(
        self,
        method: str,
        params: Raw | None,
        context: CallContext,
        server: str | None,
        tool: str | None = None,
    ) -> bytes:
        """Answers a method that callmux does not know: for the server that it is known to be for, by its
        extension for instance, or for the one there is.

        Args:
            tool: The tool that it is about, where it is about one.

        Raises:
            RpcError: There are several servers and nothing says which.
        """
        if server is None and (request := METHODS.get(method)) is not None:
            return await self._extensions.answer(request, params, context)
        if server is None:
            server = self.sole
        if server is None:
            raise RpcError(METHOD_NOT_FOUND, f"method not found: {method}")
        given = None if params is None else members(params)
        return await self._send(Place(server, tool or method), method, None, given, context, safe=False)

    async def _find_prompt(self, name: str, context: CallContext) -> Place:
        await self._door.settled()
        try:
            found = self._prompts().find(name)
        except CallmuxError as error:
            if (sight := self._sight) is not None:
                seen = sight.prompts(sight.rights(context))
                error = sight.unknown(seen, name, None, error)
            raise RpcError(INVALID_PARAMS, f'prompt "{name}" cannot be used: {error.message}') from None
        if found.tool is None:
            raise RpcError(INVALID_PARAMS, f'prompt "{name}" was not found')
        return Place(found.server, found.bare)

    async def _send(
        self,
        place: Place,
        method: str,
        key: str | None,
        given: Mapping[str, Raw] | None,
        context: CallContext,
        *,
        safe: bool,
    ) -> bytes:
        token = progress_token(given.get("_meta")) if given else None
        if token is not None:
            context = msgspec.structs.replace(context, progress_token=token)
        try:
            return (await self._door.send(place.server, method, place.uri, key, given, context, safe)).raw
        except CallmuxError as error:
            raise as_rpc_error(error) from None


def _ambiguous(uri: str, known: Sequence[str]) -> RpcError:
    why = f"several servers have {uri}: ask for {' or '.join(known)}"
    return RpcError(RESOURCE_NOT_FOUND, why, {"uri": uri, "uris": known})


def _not_found(uri: str) -> RpcError:
    return RpcError(RESOURCE_NOT_FOUND, f"resource not found: {uri}", {"uri": uri})


def _text(given: dict[str, Raw], key: str) -> str:
    try:
        return _STRING.decode(given[key])
    except (KeyError, msgspec.MsgspecError):
        raise RpcError(INVALID_PARAMS, f"{key} is required and must be a string") from None
