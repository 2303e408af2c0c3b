"""The port for other nodes: it takes what a node of ours sends to this process, once, and nothing else."""

from __future__ import annotations

import math

import msgspec
import pytest

from callmux.nodes.endpoint import NodeEndpoint
from callmux.nodes.passing import MAC, PATH, PROOF
from callmux.nodes.sealing import FREE_BYTES, NodeKeys, Passed, PassedClient
from callmux.transport.http.exchange import Exchange
from tests.support import real_loop
from tests.transport.http.asgi import Call

KEYS = NodeKeys(b"a secret of all nodes")
PASSED = Passed(
    sender="b.1",
    receiver="a.1",
    number=1,
    query="a=1",
    headers=(("mcp-session-id", "s"), ("x-name", "caf\xe9")),
    peer="10.1.1.1",
    scheme="https",
    request_id="rid",
    profile="p",
    client=PassedClient(
        kind="oidc_jwt", id="ann", subject="ann", scopes=("read",), expires=9.0, lacks=("x",)
    ),
    granted=True,
    seen_host="mcp.example",
    seen_https=True,
)


class Node:
    """A node's endpoint, and what came through it."""

    def __init__(self, most: int = 0) -> None:
        self.served: list[tuple[Exchange, bytes]] = []
        self.endpoint = NodeEndpoint(KEYS, lambda: "a.1", self._serve, lambda: most, lambda: 5.0)

    async def _serve(self, exchange: Exchange) -> None:
        body = (await exchange.receive())["body"]
        self.served.append((exchange, body))
        await exchange.answer(200, b"{}")

    async def takes(
        self, sent: bytes, mac: str | None, path: str = PATH, method: str = "POST", **more: str
    ) -> Call:
        given = {name.replace("_", "-"): value for name, value in more.items()}
        call = Call(method, path, {**given, **({} if mac is None else {MAC: mac})}, [sent[:5], sent[5:]])
        await self.endpoint(call.scope, call.receive, call.send)
        return call


@real_loop()
async def test_what_a_node_passes_on_is_served_as_if_it_had_come_here() -> None:
    node = Node()
    sent, mac = KEYS.seal(PASSED, b'{"id":1}')
    answer = await node.takes(sent, mac)
    assert (answer.status, answer.headers[PROOF]) == (200, KEYS.proof(mac))
    ((exchange, body),) = node.served
    assert (body, exchange.method, exchange.path, exchange.query("a")) == (b'{"id":1}', "POST", "/mcp", "1")
    assert exchange.headers == {"mcp-session-id": "s", "x-name": "caf\xe9"}
    assert (exchange.peer, exchange.scheme, exchange.request_id) == ("10.1.1.1", "https", "rid")
    assert (exchange.profile, exchange.seen_host, exchange.seen_https) == ("p", "mcp.example", True)
    assert exchange.principal is not None
    assert exchange.principal.label == "oidc_jwt:ann"
    assert exchange.principal.scopes == ("read",)
    grant = exchange.grant
    assert grant is not None
    assert (grant.expires, grant.not_before, grant.lacks) == (9.0, -math.inf, ("x",))
    assert grant.principal is exchange.principal
    assert not grant.holds(9.0)
    assert exchange.began == 5.0


@real_loop()
async def test_a_client_who_was_not_asked_has_no_principal_here_either() -> None:
    node = Node()
    await node.takes(*KEYS.seal(msgspec.structs.replace(PASSED, client=None, granted=False), b""))
    ((exchange, _),) = node.served
    assert exchange.principal is None
    assert exchange.grant is None


@real_loop()
async def test_who_never_expires_stays_so() -> None:
    node = Node()
    client = PassedClient(kind="bearer", id="ann", not_before=1.0)
    await node.takes(*KEYS.seal(msgspec.structs.replace(PASSED, client=client), b""))
    ((exchange, _),) = node.served
    assert exchange.grant is not None
    assert (exchange.grant.expires, exchange.grant.not_before) == (math.inf, 1.0)


@real_loop()
@pytest.mark.parametrize(
    ("mac", "path", "method", "status"),
    [
        ("0" * 64, PATH, "POST", 403),
        (None, PATH, "POST", 404),
        ("0", "/mcp", "POST", 404),
        ("0", PATH, "GET", 404),
    ],
)
async def test_nothing_else_is_answered(mac: str | None, path: str, method: str, status: int) -> None:
    node = Node()
    sent, _ = KEYS.seal(PASSED, b"")
    answer = await node.takes(sent, mac, path, method)
    assert answer.status == status
    assert PROOF not in answer.headers
    assert not node.served


@real_loop()
async def test_what_is_sent_a_second_time_is_refused() -> None:
    node = Node()
    sealed = KEYS.seal(PASSED, b"")
    assert (await node.takes(*sealed)).status == 200
    assert (await node.takes(*sealed)).status == 403
    assert len(node.served) == node.endpoint.refused == 1


@real_loop()
async def test_what_is_for_another_process_is_sent_back_with_a_proof() -> None:
    node = Node()
    sent, mac = KEYS.seal(msgspec.structs.replace(PASSED, receiver="a.0"), b"")
    answer = await node.takes(sent, mac)
    assert (answer.status, answer.headers[PROOF]) == (421, KEYS.proof(mac))
    assert not node.served


@real_loop()
async def test_a_body_has_a_bound() -> None:
    node = Node(most=10)
    answer = await node.takes(*KEYS.seal(PASSED, b"x" * 300_000))
    assert answer.status == 413
    assert (await node.takes(*KEYS.seal(PASSED, b"x"))).status == 200


@real_loop()
async def test_a_request_that_does_not_come_whole_is_not_served() -> None:
    node = Node()
    sent, mac = KEYS.seal(PASSED, b"")
    call = Call("POST", PATH, {MAC: mac}, [sent[:5], sent[5:]])
    call._events.get_nowait()
    call._events.get_nowait()
    call.leave()
    await node.endpoint(call.scope, call.receive, call.send)
    assert call.status == 400
    assert not node.served


@real_loop()
async def test_what_nobody_of_ours_has_announced_is_read_up_to_a_bound_only() -> None:
    node = Node()
    sent, mac = KEYS.seal(PASSED, b"x" * FREE_BYTES)
    size = str(len(sent))
    assert (await node.takes(sent, mac)).status == 413, "in parts, without a length"
    assert (await node.takes(sent, mac, content_length=size)).status == 403
    strange = NodeKeys(b"another secret").announced(len(sent))
    for announced in (strange, KEYS.announced(len(sent) + 1), "caf\xe9"):
        more = {"content_length": size, "x_callmux_node_size": announced}
        assert (await node.takes(sent, mac, **more)).status == 403
    assert not node.served
    more = {"content_length": size, "x_callmux_node_size": KEYS.announced(len(sent))}
    assert (await node.takes(sent, mac, **more)).status == 200
    assert (await Node(most=10).takes(sent, mac, **more)).status == 413
    assert len(node.served) == 1
    assert node.endpoint.refused == 4
