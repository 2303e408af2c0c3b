"""How cost grows: by tools, sessions, calls in flight, size of results, servers. One product, one point."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import psutil

from peers.client import Client, Failed, Flood, percentile
from peers.products import LISTENER, STDIO, Product, Setup
from peers.rounds import Sample
from peers.sockets import Sockets
from peers.watching import Tree
from peers.ways import IN_FLIGHT, Effort, on_stdio

OPEN_SECONDS = 90.0
"""The longest that opening all sessions may take."""
LEAST_FREE = 2 * 2**30
"""With less memory left than this, no more sessions are opened."""


def _flooded(client: Client, tree: Tree, effort: Effort, width: int) -> tuple[Flood, float]:
    """Calls with so many in flight, and what each cost the product, in microseconds of processor time."""
    before = tree.spent()
    flood = client.flood(effort.flood, effort.seconds / 2, width)
    return flood, (tree.spent() - before) / flood.calls * 1e6


def tools(product: Product, setup: Setup, effort: Effort, point: int) -> Sample:
    client, start = on_stdio(product, replace(setup, tools=point))
    with contextlib.closing(client):
        names: list[str] = []
        times = []
        for _ in range(3):
            began = time.perf_counter()
            names = client.listed()
            times.append((time.perf_counter() - began) * 1000)
        if product.wrap is None and len(names) < point:
            raise Failed(f"it lists {len(names)} of {point} tools")
        client.lone(effort.lone // 4, effort.seconds / 3)
        took = client.lone(effort.lone, effort.seconds / 2)
        held = Tree(client.process.pid).held()
        return {
            "start_ms": start,
            "list_ms": percentile(times, 0.5),
            "p50_us": percentile(took, 0.5) * 1e6,
            "pss_mb": held.pss,
        }


def servers(product: Product, setup: Setup, effort: Effort, point: int) -> Sample:
    client, start = on_stdio(product, replace(setup, servers=point), point)
    with contextlib.closing(client):
        client.flood(effort.warm // 2, effort.seconds / 2, IN_FLIGHT)
        took = client.lone(effort.lone, effort.seconds / 2)
        flood, spent = _flooded(client, Tree(client.process.pid), effort, IN_FLIGHT)
        held = Tree(client.process.pid).held()
        return {
            "start_ms": start,
            "p50_us": percentile(took, 0.5) * 1e6,
            "per_s": flood.per_second,
            "cpu_us": spent,
            "pss_mb": held.pss,
            "servers": held.servers,
        }


def in_flight(product: Product, setup: Setup, effort: Effort, point: int) -> Sample:
    client, _ = on_stdio(product, setup)
    with contextlib.closing(client):
        client.flood(effort.warm, effort.seconds / 2, point)
        flood, spent = _flooded(client, Tree(client.process.pid), effort, point)
        return {"per_s": flood.per_second, "cpu_us": spent}


def connections(product: Product, setup: Setup, effort: Effort, point: int) -> Sample:
    """The same at a listener: each call in flight has a connection of its own."""
    with product.listening(setup) as at, contextlib.closing(Sockets(at.url, at.headers)) as client:
        client.until_listed()
        client.flood(effort.warm, effort.seconds / 2, point)
        flood, spent = _flooded(client, Tree(*at.roots), effort, point)
        return {"per_s": flood.per_second, "cpu_us": spent}


def sessions(product: Product, setup: Setup, effort: Effort, point: int) -> Sample:
    """So many open sessions, a connection each, which take turns with 16 calls in flight."""
    with product.listening(setup) as at, contextlib.closing(Sockets(at.url, at.headers)) as client:
        client.until_listed()
        client.flood(effort.warm // 4, effort.seconds / 3, 1)
        tree = Tree(*at.roots)
        empty = tree.held()
        began = time.perf_counter()
        while len(client.connections) < point:
            if time.perf_counter() - began > OPEN_SECONDS:
                raise Failed(f"only {len(client.connections)} sessions in {OPEN_SECONDS:.0f} s")
            if (left := psutil.virtual_memory().available) < LEAST_FREE:
                behind = tree.held().servers
                raise Failed(
                    f"stopped at {len(client.connections)} sessions: {behind} servers run behind it, and "
                    f"{left / 2**30:.1f} GB of memory are left"
                )
            client.widen(min(point, len(client.connections) + 20))
        took = time.perf_counter() - began
        tree.look()
        flood, spent = _flooded(client, tree, effort, min(point, IN_FLIGHT))
        held = tree.held()
        figures = {
            "per_s": flood.per_second,
            "cpu_us": spent,
            "pss_mb": held.pss,
            "servers": held.servers,
        }
        if point == 1:
            return figures
        each = (held.pss - empty.pss) * 1024 / (point - 1)
        return {**figures, "open_ms": took * 1000 / (point - 1), "kb_each": each}


def size(product: Product, setup: Setup, effort: Effort, point: int) -> Sample:
    client, _ = on_stdio(product, setup)
    with contextlib.closing(client):
        client.call(0, point)
        count = max(3, min(effort.lone, 200_000_000 // point))
        client.lone(max(2, count // 4), effort.seconds / 4, point)
        took = client.lone(count, effort.seconds, point)
        return {"ms": percentile(took, 0.5) * 1000, "pss_mb": Tree(client.process.pid).held().pss}


class Curve(NamedTuple):
    """One curve.

    Attributes:
        title: What grows.
        way: On which way.
        points: How much of it.
        measure: One point of one product.
        several: Only products that can put several servers behind one session.
    """

    title: str
    way: str
    points: tuple[int, ...]
    measure: Callable[[Product, Setup, Effort, int], Sample]
    several: bool = False


CURVES = {
    "tools": Curve("tools", STDIO, (1, 10, 100, 1000, 10_000), tools),
    "servers": Curve("servers", STDIO, (1, 5, 20, 50), servers, several=True),
    "flight": Curve("calls in flight, stdio", STDIO, (1, 4, 16, 64, 256), in_flight),
    "connections": Curve("calls in flight, listener", LISTENER, (1, 4, 16, 64, 256), connections),
    "sessions": Curve("sessions at a listener", LISTENER, (1, 10, 100, 1000, 2000), sessions),
    "size": Curve(
        "bytes of a result", STDIO, (1_000, 10_000, 100_000, 1_000_000, 10_000_000, 50_000_000), size
    ),
}
