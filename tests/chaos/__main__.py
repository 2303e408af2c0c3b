"""The long run: `python -m tests.chaos --faults 1000 --sessions 8`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.cluster.front import KINDS as FRONTS

from .faults import KINDS
from .nodes import NODE_KINDS
from .storm import storm


def main() -> int:
    parser = argparse.ArgumentParser(description="Faults at every tier, under load.")
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--kind", action="append", choices=[*KINDS, *NODE_KINDS], help="only this; repeatable"
    )
    parser.add_argument("--nodes", type=int, default=0, help="the listener is so many nodes")
    parser.add_argument("--front", choices=FRONTS, default="nginx", help="what stands before nodes")
    parser.add_argument("--quiet", action="store_true", help="only the table")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="callmux-chaos-") as folder:
        work = storm(
            Path(folder),
            given.faults,
            given.sessions,
            given.seed,
            given.kind,
            (lambda line: None) if given.quiet else lambda line: print(line, flush=True),
            samples=6,
            nodes=given.nodes,
            front=given.front,
        )
        seen = asyncio.run(work)
    print(seen.account)
    for line in seen.wrong[:40]:
        print(line)
    return 1 if seen.wrong or seen.left else 0


if __name__ == "__main__":
    sys.exit(main())
