"""The words of texts and queries: identifiers taken apart, endings taken off. Pure.

Called by `callmux.metatools.scoring` and `.synonyms`.
"""

from __future__ import annotations

import re
from functools import lru_cache

LONGEST_QUERY = 20_000
"""Characters of a query that are looked at."""
MOST_WORDS = 200
"""Words that a query asks for at most: each costs a look at every tool that has it."""

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
    """The stems a query asks for: without the words that say nothing, unless it has no others. The first ones
    only, where a query is as long as a book."""
    plain = [found.lower() for found in _WORD.findall(query[:LONGEST_QUERY])]
    telling = [word for word in plain if word not in _STOP] or plain
    return list(dict.fromkeys(map(stem, telling)))[:MOST_WORDS]
