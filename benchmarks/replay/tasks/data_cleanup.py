"""Twelve files of contacts are read, put into one shape and written back."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path
from typing import Any

from replay.recording import PROJECT, Call
from replay.ways import Way

TITLE = "Data clean-up"
ABOUT = (
    "The branches' contacts are untidy. One form for names, dates and countries, no doubles, sorted; "
    "write each into clean/."
)
QUERIES = {
    "list_directory": "list the files of a directory",
    "read_text_file": "read a file",
    "create_directory": "create a directory",
    "write_file": "write a file",
    "list_directory_with_sizes": "list a directory with sizes",
}
RECIPES: dict[str, Any] = {}

_FOLDER = f"{PROJECT}/contacts"
_PLACES = (
    "berlin",
    "bern",
    "cork",
    "graz",
    "lille",
    "lund",
    "lviv",
    "oslo",
    "porto",
    "riga",
    "turin",
    "york",
)
_FIRST = ("Amara", "Bo", "Chen", "Dana", "Emil", "Fatou", "Goran", "Hana", "Ivo", "Jun")
_LAST = ("Okafor", "Lind", "Wei", "Kral", "Roux", "Diop", "Babic", "Sato", "Novak", "Park")
_COUNTRIES = {"DE": "Germany", "AT": "Austria", "FR": "France", "PT": "Portugal", "SE": "Sweden"}


def prepare(folder: Path) -> None:
    """Twelve lists, each spelled in three ways."""
    (folder / "contacts").mkdir()
    dice = random.Random(7)
    for place in _PLACES:
        rows = ["name,since,country"]
        for _ in range(24):
            first, last = dice.choice(_FIRST), dice.choice(_LAST)
            year, month, day = dice.randint(2015, 2026), dice.randint(1, 12), dice.randint(1, 28)
            code = dice.choice(list(_COUNTRIES))
            name = dice.choice((f"{first} {last}", f"{first.upper()} {last.upper()}", f" {first}  {last}"))
            since = dice.choice((f"{year}-{month:02}-{day:02}", f"{day}.{month}.{year}"))
            rows.append(f"{name},{since},{dice.choice((code, _COUNTRIES[code]))}")
        (folder / "contacts" / f"{place}.csv").write_text("\n".join(rows) + "\n", "utf-8")


def perform(way: Way) -> Any:
    """What the file server said about every file, and the listing afterwards."""
    listed = way.one(Call("files", "list_directory", {"path": _FOLDER}))
    names = [line.removeprefix("[FILE] ") for line in listed.splitlines() if line.endswith(".csv")]
    texts = way.many([Call("files", "read_text_file", {"path": f"{_FOLDER}/{name}"}) for name in names])
    written = [
        Call("files", "write_file", {"path": f"{_FOLDER}/clean/{name}", "content": clean(text)})
        for name, text in zip(names, texts, strict=True)
    ]
    folder = Call("files", "create_directory", {"path": f"{_FOLDER}/clean"})
    after = Call("files", "list_directory_with_sizes", {"path": f"{_FOLDER}/clean"})
    _, said, listing = way.stages([[folder], written, [after]])
    return [said, listing[0]]


def clean(text: str) -> str:
    """The list in one shape."""
    codes = {country: code for code, country in _COUNTRIES.items()}
    rows = set()
    for row in csv.DictReader(io.StringIO(text)):
        since = row["since"]
        if "." in since:
            day, month, year = since.split(".")
            since = f"{year}-{int(month):02}-{int(day):02}"
        name = " ".join(part.capitalize() for part in row["name"].split())
        rows.add((name, since, codes.get(row["country"], row["country"])))
    return "name,since,country\n" + "".join(",".join(row) + "\n" for row in sorted(rows))
