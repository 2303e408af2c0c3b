"""Many kills: `python -m tests.left [--kills N] [--seed N] [--lanes N]`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from tests.left.kills import strike


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.left")
    parser.add_argument("--kills", type=int, default=1000, help="how often something is killed")
    parser.add_argument("--seed", type=int, default=1, help="of what happens by chance")
    parser.add_argument("--lanes", type=int, default=3, help="how many callmux there are at a time")
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        work = strike(Path(folder), given.kills, given.seed, given.lanes, partial(print, flush=True))
        account = asyncio.run(work)
    for survivor in account.survivors:
        print(survivor)
    print(f"{account}; {time.monotonic() - began:.0f} s")
    return 1 if account.survivors else 0


if __name__ == "__main__":
    sys.exit(main())
