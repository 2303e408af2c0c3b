"""Waits on this machine for the browser that comes back from a sign-in (RFC 8252, 7.3).

Made by `callmux.cli.presenting` and `callmux.oauth.entrance`. It listens on 127.0.0.1 only, takes one GET at
a time, and gives on only an answer that holds the `state` of this sign-in: whoever else finds the port gets a
page and changes nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import html
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import parse_qs

from callmux.oauth.authorization import holds_state
from callmux.oauth.failure import SignInFailed
from callmux.tasks import TaskSet

HOST = "127.0.0.1"
PATH = "/callback"
BEGIN = "/begin"
"""The page that leads a browser to the authorization server, where callmux did not open it by itself."""
FIRST_PORT, PORTS = 20_000, 12_000
"""Where ports are chosen from: below those that systems give to outgoing connections (Linux: from 32,768 on),
any of which could hold the port of a server for a while."""
TRIES = 5
MOST_HEAD = 64 * 1024
"""Bytes of a request: codes of some providers are long."""
HEAD_SECONDS = 10.0

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>callmux</title>
<style>body{{font:18px system-ui;margin:15vh auto;max-width:34em;padding:0 1em}}</style>
<h1>{title}</h1><p>{text}</p></html>
"""


class _Page(NamedTuple):
    status: str
    title: str
    text: str
    location: str = ""


_TAKEN = _Page(
    "200 OK", "Back to the terminal", "callmux has the answer for “{name}”. You can close this page."
)
_FOREIGN = _Page(
    "400 Bad Request",
    "Not this sign-in",
    "This address does not belong to the sign-in that callmux waits for: use the newest link.",
)
_BEGINNING = _Page("302 Found", "", "")
_NOTHING = _Page("404 Not Found", "Nothing here", "callmux waits here for a sign-in.")


def ports_for(key: str, chosen: int | None = None) -> Iterator[int]:
    """The ports to try for a server, best first; the same each time, because a redirect address is
    registered with its port.

    Args:
        key: What tells this server from others.
        chosen: The port that the configuration names: then that one and no other.
    """
    if chosen is not None:
        yield chosen
        return
    number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")
    for n in range(TRIES):
        yield FIRST_PORT + (number + n * 997) % PORTS


class Receiver:
    """The place where the browser comes back.

    Args:
        name: The server's name, for the page.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._server: asyncio.Server | None = None
        self._tasks = TaskSet("sign-in receiver")
        self._state = ""
        self._take: Callable[[str], None] | None = None
        self._port = 0
        self._ticket = ""
        self._begin: Callable[[], Awaitable[str]] | None = None

    @property
    def port(self) -> int:
        """Where it listens; 0 before `open` has found one."""
        return self._port

    async def open(self, ports: Iterator[int]) -> bool:
        """Listens on the first of these ports that is free. Gives whether there was one."""
        for port in ports:
            with suppress(OSError):
                self._server = await asyncio.start_server(
                    lambda reader, writer: self._tasks.spawn(self._serve(reader, writer)),
                    HOST,
                    port,
                    limit=MOST_HEAD,
                )
                self._port = port
                return True
        return False

    def expect(self, state: str, take: Callable[[str], None]) -> None:
        """From now on an answer with this state goes to `take`."""
        self._state, self._take = state, take

    def lead(self, ticket: str, begin: Callable[[], Awaitable[str]]) -> str:
        """Has a page begin a sign-in for whoever knows its address, which this gives.

        Args:
            ticket: What nobody guesses.
            begin: Begins, and gives the address of the authorization server; raises `SignInFailed`.
        """
        self._ticket, self._begin = ticket, begin
        return f"http://{HOST}:{self._port}{BEGIN}?ticket={ticket}"

    async def close(self) -> None:
        """Listens no more."""
        if self._server is not None:
            self._server.close()
            await self._tasks.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                page, answer = self._page(head)
            if page is _BEGINNING and self._begin is not None:
                page = await self._begun(self._begin)
            async with asyncio.timeout(HEAD_SECONDS):
                writer.write(_bytes(page, self._name))
                await writer.drain()
            if answer and self._take is not None:
                # After the page: what waits for it may end the process.
                self._take(answer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            # Nobody who is waited for: a browser sends whole requests, and comes again.
            return
        finally:
            writer.close()

    async def _begun(self, begin: Callable[[], Awaitable[str]]) -> _Page:
        try:
            return _Page("302 Found", "Sign in", "Your browser is on its way.", await begin())
        except SignInFailed as failure:
            return _Page("502 Bad Gateway", "No sign-in", _plain(failure.reason))

    def _page(self, head: bytes) -> tuple[_Page, str]:
        """What a request gets, and the answer in it, if it is the one that is waited for."""
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        hosts = {line.partition(":")[2].strip().lower() for line in lines[1:] if line[:5].lower() == "host:"}
        ours = {f"{HOST}:{self._port}", f"localhost:{self._port}"}
        if len(words) != 3 or words[0] != "GET" or not hosts or not hosts <= ours:
            return _NOTHING, ""
        path, _, query = words[1].partition("?")
        if path == BEGIN and self._ticket:
            given = parse_qs(query).get("ticket", [""])[0]
            right = secrets.compare_digest(given.encode(), self._ticket.encode())
            return (_BEGINNING if right else _FOREIGN), ""
        if path != PATH:
            return _NOTHING, ""
        if not self._state or not holds_state(query, self._state):
            return _FOREIGN, ""
        return _TAKEN, query


def _plain(text: str) -> str:
    """A text as it stands in a page."""
    return html.escape(text).replace("{", "&#123;").replace("}", "&#125;")


def _bytes(page: _Page, name: str) -> bytes:
    body = _PAGE.format(title=page.title, text=page.text.format(name=html.escape(name))).encode()
    location = f"Location: {page.location}\r\n" if page.location else ""
    return (
        f"HTTP/1.1 {page.status}\r\n{location}"
        f"Content-Type: text/html; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n"
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\nConnection: close\r\n\r\n"
    ).encode() + body
