"""One product on one way: the figures of one round.

| figure | meaning |
| --- | --- |
| `p50_us`, `p99_us` | one call after the other |
| `per_s` | calls a second with 16 in flight: on one pair of pipes, or on 16 connections |
| `cpu_us`, `cpu_lone_us` | processor time a call of the product's processes, with 16 in flight and alone |
| `pss_mb`, `rss_mb`, `processes`, `servers` | what is held after that |
| `start_ms` | from its start to the first list with the server's tool |
| `driver` | the share of a core that the driver took with 16 in flight |
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
import time
from collections.abc import Callable
from typing import NamedTuple

from peers.client import Client, Failed, percentile
from peers.pipes import Pipes
from peers.products import (
    BRIDGE,
    CALL,
    CALL_ALONE,
    GUARDED_BRIDGE,
    GUARDED_CALL,
    GUARDED_LISTENER,
    LISTENER,
    STDIO,
    Callmux,
    Product,
    Setup,
)
from peers.rounds import Sample
from peers.sockets import Sockets
from peers.watching import Driving, Tree

IN_FLIGHT = 16


class Effort(NamedTuple):
    """How much is done for one figure: so many calls, or for so long, whichever ends first.

    Attributes:
        warm: Calls with 16 in flight before anything is measured; a tenth of that, one after the other.
        lone: Calls one after the other.
        flood: Calls with 16 in flight.
        seconds: The longest of each.
        commands: Whole processes, one after the other.
    """

    warm: int = 3000
    lone: int = 2000
    flood: int = 20_000
    seconds: float = 3.0
    commands: int = 5


def opened(client: Client, began: float, servers: int = 1) -> float:
    """Waits for the tools of the server; milliseconds since the start."""
    client.until_listed(servers)
    return (time.perf_counter() - began) * 1000


def on_stdio(product: Product, setup: Setup, servers: int = 1) -> tuple[Pipes, float]:
    """A client on the pipes of a product, greeted, and how long the start took.

    Raises:
        Failed: It does not start.
    """
    words = product.stdio(setup)
    client = Pipes(words, product.environment(setup), setup.folder, setup.noise, product.wrap)
    try:
        client.greet()
        return client, opened(client, client.began, servers)
    except Failed:
        client.close()
        raise


def loaded(client: Client, tree: Tree, effort: Effort) -> Sample:
    """The figures of calls, by a client whose product is up."""
    client.call(1)
    client.flood(effort.warm, effort.seconds, IN_FLIGHT)
    client.lone(effort.warm // 10, effort.seconds / 2)
    tree.look()
    spent = tree.spent()
    took = client.lone(effort.lone, effort.seconds)
    alone = (tree.spent() - spent) / len(took)
    spent = tree.spent()
    driving = Driving()
    flood = client.flood(effort.flood, effort.seconds, IN_FLIGHT)
    share = driving.share
    busy = (tree.spent() - spent) / flood.calls
    held = tree.held()
    return {
        "p50_us": percentile(took, 0.5) * 1e6,
        "p99_us": percentile(took, 0.99) * 1e6,
        "per_s": flood.per_second,
        "cpu_us": busy * 1e6,
        "cpu_lone_us": alone * 1e6,
        "pss_mb": held.pss,
        "rss_mb": held.rss,
        "processes": held.processes,
        "servers": held.servers,
        "driver": share,
    }


def stdio(product: Product, setup: Setup, effort: Effort) -> Sample:
    client, start = on_stdio(product, setup)
    with contextlib.closing(client):
        return {**loaded(client, Tree(client.process.pid), effort), "start_ms": start}


def listener(product: Product, setup: Setup, effort: Effort) -> Sample:
    with product.listening(setup) as at, contextlib.closing(Sockets(at.url, at.headers)) as client:
        start = opened(client, at.began)
        return {**loaded(client, Tree(*at.roots), effort), "start_ms": start}


def bridge(product: Product, setup: Setup, effort: Effort) -> Sample:
    """Memory and processes are those of the bridge, processor time that of both."""
    with product.listening(setup) as at:
        with contextlib.closing(Sockets(at.url, at.headers)) as first:
            first.until_listed()
        home = setup.folder / "bridge"
        home.mkdir()
        words = product.bridge(at)
        env = product.environment(dataclasses.replace(setup, folder=home))
        with contextlib.closing(Pipes(words, env, home, setup.noise)) as client:
            client.greet()
            start = opened(client, client.began)
            both = Tree(client.process.pid, *at.roots)
            found = {**loaded(client, both, effort), "start_ms": start}
            held = Tree(client.process.pid).held()
            return {**found, "pss_mb": held.pss, "rss_mb": held.rss, "processes": held.processes}


def call(product: Product, setup: Setup, effort: Effort) -> Sample:
    """Whole processes against a listener of callmux, the same for every product."""
    ours = Callmux(product.cache)
    home = setup.folder / "listener"
    home.mkdir()
    with ours.listening(dataclasses.replace(setup, folder=home)) as at:
        with contextlib.closing(Sockets(at.url, at.headers)) as first:
            first.until_listed()
        return _commands(product.command(at._replace(home=setup.folder)), product, setup, effort)


def call_alone(product: Product, setup: Setup, effort: Effort) -> Sample:
    """Whole processes that start the server themselves."""
    return _commands(product.command_alone(setup), product, setup, effort)


def _commands(words: list[str], product: Product, setup: Setup, effort: Effort) -> Sample:
    env = product.environment(setup)
    took, spent, peak = [], [], []
    for n in range(effort.commands + 1):
        began = time.perf_counter()
        process = subprocess.Popen(
            words,
            env=env,
            cwd=setup.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=setup.noise,
        )
        assert process.stdout is not None
        with process.stdout as pipe:
            said = pipe.read()
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode or b"open" not in said:
            raise Failed(f"exit code {process.returncode}: {said[:200].decode(errors='replace')}")
        if n:  # The first one fills caches.
            took.append(seconds * 1000)
            spent.append((used.ru_utime + used.ru_stime) * 1000)
            peak.append(used.ru_maxrss / 1024)
    return {
        "whole_ms": percentile(took, 0.5),
        "cpu_ms": percentile(spent, 0.5),
        "peak_mb": percentile(peak, 0.5),
    }


Measure = Callable[[Product, Setup, Effort], Sample]
WAYS: dict[str, Measure] = {
    STDIO: stdio,
    LISTENER: listener,
    BRIDGE: bridge,
    CALL: call,
    CALL_ALONE: call_alone,
    GUARDED_LISTENER: listener,
    GUARDED_BRIDGE: bridge,
    GUARDED_CALL: call,
}
