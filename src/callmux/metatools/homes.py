"""Which servers the words of a query are about. Pure.

Called by `callmux.metatools.scoring`. A tool seldom says what its server is for: "create_page" of a wiki does
not say "wiki". So a word that many tools of one server have, and few other servers, speaks for all tools of
that server.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

HALF = 0.3
"""Share of a server's tools that have a word, with which the word speaks half as much for it as with all."""


class Homes:
    """The servers of the documents of an index, which are known by their position; a server by its number.

    Attributes:
        of: The server of each document.
    """

    def __init__(self) -> None:
        self.of: list[int] = []
        self._numbers: dict[str, int] = {}
        self._sizes: list[int] = []

    def add(self, server: str) -> None:
        """The next document is a tool of `server`."""
        number = self._numbers.setdefault(server, len(self._sizes))
        if number == len(self._sizes):
            self._sizes.append(0)
        self._sizes[number] += 1
        self.of.append(number)

    @property
    def count(self) -> int:
        """How many servers there are."""
        return len(self._sizes)

    def speaks_for(self, positions: Iterable[int]) -> Mapping[int, float]:
        """How much a word speaks for each server, given the documents that have the word."""
        counts = Counter(map(self.of.__getitem__, positions))
        rarity = math.log(1 + (self.count - len(counts) + 0.5) / (len(counts) + 0.5))
        sizes = self._sizes
        return {server: rarity * n / (n + HALF * sizes[server]) for server, n in counts.items()}
