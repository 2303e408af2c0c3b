"""`/management/v1`: the management interface over HTTP, with the paths and answers of callmux (npm).

Made by `callmux.serving.trees` for the HTTP application, which asks it for everything below its path. Who
asks, `callmux.guard.managers` has found out; what they may do is decided here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from callmux.config.veil import EVERYWHERE
from callmux.errors import CallmuxError, InvalidArguments, ServerDisabled, ServerNotFound
from callmux.guard.gate import route_of
from callmux.guard.principal import MANAGERS
from callmux.management import editing
from callmux.management.changes import DONE, Changes
from callmux.management.openapi import description
from callmux.server_orders import Action, read_order
from callmux.transport.http.exchange import Exchange, Refusal
from callmux.transport.http.intake import read_body

MOST_BYTES = 1024 * 1024
"""Of a body."""
NO_STORE = {"cache-control": "no-store"}
MAY_NOT_READ = "Management read access is not allowed"
MAY_NOT_WRITE = "Management auth is required for mutations"
ORDERS: dict[str, tuple[Action, str]] = {
    "/restart": ("restart", "restarted"),
    "/stop": ("stop", "stopped"),
    "/start": ("start", "started"),
}
"""What can be done with a server behind its name, and how the answer says that it was."""
_PAGES = ("", "/status", "/config/effective", "/servers", "/nodes", "/cache/clear", "/openapi.json")


class ManagementPages:
    """The interface of one configuration.

    Args:
        changes: Makes what is asked for.
        base: Its path; the one of the configuration where absent.
    """

    methods = "GET, POST, PATCH, DELETE, OPTIONS"

    def __init__(self, changes: Changes, base: str | None = None) -> None:
        self._changes = changes
        self._base = route_of(changes.config.management.path) if base is None else base

    def template(self, path: str) -> str:
        rest = path.removeprefix(self._base)
        if rest in _PAGES:
            return f"{self._base}{rest}"
        if rest.startswith("/servers/"):
            ending = next((ending for ending in ORDERS if rest.endswith(ending)), "")
            return f"{self._base}/servers/{{server}}{ending}"
        return f"{self._base}/{{unmatched}}"

    async def __call__(self, exchange: Exchange) -> None:
        rest, method = exchange.path.removeprefix(self._base), exchange.method
        answer = self._pages(rest) if method == "GET" else self._acts(method, rest)
        if method == "GET":
            self._check_reader(exchange)
        else:
            self._check_writer(exchange)
        if answer is None:
            raise Refusal(404, "Not found")
        try:
            status, value = await answer(exchange)
        except ServerNotFound as missing:
            raise Refusal(404, missing.message) from None
        except ServerDisabled as disabled:
            raise Refusal(409, disabled.message) from None
        except CallmuxError as failure:
            raise Refusal(400, EVERYWHERE.hide(failure.message)) from None
        await exchange.answer_json(status, value, NO_STORE)

    def _check_reader(self, exchange: Exchange) -> None:
        settings, principal = self._changes.config.management, exchange.principal
        if settings.allow_unauthenticated_read or _is_manager(exchange):
            return
        # Where the interface has tokens of its own, clients of the listener have none of its rights.
        if settings.auth is None and settings.allow_authenticated_read and principal is not None:
            return
        raise Refusal(403, MAY_NOT_READ)

    def _check_writer(self, exchange: Exchange) -> None:
        if not _is_manager(exchange):
            challenge = {"WWW-Authenticate": 'Bearer realm="callmux management"'}
            raise Refusal(401, MAY_NOT_WRITE, headers=challenge)

    def _pages(self, rest: str) -> Callable[[Exchange], Awaitable[tuple[int, Any]]] | None:
        changes = self._changes
        found: dict[str, Callable[[], Any]] = {
            "": self._status,
            "/status": self._status,
            "/config/effective": changes.effective,
            "/servers": lambda: {"servers": changes.servers()},
            "/nodes": changes.nodes,
            "/openapi.json": lambda: description(self._base),
        }
        make = found.get(rest)
        if make is None:
            return None
        known = make

        async def page(exchange: Exchange) -> tuple[int, Any]:
            # At the start of a listener its servers are not there yet.
            await changes.settled()
            return 200, known()

        return page

    def _status(self) -> dict[str, Any]:
        changes = self._changes
        return {
            "management": changes.about(),
            "runtime": changes.runtime_facts(),
            "servers": changes.servers(),
        }

    def _acts(self, method: str, rest: str) -> Callable[[Exchange], Awaitable[tuple[int, Any]]] | None:
        if method == "POST" and rest == "/servers":
            return self._add
        if method == "POST" and rest == "/cache/clear":
            return self._clear
        name = rest.removeprefix("/servers/")
        if not rest.startswith("/servers/") or not name:
            return None
        if method == "PATCH":
            return lambda exchange: self._patch(exchange, name)
        if method == "DELETE":
            return lambda exchange: self._delete(exchange, name)
        for ending, (action, done) in ORDERS.items():
            if method == "POST" and (server := name.removesuffix(ending)) != name and server:
                return partial(self._order, action=action, done=done, name=server)
        return None

    async def _body(self, exchange: Exchange, known: Sequence[str]) -> dict[str, Any]:
        try:
            body = await read_body(exchange, MOST_BYTES)
        except Refusal as refusal:
            raise InvalidArguments(f"the body is over {MOST_BYTES} bytes") from refusal
        return editing.read_object(body, known)

    async def _add(self, exchange: Exchange) -> tuple[int, Any]:
        body = await self._body(exchange, editing.ADDING)
        name, dry = editing.new_name(body, self._changes.entries()), editing.flag(body, "dryRun")

        def make(before: dict[str, Any] | None) -> dict[str, Any]:
            return editing.added(body, before)

        return await self._make(exchange, "add_server", name, make, dry=dry)

    async def _patch(self, exchange: Exchange, name: str) -> tuple[int, Any]:
        body = await self._body(exchange, editing.CHANGING)

        def make(before: dict[str, Any] | None) -> dict[str, Any]:
            return editing.changed(body, _there(name, before))

        return await self._make(exchange, "patch_server", name, make, dry=editing.flag(body, "dryRun"))

    async def _delete(self, exchange: Exchange, name: str) -> tuple[int, Any]:
        dry = exchange.query("dryRun")
        if dry not in (None, "true", "false"):
            raise InvalidArguments("dryRun must be true or false", field="dryRun")

        def make(before: dict[str, Any] | None) -> None:
            _there(name, before)

        return await self._make(exchange, "delete_server", name, make, dry=dry == "true")

    async def _make(
        self,
        exchange: Exchange,
        action: str,
        name: str,
        make: Callable[[dict[str, Any] | None], dict[str, Any] | None],
        *,
        dry: bool,
    ) -> tuple[int, Any]:
        if dry:
            shown = self._changes.preview(name, make)
            return 200, {"dryRun": True, "action": action, "server": name, "config": shown}
        await self._changes.change(action, name, make, _by(exchange))
        return 201 if action == "add_server" else 200, {"action": DONE[action], "server": name}

    async def _order(self, exchange: Exchange, *, action: Action, done: str, name: str) -> tuple[int, Any]:
        order = read_order(action, name, await self._body(exchange, editing.ORDERING))
        record = await self._changes.order(order, _by(exchange))
        more = {key: record[key] for key in ("nodes", "problem") if key in record}
        return 200, {"action": done, "server": name, "state": record.get("state"), **more}

    async def _clear(self, exchange: Exchange) -> tuple[int, Any]:
        body = await self._body(exchange, editing.CLEARING)
        tool, server = editing.text(body, "tool"), editing.text(body, "server")
        facts = await self._changes.clear_cache(tool, server)
        named = {key: value for key, value in (("tool", tool), ("server", server)) if value is not None}
        return 200, {"action": "cache_cleared", **named, "cache": facts}


def _is_manager(exchange: Exchange) -> bool:
    return exchange.principal is not None and exchange.principal.kind in MANAGERS


def _by(exchange: Exchange) -> str:
    return "nobody known" if exchange.principal is None else exchange.principal.label


def _there(name: str, before: dict[str, Any] | None) -> dict[str, Any]:
    if before is None:
        raise ServerNotFound(f'server "{name}" not found', server=name)
    return before
