"""How well tools match the words of a query: fielded BM25 over an inverted index, and their servers. Pure.

Called by `callmux.metatools.search_tools`, which builds one index per catalogue. Everything that does not
depend on the query is computed when the index is built, so that a query touches only the tools that share a
word with it. Where the figures come from: `benchmarks/search.py`.
"""

from __future__ import annotations

import math
import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heapreplace, nlargest

import msgspec

from callmux.metatools.homes import Homes
from callmux.metatools.question import LONGEST_QUERY, asked_words
from callmux.metatools.synonyms import SYNONYMS
from callmux.metatools.words import words

SATURATION = 1.2
"""`k1` of BM25: how soon more of the same word stops counting."""
SYNONYM = 0.7
"""What a synonym counts beside the word itself."""
WHOLE_NAME = 10.0
"""Added for a query that spells a tool's name."""

QUESTION = 10
"""Words from which a query is a whole question, which may need several tools."""
SERVER = 0.5
"""What the words that speak for a tool's server count beside those that speak for the tool."""
AFFINITY = 0.3
"""What a question's best tools add to the other tools of their server."""
CANDIDATES = 150
"""Tools among which the answer to a question is chosen."""
COVERED = 0.2
"""How much less a word counts once a tool that says it best is chosen."""

CROWD = 4
"""Tools of one server that come before it matters how many of them there are."""
CROWDED = 0.93
"""What each further one counts, times the one before it."""
LEADERS = 4
"""The first tools found, whose names say what else is meant."""
KIN = 0.3
"""What a word of their names counts beside a word of the query."""
MOST_KIN = 8
"""Words of their names that are looked for."""
NEXT = 5
"""Tools that are looked at for each that is shown, to find some of other servers."""

SLICE = 25
"""Documents that are indexed in one step."""


class Field(msgspec.Struct, frozen=True):
    """How much a field of a tool counts.

    Attributes:
        weight: Times a word in it counts.
        length: How far a long text is held against it, 0 (not at all) to 1; `b` of BM25.
    """

    weight: float
    length: float


FIRST_SENTENCE = re.compile(r"(?<=[.!?])\s|\n|。")
"""Where the first sentence of a description ends. It says what the tool does, the further ones how."""

FIELDS: Mapping[str, Field] = {
    "name": Field(3.5, 0.4),
    "title": Field(2.0, 0.4),
    "server": Field(2.0, 0.3),
    "description": Field(1.0, 0.6),
    "further": Field(0.3, 0.6),
    "parameters": Field(0.5, 0.7),
    "parameter descriptions": Field(0.1, 0.8),
}

TELLING = frozenset({"name", "title", "server", "description"})
"""Fields that say what a tool is for; their words also speak for the tool's server."""

ASIDE = frozenset({"parameter descriptions"})
"""Fields that help to rank, and match alone only where no tool matches otherwise."""

Document = Mapping[str, str]
"""The text of a tool by field. "further", what follows a description's first sentence, is taken from it."""

Postings = tuple["array[int]", "array[float]"]
"""Positions of documents, and what a word counts in each."""


