"""The words of texts and queries: identifiers taken apart, endings taken off. Pure.

Called by `callmux.metatools.scoring`, `.question` and `.synonyms`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import chain, pairwise

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_A-Za-z]+")
_VOWEL = re.compile(r"[aeiouy]")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]{3,}")
"""Writing without spaces between words: Chinese, Japanese."""


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


def parts(text: str) -> list[str]:
    """The words in a text in lower case; identifiers in any style are taken apart.

    Where writing has no spaces, every two neighbouring characters are a word.
    """
    found = [word.lower() for word in _WORD.findall(text)]
    pairs = ((word,) if not _UNSPACED.fullmatch(word) else map("".join, pairwise(word)) for word in found)
    return list(chain.from_iterable(pairs))


def words(text: str) -> list[str]:
    """The stems in a text."""
    if text.isascii():
        return [stem(word.lower()) for word in _WORD.findall(text)]
    return list(map(stem, parts(text)))
