"""callmux with needless work in each call, to see that `instructions.py` notices it. Started by that.

    python burden.py ROUNDS ARGUMENTS OF CALLMUX...

The work is done where a call is handed to its server, or by a bridge to its listener.
"""

from __future__ import annotations

import sys
from functools import wraps
from typing import Any


def waste(rounds: int) -> None:
    """Does nothing, so often."""
    for _ in range(rounds):
        pass


def add(rounds: int) -> None:
    """Puts the work into every call."""
    from callmux.bridge.link import Link
    from callmux.upstream.connection import Connection

    _load(Connection, "send", rounds)
    _load(Link, "request", rounds)


def _load(kind: type, name: str, rounds: int) -> None:
    plain = getattr(kind, name)

    @wraps(plain)
    def burdened(*args: Any, **options: Any) -> Any:
        waste(rounds)
        return plain(*args, **options)

    setattr(kind, name, burdened)


def main() -> None:
    add(int(sys.argv.pop(1)))
    from callmux.cli.main import main as callmux

    sys.exit(callmux())


if __name__ == "__main__":
    main()
