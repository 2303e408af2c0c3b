"""The browser that comes back is heard, and nobody else."""

from __future__ import annotations

import asyncio
from urllib.parse import urlencode

import pytest

from callmux.oauth.authorization import holds_state
from callmux.oauth.receiver import Receiver, ports_for
from tests.support import free_port, real_loop, until


async def ask(receiver: Receiver, request: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", receiver.port)
    writer.write(request.encode())
    answer = await reader.read()
    writer.close()
    return answer.decode()


async def get(receiver: Receiver, target: str, host: str = "") -> str:
    host = host or f"127.0.0.1:{receiver.port}"
    return await ask(receiver, f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")


@real_loop()
async def test_the_answer_with_the_right_state_is_taken_once_and_shown_as_taken() -> None:
    receiver, taken = Receiver("a <b>"), list[str]()
    assert await receiver.open(iter([free_port()]))
    receiver.expect("s1", taken.append)
    query = urlencode({"code": "c" * 5000, "state": "s1"})
    said = await get(receiver, f"/callback?{query}")
    assert said.startswith("HTTP/1.1 200 OK")
    assert "a &lt;b&gt;" in said
    assert "no-store" in said
    await until(lambda: taken, "the answer")
    assert taken == [query]
    await receiver.close()
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", receiver.port)


@real_loop()
async def test_whoever_else_finds_the_port_changes_nothing() -> None:
    receiver, taken = Receiver("a"), list[str]()
    assert await receiver.open(iter([free_port()]))
    receiver.expect("s1", taken.append)
    for target, host, status in (
        ("/callback?code=x&state=s2", "", "400"),
        ("/callback?http://[?state=s2", "", "400"),
        ("/callback?code=x", "", "400"),
        ("/callback?code=x&state=s1&state=s1", "", "400"),
        ("/callback", "", "400"),
        ("/", "", "404"),
        ("/callback/?code=x&state=s1", "", "404"),
        ("/callback?code=x&state=s1", "evil.example", "404"),
    ):
        assert (await get(receiver, target, host)).startswith(f"HTTP/1.1 {status}"), target
    assert (await ask(receiver, "POST /callback?state=s1 HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(
        "HTTP/1.1 404"
    )
    assert (await ask(receiver, "GET /callback?state=s1 HTTP/1.1\r\n\r\n")).startswith("HTTP/1.1 404")
    assert (await ask(receiver, "nonsense\r\n\r\n")).startswith("HTTP/1.1 404")
    assert await ask(receiver, "x" * 70_000) == ""
    assert taken == []
    await get(receiver, "/callback?code=x&state=s1", f"localhost:{receiver.port}")
    await until(lambda: taken, "the answer")
    await receiver.close()


@real_loop()
async def test_before_a_state_is_expected_nothing_is_taken() -> None:
    receiver = Receiver("a")
    assert await receiver.open(iter([free_port()]))
    assert (await get(receiver, "/callback?code=x&state=")).startswith("HTTP/1.1 400")
    await receiver.close()


@real_loop()
async def test_a_port_in_use_is_passed_over_and_none_at_all_is_said() -> None:
    first, second, third = Receiver("a"), Receiver("b"), Receiver("c")
    port, other = free_port(), free_port()
    assert await first.open(iter([port]))
    assert await second.open(iter([port, other]))
    assert second.port == other
    assert not await third.open(iter([port, other]))
    assert third.port == 0
    for receiver in (first, second, third):
        await receiver.close()


def test_a_server_has_the_same_ports_each_time_and_others_have_others() -> None:
    assert list(ports_for("a")) == list(ports_for("a"))
    assert len({*ports_for("a"), *ports_for("b")}) == 10
    assert list(ports_for("a", 4711)) == [4711]


def test_no_port_is_one_that_an_outgoing_connection_may_hold() -> None:
    """Linux gives those from 32,768 on, other systems those from 49,152 on."""
    assert all(1024 < port < 32768 for n in range(200) for port in ports_for(f"server {n}"))


@pytest.mark.parametrize(
    ("answer", "fits"),
    [
        ("code=x&state=s1", True),
        ("?code=x&state=s1", True),
        (" http://127.0.0.1:1/callback?state=s1&error=access_denied \n", True),
        ("http://127.0.0.1:1/callback?code=x&state=s2", False),
        ("http://127.0.0.1:1/callback?code=x", False),
        ("s1", False),
        ("", False),
        ("state=s1&state=s2", False),
        ("state=\u00fc", False),
    ],
)
def test_an_answer_belongs_to_the_sign_in_whose_state_it_holds(answer: str, fits: bool) -> None:
    assert holds_state(answer, "s1") is fits
