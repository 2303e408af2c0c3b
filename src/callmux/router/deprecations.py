"""Whether a description says that its tool should not be used any more, and in which words. Pure.

Called by `callmux.router.signatures`. MCP has no member for it, so servers say it in words: a clause that
begins with "deprecated", or a sentence that says that this is. Descriptions of tools that are about
deprecated things use the same word.
"""

from __future__ import annotations

import re

DEPRECATED = "deprecated"
LEAST_SENTENCE = 12
"""Characters of a description that are no sentence yet, such as those of an abbreviation."""

_SENTENCE_END = re.compile(r"[.!?](?=\s)")
_OPENING = r"(?:^|[^\w\s,/|'\"`]\s*|\n\s*)"
_FOLLOWING = r"by|since|in|as of|use|and|tool|alias|method|endpoint"
_CLAUSE = re.compile(
    rf"{_OPENING}(?:DEPRECATED\b|(?i:deprecated)(?=\W*$| ?[^\w\s]|,? (?i:{_FOLLOWING})\b))"
    r"|, [Dd]eprecated(?= (?:by|since|in favou?r|as of)\b)"
)
_FOLLOWS = re.compile(rf"(?:{_FOLLOWING})\b", re.IGNORECASE)
_THIS_IS = re.compile(r"\b(?:is|are|been|was|now) deprecated\b", re.IGNORECASE)
_OTHERS = re.compile(r"\b(?:if|whether|that|which|what|where|who)\b", re.IGNORECASE)
"""In a sentence with one of these before it, it is other things that are deprecated."""
_BETWEEN = " .,;:*-()[]\u2013\u2014"


def discouraged(text: str) -> str | None:
    """What is said of a tool that should not be used any more; None where nothing like that is said.

    Args:
        text: A description, or a title.
    """
    if DEPRECATED not in text.lower():
        return None
    if (found := _CLAUSE.search(text)) is not None:
        before, after = text[: found.start()], text[found.end() :].replace("*", "")
        said = first_sentence(re.split(r"[)\]\n]", after, maxsplit=1)[0]).lstrip(_BETWEEN)
        # Where it is that word alone, what stands beside it.
        said = said or first_sentence(after.lstrip(_BETWEEN + "\n")) or first_sentence(before)
        if not said:
            return DEPRECATED
        return f"{DEPRECATED} {said}" if _FOLLOWS.match(after.lstrip(" ,")) else f"{DEPRECATED}: {said}"
    for found in _THIS_IS.finditer(text):
        ends = (end.end() for end in _SENTENCE_END.finditer(text, 0, found.start()))
        start = max(ends, default=0)
        if not _OTHERS.search(text, start, found.start()):
            return first_sentence(text[start:].strip())
    return None


def first_sentence(text: str) -> str:
    """The first sentence of a text, without the sign at its end."""
    end = _SENTENCE_END.search(text, LEAST_SENTENCE)
    return (text if end is None else text[: end.start()]).rstrip(" .,;:")
