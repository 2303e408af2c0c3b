"""A client of the management interface, for programs.

Called by `callmux.cli.server_remote` and by whoever imports it. `aiohttp` is loaded by the first request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypedDict
from urllib.parse import quote, urlsplit

import msgspec

from callmux.errors import CallmuxError
from callmux.guard.managers import HEADER

if TYPE_CHECKING:
    import aiohttp

SECONDS = 120.0
"""How long an answer may take: servers may have to start first."""
MOST_SHOWN = 500
"""Characters of an answer that is not JSON."""


class ManagedServer(TypedDict, total=False):
    """A server as `servers` lists it."""

    name: str
    config: dict[str, Any]
    managed: bool
    runtime: dict[str, Any]
    tools: list[str]


class ManagementStatus(TypedDict):
    """What `status` gives."""

    management: dict[str, Any]
    runtime: dict[str, Any]
    servers: list[ManagedServer]


class ManagementFailed(CallmuxError):
    """The interface refused a request, or could not be reached; `status` is None then."""

    code = "management_failed"

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message, status=status)
        self.status = status


class ManagementClient:
    """A management interface that is somewhere else.

    Args:
        base_url: Its address with its path, such as `http://127.0.0.1:4860/management/v1`.
        token: A token of the interface.
        headers: Further headers, such as `Authorization` for the `auth` of the listener: the token goes into
            `x-callmux-management-token` then.
        seconds: How long an answer may take.
    """

    def __init__(
        self,
        base_url: str,
        token: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        seconds: float = SECONDS,
    ) -> None:
        _check(base_url)
        self._base = base_url.rstrip("/")
        self._headers = {"Accept": "application/json", **(headers or {})}
        if token is not None:
            taken = any(name.lower() == "authorization" for name in self._headers)
            self._headers[HEADER if taken else "Authorization"] = token if taken else f"Bearer {token}"
        self._seconds = seconds
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"ManagementClient({self._base!r})"

    async def __aenter__(self) -> ManagementClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends its connections; it may be used again."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def status(self) -> ManagementStatus:
        """What the interface is, the status of everything, and all servers."""
        found: ManagementStatus = await self._ask("GET", "status")
        return found

    async def effective_config(self) -> dict[str, Any]:
        """The configuration in force, without secrets."""
        return await self._object("GET", "config/effective")

    async def servers(self) -> list[ManagedServer]:
        """Every server: its entry, how it is, and its tools."""
        found: list[ManagedServer] = (await self._object("GET", "servers")).get("servers", [])
        return found

    async def add_server(
        self, name: str, config: Mapping[str, Any], *, dry_run: bool = False
    ) -> dict[str, Any]:
        """Adds a server, or replaces the one of this name.

        Args:
            config: Its entry, as in a configuration file.
            dry_run: Whether only to say what the configuration would be.
        """
        body = {"name": name, "config": dict(config), **({"dryRun": True} if dry_run else {})}
        return await self._object("POST", "servers", body)

    async def update_server(
        self,
        name: str,
        *,
        config: Mapping[str, Any] | None = None,
        tools: Sequence[str] | None = None,
        add_tools: Sequence[str] | None = None,
        remove_tools: Sequence[str] | None = None,
        disabled: bool | None = None,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Changes a server: `config` replaces its entry, the others change a part of it."""
        given = {
            "config": None if config is None else dict(config),
            "tools": None if tools is None else list(tools),
            "addTools": None if add_tools is None else list(add_tools),
            "removeTools": None if remove_tools is None else list(remove_tools),
            "disabled": disabled,
            "dryRun": True if dry_run else None,
        }
        body = {key: value for key, value in given.items() if value is not None}
        return await self._object("PATCH", f"servers/{quote(name, safe='')}", body)

    async def remove_server(self, name: str, *, dry_run: bool = False) -> dict[str, Any]:
        """Removes a server."""
        query = "?dryRun=true" if dry_run else ""
        return await self._object("DELETE", f"servers/{quote(name, safe='')}{query}")

    async def restart_server(self, name: str, *, node: str | None = None) -> dict[str, Any]:
        """Restarts a server; sessions go on.

        Args:
            node: The one node that it is for, where several listeners are one; all where absent.
        """
        return await self._ordered(name, "restart", node)

    async def stop_server(self, name: str, *, node: str | None = None) -> dict[str, Any]:
        """Stops a server once its calls are done, until its next call. See `restart_server`."""
        return await self._ordered(name, "stop", node)

    async def start_server(self, name: str, *, node: str | None = None) -> dict[str, Any]:
        """Starts a server that sleeps or is down. See `restart_server`."""
        return await self._ordered(name, "start", node)

    async def _ordered(self, name: str, action: str, node: str | None) -> dict[str, Any]:
        body = None if node is None else {"node": node}
        return await self._object("POST", f"servers/{quote(name, safe='')}/{action}", body)

    async def nodes(self) -> list[dict[str, Any]]:
        """The listeners that are one, those that are away among them; none without `state.node`."""
        found = await self._object("GET", "nodes")
        return [*found.get("nodes", ()), *found.get("away", ())]

    async def clear_cache(self, *, tool: str | None = None, server: str | None = None) -> dict[str, Any]:
        """Forgets cached results: all, or those of a tool, a server, or both."""
        body = {key: value for key, value in (("tool", tool), ("server", server)) if value is not None}
        return await self._object("POST", "cache/clear", body)

    async def openapi(self) -> dict[str, Any]:
        """What the interface is, as an OpenAPI document."""
        return await self._object("GET", "openapi.json")

    async def _object(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        value = await self._ask(method, path, body)
        if not isinstance(value, dict):
            raise ManagementFailed(f"{self._base} answered with something else than a JSON object", 200)
        return value

    async def _ask(self, method: str, path: str, body: object = None) -> Any:
        import aiohttp
        from yarl import URL

        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=self._seconds)
            self._session = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
        headers = {**self._headers, **({} if body is None else {"Content-Type": "application/json"})}
        data = None if body is None else msgspec.json.encode(body)
        # What is encoded stays so: a name may have a slash in it.
        url = URL(f"{self._base}/{path}", encoded=True)
        try:
            async with self._session.request(
                method, url, data=data, headers=headers, allow_redirects=False
            ) as answer:
                text, status = await answer.read(), answer.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            why = str(error) or "no answer in time"
            raise ManagementFailed(f"{self._base} cannot be reached: {why}") from None
        try:
            value = msgspec.json.decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            value = None
        if 200 <= status < 300 and value is not None:
            return value
        said = value.get("error") if isinstance(value, dict) else None
        if not isinstance(said, str):
            said = text[:MOST_SHOWN].decode("utf-8", "replace").strip() or f"HTTP status {status}"
        raise ManagementFailed(said, status)


def _check(base_url: str) -> None:
    """Refuses what cannot be the address of an interface.

    Raises:
        ManagementFailed: It cannot.
    """
    try:
        parts = urlsplit(base_url)
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
        named, _ = parts.username, parts.port
    except ValueError:
        is_web, named = False, None
    if not is_web:
        raise ManagementFailed("base_url must be an http or https address with the path of the interface")
    if named is not None:
        raise ManagementFailed("base_url must not hold a user or a password: give the token, or headers")
