"""A sign-in that begins with an address in a browser of this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from callmux.config.references import Reference
from callmux.config.servers import HttpServer
from callmux.oauth.entrance import Entrance
from callmux.stores.tokens import TokenStore
from tests.support import SECONDS, free_port, real_loop, until

from .scene import Guarded, guarded


@pytest.fixture(scope="module")
def server() -> Iterator[Guarded]:
    with guarded() as found:
        yield found


def entrance_to(config: HttpServer, tmp_path: Path, seconds: float = 60.0) -> tuple[Entrance, list[bool]]:
    closed: list[bool] = []
    store = TokenStore(tmp_path)
    return Entrance("guarded", config, store, {}, tmp_path, closed.append, seconds), closed


async def visit(address: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as browser, browser.get(address) as page:
        return page.status, await page.text()


@real_loop()
async def test_who_opens_it_is_led_to_the_authorization_server_and_back(
    server: Guarded, tmp_path: Path
) -> None:
    entrance, closed = entrance_to(server.config(), tmp_path)
    address = await entrance.open()
    assert address is not None
    status, text = await visit(address)
    assert status == 200
    assert "Back to the terminal" in text
    await until(lambda: closed, "the sign-in")
    assert closed == [True]
    assert TokenStore(tmp_path).read(server.account()).signed_in is not None
    with pytest.raises(aiohttp.ClientConnectionError):
        await visit(address)
    await entrance.close()


@real_loop()
async def test_whoever_does_not_know_the_address_begins_nothing(server: Guarded, tmp_path: Path) -> None:
    entrance, closed = entrance_to(server.config(), tmp_path)
    address = await entrance.open()
    assert address is not None
    registered = server.control().get("register", 0)
    for other in (address[:-1], address.partition("?")[0], address + "x"):
        assert (await visit(other))[0] == 400
    assert server.control().get("register", 0) == registered
    assert closed == []
    await entrance.close()


@real_loop()
async def test_a_second_visit_begins_anew(server: Guarded, tmp_path: Path) -> None:
    entrance, closed = entrance_to(server.config(), tmp_path)
    address = await entrance.open()
    assert address is not None
    async with aiohttp.ClientSession() as browser:
        async with browser.get(address, allow_redirects=False) as page:
            assert page.status == 302
        async with browser.get(address, allow_redirects=False) as page:
            location = page.headers["Location"]
    assert (await visit(location))[0] == 200
    await until(lambda: closed, "the sign-in")
    await entrance.close()


@real_loop()
async def test_a_sign_in_that_cannot_begin_says_why_on_its_page(tmp_path: Path) -> None:
    config = HttpServer(
        url=f"http://127.0.0.1:{free_port()}/mcp",
        headers={"A": "cmd:false"},
        templates={"headers.A": (Reference("cmd", "false {x}"),)},
    )
    entrance, closed = entrance_to(config, tmp_path)
    address = await entrance.open()
    assert address is not None
    status, text = await visit(address)
    assert status == 502
    assert "headers.A" in text
    assert closed == []
    await entrance.close()


@real_loop()
async def test_nobody_is_expected_without_an_end(server: Guarded, tmp_path: Path) -> None:
    entrance, closed = entrance_to(server.config(), tmp_path, 0.05)
    assert await entrance.open() is not None
    await until(lambda: closed, "the end")
    assert closed == [False]
    await entrance.close()


@real_loop()
async def test_without_a_free_port_there_is_no_address(server: Guarded, tmp_path: Path) -> None:
    from callmux.config.oauth import OAuth

    port = free_port()
    taken = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", port)
    entrance, _ = entrance_to(server.config(oauth=OAuth(callback_port=port)), tmp_path)
    assert await entrance.open() is None
    await entrance.close()
    taken.close()


@real_loop()
async def test_who_came_first_does_not_wait_for_a_sign_in_that_another_visit_replaced(tmp_path: Path) -> None:
    came = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set()
        await reader.read()
        writer.close()

    port = free_port()
    server = await asyncio.start_server(silent, "127.0.0.1", port)
    entrance, _ = entrance_to(HttpServer(url=f"http://127.0.0.1:{port}/mcp"), tmp_path)
    address = await entrance.open()
    assert address is not None
    first = asyncio.ensure_future(visit(address))
    await asyncio.wait_for(came.wait(), SECONDS)
    second = asyncio.ensure_future(visit(address))
    with pytest.raises(aiohttp.ClientError):
        await asyncio.wait_for(first, SECONDS)
    second.cancel()
    await entrance.close()
    server.close()
