"""How large a text is for a model: about how many tokens it takes, and characters as clients cut them. Pure.

Called by `callmux.router.index_pages` and `.tool_index`, which keep within numbers of both.
`callmux.tokens` estimates large texts in microseconds, and names less well: those of tools are most of an
index. This estimate is that of cl100k_base without its table of 100,000 entries. A text is cut as the
encoding cuts it (words with the character before them, three digits, runs of signs, white space); what a
piece takes was fitted to prose, code, JSON, tool definitions and lists of names. For these, from a few
hundred tokens on, it is wrong by `ERROR` at most as a rule; texts of other scripts, which have no spaces to
cut at, count too high.
"""

from __future__ import annotations

import re
from functools import lru_cache
from math import ceil

ERROR = 0.1
"""The part of the true count by which an estimate may be wrong."""
CUT = 2048
"""Characters of descriptions and instructions that every known client shows (Claude Code cuts there)."""
MOST = 32768
"""Characters that are looked at; a longer text is judged by that many, taken from all of it."""
SAMPLES = 16
"""Places from which those are taken."""

_PIECE = re.compile(
    r"([^\r\nA-Za-z0-9\u0080-\U0010ffff]?)([A-Za-z]+)|(\d{1,3})|([\u0080-\U0010ffff]+)|"
    r" ?([^\sA-Za-z0-9\u0080-\U0010ffff]+)[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
"""A part of a word in camel case."""
_FREQUENT = (
    "abacadagaiakalamanaparasatauawaybeblbobycacechcickclcocrctdadedidodseaecedeeefelemenepeqeresetevexey"
    "fafifofrfugegigsguhahehihohticidieifigiliminioipirisitivjskekilaldlelflilllmlolsltlumamemimompmsmuna"
    "ncndnenfngninknnnonsntnyoaobocodofogokolomonoooporosotouowpapepiplpoppprpsptpyqurardrergrirnrorrrsrt"
    "rurvrysascseshsisksospssstsuswsytatctethtitotptrtstttutyueulumunupurusutuxvavewawewhwiwnwoxtynypysyt"
)
_PAIRS = frozenset(_FREQUENT[at : at + 2] for at in range(0, len(_FREQUENT), 2))
"""Pairs of letters that are frequent in words; one with others is more likely to be divided."""
_WORD, _NEXT_PART, _LETTER, _RARE, _CAPITALS = 0.85, 0.82, 0.03, 0.7, 0.7
_DIGITS, _SIGNS, _NEXT_SIGN, _SPACE, _BYTE = 1.06, 1.06, 0.03, 1.1, 0.5
"""Tokens of each: a word and its further parts in camel case; a letter beyond the seventh; a pair of letters
that is not frequent; a part in capitals; three digits; a run of signs and each beyond the second; white
space; a byte of another script."""
_BEFORE = {"": 0.0, " ": 0.0, "_": 0.05, "-": 0.25, "\\": 1.0}
_SIGN_BEFORE = 0.51
"""Tokens of a sign before a word: in JSON a line's end is written as one, and is no part of the word."""


def estimate(text: str) -> int:
    """The tokens of a text, about."""
    if len(text) <= MOST:
        return ceil(_sum(text))
    step, size = len(text) // SAMPLES, MOST // SAMPLES
    seen = sum(_sum(text[start : start + size]) for start in range(0, step * SAMPLES, step))
    return ceil(seen * len(text) / MOST)


def characters(text: str) -> int:
    """Characters as clients count them that are written in JavaScript."""
    return len(text) + (0 if text.isascii() else sum(character > "\uffff" for character in text))


def _sum(text: str) -> float:
    total = 0.0
    for before, word, digits, other, signs in _PIECE.findall(text):
        if word:
            total += _of_word(word) + _BEFORE.get(before, _SIGN_BEFORE)
        elif digits:
            total += _DIGITS
        elif signs:
            total += _SIGNS + max(0, len(signs) - 2) * _NEXT_SIGN
        elif other:
            total += len(other.encode("utf-8", "surrogatepass")) * _BYTE
        else:
            total += _SPACE
    return total


@lru_cache(maxsize=4096)
def _of_word(word: str) -> float:
    parts: list[str] = _PART.findall(word)
    total = _WORD + (len(parts) - 1) * _NEXT_PART
    for part in parts:
        total += max(0, len(part) - 7) * _LETTER
        if len(part) > 2 and part.isupper():
            total += _CAPITALS
        else:
            small = part.lower()
            total += sum(small[at : at + 2] not in _PAIRS for at in range(len(small) - 1)) * _RARE
    return total
