"""How well tools match the words of a query: fielded BM25 over an inverted index. Pure.

Called by `callmux.metatools.search_tools`, which builds one index per catalogue. Everything that does not
depend on the query is computed when the index is built, so that a query touches only the tools that share a
word with it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec

SATURATION = 1.2
"""`k1` of BM25: how soon more of the same word stops counting."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_A-Za-z]+")
_VOWEL = re.compile(r"[aeiouy]")
_STOP = frozenset(
    re.findall(
        r"\w+",
        """
        a an and any are as at be by can do for from has have how i if in into is it its let me my of on or
        our please so some that the their them then there these this to us want was we what when where which
        who will with would you your
        """,
    )
)


class Field(msgspec.Struct, frozen=True):
    """How much a field of a tool counts.

    Attributes:
        weight: Times a word in it counts.
        length: How far a long text is held against it, 0 (not at all) to 1; `b` of BM25.
    """

    weight: float
    length: float


FIELDS: Mapping[str, Field] = {
    "name": Field(4.0, 0.4),
    "title": Field(2.0, 0.4),
    "server": Field(1.5, 0.3),
    "description": Field(1.0, 0.6),
    "parameters": Field(0.6, 0.7),
}

Document = Mapping[str, str]
"""The text of a tool by field."""


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """A lower-case word without its commonest English endings: "issues" and "issue" become the same."""
    if len(word) < 4 or not word.isascii() or word.isdigit():
        return word
    if word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith(("sses", "shes", "ches", "xes", "zes")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        rest = word.removesuffix(ending)
        if rest != word and len(rest) > 2 and _VOWEL.search(rest):
            word = rest[:-1] if rest[-1] == rest[-2] and rest[-1] not in "lsz" else rest
            break
    if len(word) > 6 and word.endswith(("sion", "tion")):
        word = word[:-3]
    if len(word) > 3 and word[-1] == "e":
        word = word[:-1]
    elif len(word) > 3 and word[-1] == "y" and word[-2] not in "aeiou":
        word = word[:-1] + "i"
    return word


def words(text: str) -> list[str]:
    """The stems in a text; identifiers in any style are taken apart."""
    return [stem(found.lower()) for found in _WORD.findall(text)]


def query_words(query: str) -> list[str]:
    """The stems a query asks for: without the words that say nothing, unless it has no others."""
    plain = [found.lower() for found in _WORD.findall(query)]
    telling = [word for word in plain if word not in _STOP] or plain
    return list(dict.fromkeys(map(stem, telling)))


class Index:
    """An inverted index over documents, which are known by their position.

    Args:
        documents: The tools' texts.
        fields: How much each field counts; text under other names is not searched.
    """

    def __init__(self, documents: Sequence[Document], fields: Mapping[str, Field] = FIELDS) -> None:
        self.size = len(documents)
        split = [{f: words(text) for f in fields if (text := doc.get(f))} for doc in documents]
        average = {
            f: sum(len(doc.get(f, ())) for doc in split) / max(1, sum(f in doc for doc in split))
            for f in fields
        }
        self._postings: dict[str, list[tuple[int, float]]] = {}
        for position, doc in enumerate(split):
            counts: dict[str, float] = {}
            for name, found in doc.items():
                field = fields[name]
                share = field.weight / (1 - field.length + field.length * len(found) / (average[name] or 1))
                for word in found:
                    counts[word] = counts.get(word, 0.0) + share
            for word, count in counts.items():
                self._postings.setdefault(word, []).append((position, count / (SATURATION + count)))
        self._whole: dict[str, list[int]] = {}
        for position, doc in enumerate(split):
            self._whole.setdefault("".join(doc.get("name", ())), []).append(position)

    def scores(self, query: str) -> dict[int, float]:
        """The documents that share a word with the query, by position, and how well they match."""
        asked = query_words(query)
        found: dict[int, float] = {}
        for word in asked:
            postings = self._postings.get(word, ())
            if postings:
                rarity = math.log(1 + (self.size - len(postings) + 0.5) / (len(postings) + 0.5))
                for position, share in postings:
                    found[position] = found.get(position, 0.0) + rarity * share
        # A query that spells a whole name, in whatever style, means that tool.
        for position in self._whole.get("".join(words(query)), ()) if asked else ():
            found[position] = found.get(position, 0.0) + 10.0
        return found
