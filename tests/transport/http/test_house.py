"""What the endpoints ask of the rest is what the rest gives."""

from __future__ import annotations

from callmux.nodes.cluster import Cluster
from callmux.transport.http.house import Nodes, Sessions
from tests.transport.http.asgi import House, Ledger


def test_a_cluster_is_what_the_endpoints_ask_for() -> None:
    for protocol, implementation in ((Nodes, Cluster), (Sessions, Ledger)):
        asked = {name for name in vars(protocol) if not name.startswith("_")}
        assert asked <= set(dir(implementation)), protocol


def test_a_listener_is_alone_unless_it_is_told_otherwise() -> None:
    assert House().listener.nodes is None