class Index:
    """An inverted index over documents, which are known by their position.

    Args:
        documents: The tools' texts.
        fields: How much each field counts; text under other names is not searched.
    """

    def __init__(self, documents: Iterable[Document] = (), fields: Mapping[str, Field] = FIELDS) -> None:
        self.size = 0
        self._fields = fields
        self._postings: dict[str, Postings] = {}
        self._told: dict[str, array[int]] = {}
        self._named: dict[str, array[int]] = {}
        self._widened: dict[str, Postings] = {}
        self._spoken: dict[str, Mapping[int, float]] = {}
        self._whole: dict[str, list[int]] = {}
        self._names: list[tuple[str, ...]] = []
        self._homes = Homes()
        for _ in self.fill(documents):
            pass

    def fill(self, documents: Iterable[Document]) -> Iterator[None]:
        """Fills an empty index step by step; a step takes about a millisecond."""
        split: list[dict[str, list[str]]] = []
        for position, document in enumerate(documents):
            texts = _in_sentences(document)
            found = {f: words(text) for f in self._fields if (text := texts.get(f))}
            split.append(found)
            name = found.get("name", [])
            self._whole.setdefault("".join(name), []).append(position)
            self._names.append(tuple(dict.fromkeys(name)))
            self._homes.add(document.get("server", ""))
            if position % SLICE == SLICE - 1:
                yield
        self.size = len(split)
        average = {
            f: sum(len(doc.get(f, ())) for doc in split) / max(1, sum(f in doc for doc in split))
            for f in self._fields
        }
        for position, doc in enumerate(split):
            self._post(position, doc, average)
            if position % SLICE == SLICE - 1:
                yield

    def _post(self, position: int, doc: Mapping[str, Sequence[str]], average: Mapping[str, float]) -> None:
        counts: dict[str, float] = {}
        told: set[str] = set()
        named: set[str] = set()
        for name, found in doc.items():
            if name in TELLING:
                told.update(found)
            elif name not in ASIDE:
                named.update(found)
            field = self._fields[name]
            share = field.weight / (1 - field.length + field.length * len(found) / (average[name] or 1))
            for word in found:
                counts[word] = counts.get(word, 0.0) + share
        for word, count in counts.items():
            postings = self._postings.get(word)
            if postings is None:
                postings = self._postings[word] = array("I"), array("f")
            postings[0].append(position)
            postings[1].append(count / (SATURATION + count))
        for word in told:
            self._told.setdefault(word, array("I")).append(position)
        for word in named - told:
            self._named.setdefault(word, array("I")).append(position)

    def scores(self, query: str) -> dict[int, float]:
        """The documents that share a word with the query, or a synonym of one, and how well they match.

        Those that share it in a field of `ASIDE`, or only a word of ordinary talk, count where there are no
        others.
        """
        asked = asked_words(query)
        sums = [0.0] * self.size
        for word, counts in asked.items():
            for position, value in zip(*self._values(word), strict=True):
                sums[position] += counts * value
        # A query that spells a whole name, in whatever style, means that tool.
        for position in self._whole.get("".join(words(query[:LONGEST_QUERY])), ()) if asked else ():
            sums[position] += WHOLE_NAME
        named: set[int] = set()
        for word, counts in asked.items():
            for other in (word, *SYNONYMS.get(word, ())) if counts == 1 else ():
                named.update(self._told.get(other, ()), self._named.get(other, ()))
        homes, servers = self._homes.of, self._servers(asked)
        matching = named or [position for position, value in enumerate(sums) if value]
        return {p: sums[p] + servers[homes[p]] for p in matching}

    def _servers(self, asked: Mapping[str, float]) -> list[float]:
        """What each server adds to its tools that match: how much the query is about the server."""
        sums = [0.0] * self._homes.count
        for word, counts in asked.items():
            for server, value in self._speaks_for(word).items():
                sums[server] += SERVER * counts * value
        return sums

    def _speaks_for(self, word: str) -> Mapping[int, float]:
        """How much `word`, or a synonym of it, speaks for each server."""
        known = self._spoken.get(word)
        if known is not None:
            return known
        found = dict(self._homes.speaks_for(self._told.get(word, ())))
        for other in SYNONYMS.get(word, ()):
            for server, value in self._homes.speaks_for(self._told.get(other, ())).items():
                found[server] = max(found.get(server, 0.0), SYNONYM * value)
        if word in SYNONYMS:
            self._spoken[word] = found
        return found

    def spread(self, query: str, scores: Mapping[int, float], most: int) -> list[tuple[int, float]]:
        """The best `most` documents, best first; for a whole question a choice that covers its parts."""
        asked = asked_words(query)
        if len(asked) < QUESTION:
            return self._varied(self._akin(asked, _highest(scores, NEXT * most)), most)
        return self._covering(asked, self._akin(asked, _highest(scores, max(CANDIDATES, most))), most)

    def _akin(self, asked: Mapping[str, float], best: list[tuple[int, float]]) -> list[tuple[int, float]]:
        """The same documents, in the light of the first of them: what these are named is likely meant."""
        first = best[:LEADERS]
        further: dict[str, float] = {}
        for position, score in first if first and first[0][1] else ():
            for word in self._names[position]:
                if word not in asked:
                    further[word] = further.get(word, 0.0) + score / first[0][1] / LEADERS * self._rarity(
                        word
                    )
        gained = dict(best)
        for word, weight in nlargest(MOST_KIN, further.items(), key=lambda item: (item[1], item[0])):
            positions, counted = self._postings[word]
            for position in gained:
                place = bisect_left(positions, position)
                if place < len(positions) and positions[place] == position:
                    gained[position] += KIN * weight * counted[place]
        return _highest(gained, len(gained))

    def _varied(self, best: Iterable[tuple[int, float]], most: int) -> list[tuple[int, float]]:
        """Many tools of one server say nearly the same: after the first few of a server, tools of others come
        first that match nearly as well."""
        shown: dict[int, int] = {}
        varied: list[tuple[int, float]] = []
        for position, score in best:
            server = self._homes.of[position]
            shown[server] = shown.get(server, 0) + 1
            varied.append((position, score * CROWDED ** max(0, shown[server] - CROWD)))
        return _highest(dict(varied), most)

    def _covering(
        self, asked: Mapping[str, float], best: Sequence[tuple[int, float]], most: int
    ) -> list[tuple[int, float]]:
        """A question names several things to do, and seldom the words of their tools. So a tool gains from
        others of its server that match, and what a chosen tool says counts less for the next one."""
        says: dict[int, list[tuple[int, float]]] = {position: [] for position, _ in best}
        highest = [0.0] * len(asked)
        for n, (word, counts) in enumerate(asked.items()):
            for position, value in zip(*self._values(word), strict=True):
                if position in says:
                    says[position].append((n, counts * value))
                    highest[n] = max(highest[n], counts * value)
        homes = self._homes.of
        groups: dict[int, list[float]] = {}
        for position, score in best:
            groups.setdefault(homes[position], []).append(score)
        bonus = {
            position: AFFINITY * sum(groups[homes[position]][:3]) / 3
            + max(0.0, score - sum(value for _, value in says[position]))
            for position, score in best
        }
        left = [1.0] * len(asked)
        chosen: list[tuple[int, float]] = []
        waiting = [(-bonus[p] - sum(value for _, value in said), p) for p, said in says.items()]
        heapify(waiting)
        while waiting and len(chosen) < most:
            position = waiting[0][1]
            gain = bonus[position] + sum(value * left[n] for n, value in says[position])
            heapreplace(waiting, (-gain, position))
            # Gains only fall: what is first with its gain of now is the best.
            if waiting[0][1] == position:
                heappop(waiting)
                chosen.append((position, gain))
                for n, value in says[position]:
                    left[n] *= 1 - COVERED * value / highest[n]
        return chosen

    def _values(self, word: str) -> Postings:
        """What `word` counts in each document that has it or a synonym of it."""
        known = self._widened.get(word)
        if known is not None:
            return known
        own = self._rarity(word)
        found = {p: own * share for p, share in zip(*self._postings.get(word, _NONE), strict=True)}
        for other in SYNONYMS.get(word, ()):
            rarity = self._rarity(other)
            weight = SYNONYM * (min(own, rarity) if found else rarity)
            for position, share in zip(*self._postings.get(other, _NONE), strict=True):
                value = weight * share
                if value > found.get(position, 0.0):
                    found[position] = value
        values = array("I", found.keys()), array("f", found.values())
        if word in SYNONYMS:
            # The words that are asked for again and again; there are not many of them.
            self._widened[word] = values
        return values

    def _rarity(self, word: str) -> float:
        count = len(self._postings.get(word, _NONE)[0])
        return math.log(1 + (self.size - count + 0.5) / (count + 0.5)) if count else 0.0


def _in_sentences(document: Document) -> Document:
    text = document.get("description", "").strip()
    end = FIRST_SENTENCE.search(text)
    return (
        document
        if end is None
        else {**document, "description": text[: end.start()], "further": text[end.end() :]}
    )


def _highest(scores: Mapping[int, float], most: int) -> list[tuple[int, float]]:
    """The `most` best, best first; equal ones in their order."""
    if len(scores) > most:
        least = nlargest(most, scores.values())[-1]
        scores = {position: score for position, score in scores.items() if score >= least}
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:most]


_NONE: Postings = (array("I"), array("f"))
