"""`python -m tests.traffic MINUTES [--first SEED]`: traffic for as long as you like; prints what is wrong."""

from __future__ import annotations

import argparse
import logging
import random
import time
from collections import Counter

from tests.traffic.street import played
from tests.traffic.ways import WAYS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.traffic")
    parser.add_argument("minutes", type=float)
    parser.add_argument("--first", type=int, default=random.randrange(10**9), help="the first seed")
    given = parser.parse_args()
    logging.getLogger("callmux").propagate = False
    end = time.monotonic() + 60 * given.minutes
    seed, wrong = given.first, 0
    seen: Counter[str] = Counter()
    while time.monotonic() < end:
        for way in WAYS:
            model = played(seed, way)
            seen += model.count
            if model.wrong:
                wrong += 1
                print(f"seed {seed}, {way}:", *model.wrong[:5], sep="\n    ", flush=True)
        seed += 1
    print(f"seeds {given.first} to {seed - 1}, each {len(WAYS)} ways: {wrong} wrong. {dict(seen)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
