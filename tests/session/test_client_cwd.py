"""The directory of a client is found once, kept, and never that of another request."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec import Raw

from callmux.context import Directory
from callmux.guard.principal import Principal
from callmux.protocol.jsonrpc import RpcError
from callmux.session.client_cwd import ROOTS_SECONDS, circumstances, find, roots_changed
from callmux.session.facts import Facts, Said
from callmux.session.request import Request
from tests.support import FakeClient, settle

ROOTS = b'{"roots":{}}'


class Seat(FakeClient):
    """A session, as far as a port needs it."""

    def __init__(self, capabilities: bytes = b"{}") -> None:
        super().__init__(capabilities)
        self.facts = Facts()

    async def ask(self, method: str, params: Any, *rest: Any) -> bytes:
        return await super().ask(method, params)


def port(seat: Seat, **said: Any) -> Request:
    return Request(seat, 1, "tools/call", Said(**said))  # type: ignore[arg-type]


def meta(path: str) -> Raw:
    return Raw(b'{"_meta":{"cwd":"%b"}}' % path.encode())


def roots(*paths: str) -> bytes:
    return b'{"roots":[%b]}' % b",".join(b'{"uri":"file://%b"}' % path.encode() for path in paths)


async def found(port: Request, params: Raw | None) -> Directory | None:
    """The directory, once it is found."""
    where = find(port, params)
    return where if where is None or isinstance(where, Directory) else await where


async def test_the_request_goes_before_its_header_and_that_before_what_was_said_earlier() -> None:
    seat = Seat(ROOTS)
    seat.facts.cwd, seat.facts.cwd_source = "/stored", "header"
    assert await found(port(seat), None) == Directory("/stored")
    assert await found(port(seat, cwd="/header"), None) == Directory("/header")
    assert await found(port(seat, cwd="/header"), meta("/meta")) == Directory("/meta")
    assert (seat.facts.cwd, seat.facts.cwd_source) == ("/meta", "meta")
    assert await found(port(seat), None) == Directory("/meta")
    assert seat.asked == []


async def test_a_client_is_asked_for_its_roots_once() -> None:
    seat = Seat(ROOTS)
    seat.answers.append(roots("/a", "/b"))
    places = await asyncio.gather(*(found(port(seat), None) for _ in range(3)))
    assert places == [Directory("/a", named=False)] * 3
    assert len(seat.asked) == 1
    assert seat.facts.cwd_source == "roots"


@pytest.mark.parametrize("answer", [RpcError(-32601, "no"), b'{"roots":[]}', b"nonsense"])
async def test_a_client_that_lists_none_is_not_asked_again(answer: Any) -> None:
    seat = Seat(ROOTS)
    seat.answers.append(answer)
    assert await found(port(seat), None) is None
    assert await found(port(seat), None) is None
    assert len(seat.asked) == 1


async def test_a_client_that_does_not_answer_holds_a_call_up_for_a_second_once() -> None:
    loop, seat = asyncio.get_running_loop(), Seat(ROOTS)
    seat.answers.append(asyncio.sleep(60, b"{}"))
    began = loop.time()
    assert await found(port(seat), None) is None
    assert await found(port(seat), None) is None
    assert loop.time() - began == pytest.approx(ROOTS_SECONDS)


async def test_a_client_that_declares_no_roots_or_cannot_be_asked_is_not() -> None:
    """Listener 20: a client without a stream lost a second on its first call."""

    assert await found(port(Seat()), None) is None
    seat = Seat(ROOTS)
    assert await found(port(seat, streams=False), None) is None
    assert seat.asked == []
    seat.answers.append(roots("/a"))
    assert await found(port(seat), None) == Directory("/a", named=False)


async def test_roots_that_changed_are_asked_for_again() -> None:
    """Weak spot L20 of callmux (npm)."""
    seat = Seat(ROOTS)
    seat.answers.extend([roots("/a"), roots("/b")])
    assert await found(port(seat), None) == Directory("/a", named=False)
    roots_changed(seat.facts)
    assert await found(port(seat), None) == Directory("/b", named=False)


async def test_roots_that_change_while_they_are_on_their_way_are_asked_for_again() -> None:
    seat, go = Seat(ROOTS), asyncio.Event()

    async def old() -> bytes:
        await go.wait()
        return roots("/old")

    seat.answers.extend([old(), roots("/new")])
    finding = asyncio.ensure_future(found(port(seat), None))
    await settle()
    roots_changed(seat.facts)
    go.set()
    assert await finding == Directory("/new", named=False)


def test_other_roots_do_not_change_what_the_client_said_itself() -> None:
    facts = Facts()
    facts.cwd, facts.cwd_source = "/header", "header"
    roots_changed(facts)
    assert facts.cwd == "/header"


async def test_whoever_waited_behind_a_request_that_was_cancelled_asks_for_itself() -> None:
    seat = Seat(ROOTS)
    seat.answers.extend([asyncio.Event().wait(), roots("/a")])
    first = asyncio.ensure_future(found(port(seat), None))
    await settle()
    second = asyncio.ensure_future(found(port(seat), None))
    await settle()
    first.cancel()
    assert await second == Directory("/a", named=False)


def test_a_request_has_its_own_credentials_and_no_others() -> None:
    """Weak spot L25 of callmux (npm)."""
    seat = Seat()
    one = circumstances(port(seat, headers={"authorization": "secret"}, elsewhere=True), None)
    other = circumstances(port(seat), None)
    assert (one.headers, one.elsewhere) == ({"authorization": "secret"}, True)
    assert (other.headers, other.owner) == ({}, "")
    assert one.owner != other.owner
    assert "secret" not in one.owner
    assert one.owner == circumstances(port(Seat(), headers={"authorization": "secret"}), None).owner


def test_where_there_is_no_http_request_nothing_is_looked_for() -> None:
    given = circumstances(FakeClient(), None)
    assert (given.remote, given.find_cwd, given.headers) == (True, None, {})


def test_results_belong_to_the_principal_and_its_other_credentials() -> None:
    """Not to the token that authenticated here: that is renewed while its principal stays."""
    ann = Principal(kind="oidc_jwt", id="ann")

    def owner(principal: Principal | None, **headers: str) -> str:
        context = circumstances(port(Seat(), principal=principal, headers=headers), None)
        assert context.principal == principal
        return context.owner

    assert (
        owner(ann)
        == owner(ann, authorization="a")
        == owner(ann, authorization="b")
        == "principal:oidc_jwt:ann"
    )
    assert owner(ann, key="1") == owner(ann, key="1", authorization="a") != owner(ann, key="2")
    assert owner(Principal(kind="bearer", id="ann")) == "principal:bearer:ann"
    assert owner(None) == ""
    assert owner(None, authorization="a") != owner(None, authorization="b")
