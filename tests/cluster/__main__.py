"""The long run: `python -m tests.cluster --sessions 200 --rounds 3 --front haproxy`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
import traceback
from pathlib import Path

from .front import KINDS
from .trial import trial

FAULTS = ("kill", "stop", "pause", "redis restart", "redis cut")


def main() -> int:
    # The client of the SDK says of each call that its tool was not listed meanwhile.
    logging.getLogger("client").setLevel(logging.ERROR)
    parser = argparse.ArgumentParser(
        description="Nodes that are killed, stopped, upgraded and paused, under load."
    )
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3, help="each fault on each node so often")
    parser.add_argument("--front", choices=KINDS, default="nginx")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bridges", type=int, default=10)
    parser.add_argument("--fault", action="append", choices=FAULTS, help="only this; repeatable")
    parser.add_argument(
        "--pause", type=float, default=2.0, help="seconds between two calls of a session, at most"
    )
    given = parser.parse_args()
    kinds = [kind for _ in range(given.rounds) for kind in given.fault or FAULTS for _ in range(given.nodes)]
    sdk = max(1, (given.sessions - given.bridges) // 3)
    with tempfile.TemporaryDirectory(prefix="callmux-cluster-") as folder:
        seen = asyncio.run(
            trial(
                Path(folder),
                kinds,
                nodes=given.nodes,
                front=given.front,
                bridges=given.bridges,
                sdk=sdk,
                plains=given.sessions - given.bridges - sdk,
                seed=given.seed,
                pause=given.pause,
                longest=800,
                show=lambda line: print(line, flush=True),
            )
        )
    print(seen.account)
    for line in seen.wrong[:40]:
        print(line)
    for kind in ("sdk", "plain"):
        for call in [
            call for call in seen.calls if call.kind == kind and call.state not in ("ok", "unknown")
        ][:8]:
            print("  ", kind, call.tool, f"{call.over - call.began:.2f} s", call.said[:200])
    print(f"broken promises: {len(seen.wrong)}")
    return 1 if seen.wrong else 0


def leaves(error: BaseException) -> list[BaseException]:
    """The errors in a group of groups."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in leaves(part)]
    return [error]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BaseExceptionGroup as group:
        for leaf in leaves(group):
            traceback.print_exception(leaf)
        sys.exit(2)
