"""What a query asks for: its words, and how much each counts. Pure.

Called by `callmux.metatools.scoring`; takes texts apart with `callmux.metatools.words`. People write in
sentences, with paths and addresses in them. Of a path only the kind of its file tells which tool is wanted,
of an address its host, of a long run of letters and digits nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from callmux.metatools.words import parts, stem

LONGEST_QUERY = 20_000
"""Characters of a query that are looked at."""
MOST_WORDS = 200
"""Words that a query asks for at most: each costs a look at every tool that has it."""
FAINT = 0.3
"""What a word of ordinary talk counts, and one of a file's name."""

_STOP = frozenset(
    re.findall(
        r"\w+",
        """
        a an and any are as at be by can do for from has have how i if in into is it its let me my of on
        or our please so some that the their them then there these this to us want was we what when
        where which who will with would you your
        """,
    )
)
"""Words that never tell anything."""

_TALK = frozenset(
    re.findall(
        r"\w+",
        """
        able about again ago all almost already also although always am among another anyone anything
        around away because been before being besides best better between both but came come could
        despite did does doing done during each either else etc even ever every everything few finally
        first following further give given giving go going gone good got great had he help helping her
        here him himself his however idea itself just keep kind last later least less like likely ll lot
        lots m made make many may maybe might mine more most much must myself need needed needs neither
        never next no nobody none nor not nothing now off often okay once one only onto other others
        otherwise ought out over own particular per perhaps possible probably quite rather re really
        regarding right s said same say seem several shall she should since somebody someone something
        sometimes soon still such sure t take tell than thank thanks therefore they think those though
        three through thus together too toward towards try trying two under unless until upon use used
        using usually ve very via wanted wants way ways well were whatever whenever whether while whole
        whom whose why wish within without won wonder yes yet yours
        """,
    )
)
"""Words of ordinary talk: a tool may be about one, but most queries only say it by the way."""

KINDS: Mapping[str, str] = {
    ending: kind
    for kind, endings in {
        "pdf": "pdf",
        "word document": "doc docx odt rtf",
        "presentation slide": "ppt pptx odp",
        "excel spreadsheet": "xls xlsx ods",
        "csv table": "csv tsv",
        "markdown": "md mdx markdown",
        "text": "txt log",
        "image": "png jpg jpeg gif webp bmp svg tiff",
        "audio": "mp3 wav flac ogg m4a",
        "video": "mp4 mov avi mkv webm",
        "archive": "zip tar gz tgz rar",
        "html": "html htm",
        "json": "json jsonl",
        "yaml": "yaml yml",
        "xml": "xml",
        "database": "db sqlite sqlite3",
    }.items()
    for ending in endings.split()
}
"""Ending of a file's name -> the words people use for such files."""

_AROUND = "\"'`()[]{}<>,;:!?*“”‘’"
_ADDRESS = re.compile(r"(?:https?://|www\.)([^/?#\s]*)([^?#\s]*)", re.IGNORECASE)
_ROOTED = re.compile(r"(?:/|~/|\.{1,2}/|[A-Za-z]:[\\/])[^/\\]")
_ENDING = re.compile(r"[^.]\.([A-Za-z][A-Za-z0-9]{0,6})$")
_BLOB = re.compile(r"(?=[A-Za-z+/=]{0,40}[0-9])[A-Za-z0-9+/=]{41,}")
"""Encoded data, or the name of a commit."""
_NO_NAME = frozenset(["www", "com", "org", "net", "io", "edu", "gov", "co", "dev", "app", "html", "htm"])
"""Parts of a host's name that tell nothing."""


def asked_words(query: str) -> dict[str, float]:
    """The stems a query asks for, each with what it counts, in the order they are asked for.

    Without the words that say nothing, unless it has no others. The first ones only, where a query is as long
    as a book.
    """
    found: dict[str, float] = {}
    stopped: list[str] = []
    for word, counts in _weighed(query[:LONGEST_QUERY]):
        if word in _STOP:
            stopped.append(word)
            continue
        stemmed = stem(word)
        found[stemmed] = max(found.get(stemmed, 0.0), FAINT if word in _TALK else counts)
    found = found or dict.fromkeys(map(stem, stopped), 1.0)
    if found and max(found.values()) < 1:
        found = dict.fromkeys(found, 1.0)
    return dict(list(found.items())[:MOST_WORDS])


def _weighed(text: str) -> Iterator[tuple[str, float]]:
    for piece in text.split():
        bare = piece.lstrip(_AROUND).rstrip(_AROUND + ".")
        if address := _ADDRESS.match(bare):
            yield "url", 1.0
            yield from ((word, 1.0) for word in parts(address[1]) if word not in _NO_NAME)
            yield from _kind(KINDS.get(_ending(address[2].rpartition("/")[2])))
        elif file := _file(bare):
            ending = _ending(file)
            yield from _kind(KINDS.get(ending, ending)) if ending else [("folder", 1.0)]
            yield from ((word, FAINT) for word in parts(file.removesuffix(f".{ending}")))
        else:
            yield from ((word, 1.0) for word in parts(_BLOB.sub(" ", piece)))


def _file(piece: str) -> str | None:
    """The last name in a path, or a file's name; None where a piece of text is neither.

    A path without an ending is a folder as far as anybody can tell.
    """
    name = re.split(r"[/\\]", piece.rstrip("/\\"))[-1]
    if _ROOTED.match(piece):
        # One name behind a slash may be a route, or a command.
        return name if re.search(r"[/\\].*[/\\]|^[~.]", piece) or "." in name else None
    return name if _ending(name) in KINDS else None


def _ending(name: str) -> str:
    found = _ENDING.search(name)
    return found[1].lower() if found else ""


def _kind(words: str | None) -> Iterator[tuple[str, float]]:
    """The words for a file, given those for its kind."""
    for word in f"{words} file".split() if words else ():
        yield word, 1.0
