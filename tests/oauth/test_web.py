"""Requests of a sign-in are bounded, and go nowhere that the server has no business to send them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from callmux.oauth.failure import SignInFailed, Why
from callmux.oauth.web import MOST_BYTES, Web
from tests.oauth.site import Seen, site
from tests.support import free_port, real_loop

FAR = "https://server.example/mcp"
"""A server of the public internet; nothing is sent to it."""


def looked_up(monkeypatch: pytest.MonkeyPatch, address: str) -> list[str]:
    """Every name leads to this address; gives the names."""
    names: list[str] = []

    async def getaddrinfo(self: object, host: str, port: int, **more: Any) -> list[Any]:
        names.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(asyncio.get_running_loop().__class__, "getaddrinfo", getaddrinfo, raising=False)
    return names


@real_loop()
async def test_a_document_is_read_with_what_it_needs() -> None:
    async with site() as there, Web(f"{there.url}/mcp") as web:
        there.answers["/doc"] = {"a": 1}
        reply = await web.get(f"{there.url}/doc", "the document")
        assert (reply.status, reply.body) == (200, b'{"a": 1}')
        assert there.seen[0].headers["Accept"] == "application/json"


@real_loop()
async def test_a_redirect_within_the_host_is_followed_and_none_to_elsewhere() -> None:
    async with site() as there, site() as other, Web(f"{there.url}/mcp") as web:
        there.answers["/a"] = (302, {"Location": "/b"}, b"")
        there.answers["/b"] = (200, {}, b"here")
        other.answers["/b"] = (200, {}, b"there")
        assert (await web.get(f"{there.url}/a", "it")).body == b"here"
        there.answers["/a"] = (302, {"Location": f"{other.url}/b"}, b"")
        with pytest.raises(SignInFailed, match="sends us elsewhere") as caught:
            await web.get(f"{there.url}/a", "it")
        assert caught.value.why is Why.UNSAFE
        assert other.seen == []


@real_loop()
async def test_what_is_posted_is_never_sent_on() -> None:
    async with site() as there, Web(f"{there.url}/mcp") as web:
        there.answers["/token"] = (307, {"Location": "/other"}, b"")
        reply = await web.post(f"{there.url}/token", "the token endpoint", b"secret=1", {})
        assert reply.status == 307
        assert there.paths() == ["/token"]


@real_loop()
async def test_a_circle_of_redirects_ends() -> None:
    async with site() as there, Web(f"{there.url}/mcp") as web:
        there.answers["/a"] = (302, {"Location": "/a"}, b"")
        with pytest.raises(SignInFailed, match="sends us elsewhere"):
            await web.get(f"{there.url}/a", "it")
        assert len(there.seen) == 1


@real_loop()
async def test_an_answer_without_end_or_without_bound_is_given_up() -> None:
    async with site() as there, Web(f"{there.url}/mcp", seconds=0.2) as web:
        there.answers["/large"] = (200, {}, b"x" * (MOST_BYTES + 1))
        with pytest.raises(SignInFailed, match="more than"):
            await web.get(f"{there.url}/large", "it")
        silent = socket.create_server(("127.0.0.1", 0))
        with silent, pytest.raises(SignInFailed, match="does not answer") as caught:
            await web.get(f"http://127.0.0.1:{silent.getsockname()[1]}/", "it")
        assert caught.value.why is Why.NETWORK


@real_loop()
async def test_where_nobody_listens_it_says_so_without_the_path() -> None:
    port = free_port()
    async with Web(f"http://127.0.0.1:{port}/mcp") as web:
        with pytest.raises(
            SignInFailed, match=rf"the thing \(127.0.0.1:{port}\) cannot be reached"
        ) as caught:
            await web.get(f"http://127.0.0.1:{port}/secret-path", "the thing")
    assert "secret-path" not in caught.value.reason


@pytest.mark.parametrize(
    "use", [lambda web, url: web.get(url, "it"), lambda web, url: web.post(url, "it", b"", {})]
)
@real_loop()
async def test_a_public_server_cannot_send_us_to_this_machine(
    use: Callable[[Web, str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site() as there:
        port = there.url.rpartition(":")[2]
        names = looked_up(monkeypatch, "93.184.216.34")
        async with Web(FAR) as web:
            for url in (f"{there.url}/x", f"http://localhost:{port}/x", "https://169.254.169.254/latest"):
                with pytest.raises(SignInFailed, match="private address"):
                    await use(web, url)
        assert names == ["server.example"]
        assert there.seen == []


@real_loop()
async def test_a_person_is_sent_where_we_may_go_ourselves(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up(monkeypatch, "93.184.216.34")
    async with Web(FAR) as web:
        web.may_be_shown("https://id.example/authorize?a=b", "the page")
        for url in ("https://10.0.0.1/x", "http://127.0.0.1:8080/x"):
            with pytest.raises(SignInFailed, match="the page on a private address"):
                web.may_be_shown(url, "the page")
        with pytest.raises(SignInFailed, match="the address of the page does not begin with https://"):
            web.may_be_shown("http://id.example/x", "the page")
    async with Web("http://127.0.0.1:9/mcp") as web:
        web.may_be_shown("http://127.0.0.1:8080/x", "the page")


@real_loop()
async def test_a_name_that_leads_into_a_private_network_is_not_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = {"server.example": "93.184.216.34", "id.example": "10.0.0.1"}

    async def getaddrinfo(self: object, host: str, port: int, **more: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers[host], port or 0))]

    monkeypatch.setattr(asyncio.get_running_loop().__class__, "getaddrinfo", getaddrinfo, raising=False)
    async with Web(FAR) as web:
        with pytest.raises(SignInFailed, match="cannot be reached"):
            await web.get("https://id.example/x", "it")


@real_loop()
async def test_the_server_itself_may_be_asked_wherever_it_is() -> None:
    async with site() as there, Web(f"{there.url}/mcp") as web:

        def refuse(seen: Seen) -> Any:
            return 401, {"WWW-Authenticate": 'Bearer scope="a"'}, b"no"

        there.answers["/mcp"] = refuse
        reply = await web.ask_server(b"{}", {"X-Own": "1"})
        assert (reply.status, reply.challenge) == (401, 'Bearer scope="a"')
        assert there.seen[0].headers["X-Own"] == "1"
        there.answers["/mcp"] = (200, {}, b"x" * 100)
        assert (await web.ask_server(b"{}", {})).body == b""


@real_loop()
@pytest.mark.parametrize(
    "address", ["https://[bad/x", "https://id.example\u2100/", "https://127.1/", "file:///x"]
)
async def test_an_address_that_is_none_is_refused_before_anything_is_sent(address: str) -> None:
    async with Web("http://127.0.0.1:9/mcp") as web:
        for work in (web.get(address, "it"), web.post(address, "it", b"", {})):
            with pytest.raises(SignInFailed, match="the address of it") as caught:
                await work
            assert caught.value.why is Why.UNSAFE
