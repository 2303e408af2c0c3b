"""All cases and all flips of the table: `python -m tests.begun [--rounds N]`."""

from __future__ import annotations

import argparse
import logging
import random
import sys

from callmux.protocol.failure_points import TABLE
from tests.begun.cases import all_cases
from tests.begun.flips import flips, uncaught
from tests.begun.play import wrong_in


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.begun")
    parser.add_argument("--rounds", type=int, default=1, help="how often, each time in another order")
    rounds = parser.parse_args().rounds
    logging.disable(logging.CRITICAL)
    cases = list(all_cases())
    failed = 0
    for seed in range(rounds):
        random.Random(seed).shuffle(cases)
        for case in cases:
            for wrong in wrong_in(case):
                failed += 1
                print(f"{case}: {wrong}", flush=True)
        print(f"round {seed + 1}: {len(cases)} cases, {failed} wrong so far", flush=True)
    all_flips = [(row, flip) for row in TABLE for flip in flips(row)]
    missed = [(row, flip) for row, flip in all_flips if uncaught(row, flip, cases)]
    for row, flip in missed:
        print(f"not noticed: {row} as {flip}")
    print(f"{len(all_flips)} wrong answers in {len(TABLE)} rows, {len(missed)} not noticed")
    return 1 if failed or missed else 0


if __name__ == "__main__":
    sys.exit(main())
