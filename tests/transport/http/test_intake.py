"""What may come in: no other origin's page, no foreign host, no body above its limit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest

from callmux.config.model import Config
from callmux.config.servers import HttpServer, StdioServer
from callmux.guard.forwarded import Forwarded
from callmux.transport.http.exchange import Refusal
from callmux.transport.http.intake import (
    OVERRIDE,
    BodyLimits,
    ClientLeft,
    check_origin,
    read_body,
    request_id,
)
from tests.support import play
from tests.transport.http.asgi import Call


def test_a_page_behind_a_proxy_that_is_trusted_may_ask_from_the_address_it_knows() -> None:
    async def scene(peer: str, origin: str, host: str) -> int:
        seen = {"x-forwarded-host": host, "x-forwarded-proto": "https"}
        call = Call(headers={"host": "127.0.0.1:4860", "origin": origin, **seen})
        call.scope["client"] = (peer, 1)
        try:
            check_origin(exchange := call.exchange(), True, Forwarded(["10.0.0.1"]))
        except Refusal as refusal:
            return refusal.status
        return 200 if exchange.seen_https else 0

    own = "https://tools.example"
    assert play(scene("10.0.0.1", own, "tools.example")) == 200
    assert play(scene("10.0.0.2", own, "tools.example")) == 403
    assert play(scene("10.0.0.1", "https://evil.example", "tools.example")) == 403
    assert play(scene("10.0.0.1", own, "tools.example@x")) == 403


@pytest.mark.parametrize(
    ("host", "origin", "loopback", "passes"),
    [
        ("localhost:1", None, True, True),
        ("evil.example", None, True, False),
        ("", None, True, False),
        ("[nonsense", None, True, False),
        ("127.0.0.1:1", "http://localhost:9", True, True),
        ("localhost", "https://evil.example", True, False),
        ("localhost", "null", True, False),
        ("localhost", "http://[", True, False),
        ("localhost", "http://[::1", True, False),
        ("localhost", "http://]", True, False),
        ("localhost", "http://[v1.x]", True, False),
        ("localhost", "http://localhost@evil.example", True, False),
        ("localhost", "://", True, False),
        ("localhost", "http://\u2100.example", True, False),
        ("localhost", "http://[::1]:80", True, True),
        ("mux.example", "https://mux.example", False, True),
        ("mux.example", "http://localhost", False, False),
        ("mux.example", None, False, True),
    ],
)
def test_whose_page_may_ask(host: str, origin: str | None, loopback: bool, passes: bool) -> None:
    async def scene() -> int:
        given = {"host": host, **({"origin": origin} if origin is not None else {})}
        try:
            check_origin(Call(headers=given).exchange(), loopback)
        except Refusal as refusal:
            return refusal.status
        return 200

    assert play(scene()) == (200 if passes else 403)


@pytest.mark.parametrize("given", [None, "", "a b", "x" * 129, "a\n"])
def test_an_odd_request_id_is_replaced(given: str | None) -> None:
    assert request_id("ok.1_-") == "ok.1_-"
    assert len(request_id(given)) == 36


async def test_a_body_is_joined_and_bounded_with_or_without_a_length() -> None:
    assert await read_body(Call(body=[b"ab", b"", b"cd"]).exchange(), 4) == b"abcd"
    assert await read_body(Call(body=b"x" * 99).exchange(), 0) == b"x" * 99
    for call in (Call(body=[b"ab", b"cde"]), Call(headers={"content-length": "5"}, body=())):
        with pytest.raises(Refusal) as refused:
            await read_body(call.exchange(), 4)
        assert refused.value.status == 413
    left = Call(body=())
    left.leave()
    with pytest.raises(ClientLeft):
        await read_body(left.exchange(), 4)


async def test_a_servers_own_limit_stands_in_place_of_the_global_one() -> None:
    config = Config(
        request_body_max_bytes=10,
        servers={
            "big": StdioServer(command="x", request_body_max_bytes=20),
            "small": StdioServer(command="x", request_body_max_bytes=5),
        },
    )

    async def status(size: int, targets: Sequence[str]) -> int:
        try:
            await BodyLimits(config, lambda body: targets).read(Call(body=b"x" * size).exchange())
        except Refusal as refusal:
            return refusal.status
        return 200

    assert [await status(n, ["big"]) for n in (20, 21)] == [200, 413]
    assert [await status(n, ["small"]) for n in (5, 6)] == [200, 413]
    assert [await status(n, ["big", "small"]) for n in (5, 6)] == [200, 413]
    assert [await status(n, []) for n in (10, 11)] == [200, 413]


async def test_a_server_that_takes_any_size_lifts_no_bound_for_the_others() -> None:
    """Whatever is too large for everybody it may be for is refused before it is read.

    Weak spot L35 of callmux (npm).
    """

    def config(most: int) -> Config:
        entries = {"any": 0, "small": 5}
        servers: dict[str, StdioServer | HttpServer] = {
            n: StdioServer(command="x", request_body_max_bytes=m) for n, m in entries.items()
        }
        return Config(request_body_max_bytes=most, servers=servers)

    def targets(body: bytes) -> list[str]:
        return [name for name in ("any", "small", "other") if re.search(b'"%b(__t)?"' % name.encode(), body)]

    async def outcome(head: bytes, most: int = 200) -> tuple[int, int]:
        """The status, and how many of 50 parts were read."""
        call = Call(body=[head, *[b"x" * 100] * 50])
        parts = 0
        receive = call.exchange().receive

        async def counted() -> Any:
            nonlocal parts
            parts += 1
            return await receive()

        exchange = call.exchange()
        exchange.receive = counted
        try:
            await BodyLimits(config(most), targets).read(exchange)
        except Refusal as refusal:
            return refusal.status, parts
        return 200, parts

    call = b'{"method":"tools/call","params":{"name":"%b","arguments":{"text":"'
    assert await outcome(call % b"any__t") == (200, 51)
    assert await outcome(b'{"params":{"name":"callmux_call","arguments":{"server" : "any",') == (200, 51)
    for head in (call % b"small__t", call % b"other__t", b'{"method":"ping","params":{"x":"'):
        status, parts = await outcome(head)
        assert status == 413
        assert parts < 5
    assert await outcome(call % b"other__t", most=0) == (200, 51)
    assert await outcome(b'{"method":"ping","params":{"x":"', most=0) == (200, 51)
    assert (await outcome(call % b"small__t", most=0))[0] == 413


async def test_a_client_overrides_the_limit_only_where_that_is_allowed() -> None:
    async def status(allowed: bool, override: str, size: int) -> int:
        config = Config(request_body_max_bytes=10, allow_request_body_max_override=allowed)
        call = Call(headers={OVERRIDE: override}, body=b"x" * size)
        try:
            await BodyLimits(config, lambda body: ()).read(call.exchange())
        except Refusal as refusal:
            return refusal.status
        return 200

    assert await status(False, "20", 1) == 400
    assert await status(True, "many", 1) == 400
    assert [await status(True, "20", n) for n in (20, 21)] == [200, 413]
    assert await status(True, "0", 99) == 200


async def test_a_body_that_is_too_large_is_told_by_the_key_that_says_so() -> None:
    """With its request's id, where that stands in what was read."""
    config = Config(
        request_body_max_bytes=60, servers={"s": StdioServer(command="x", request_body_max_bytes=50)}
    )
    body = b'{"id":7,"method":"tools/call","params":{"name":"s__t","arguments":{}}}'

    async def told(call: Call, targets: Sequence[str] = ()) -> Refusal:
        with pytest.raises(Refusal) as refused:
            await BodyLimits(config, lambda body: targets).read(call.exchange())
        return refused.value

    for call, limit, size, id, targets in (
        (Call(body=[body[:40], body[40:]]), 60, "more", 7, []),
        (Call(body=body[:55]), 50, "55 bytes", 7, ["s"]),
        (Call(headers={"content-length": "61"}, body=body), 60, "61 bytes", None, []),
    ):
        refusal = await told(call, targets)
        assert (refusal.status, refusal.rpc_code, refusal.rpc_id) == (413, -32600, id)
        for words in ("Payload too large", "requestBodyMaxBytes", f"{limit} bytes", size):
            assert words in refusal.message
