"""docs/design.md names every module and nothing else; its glossary and its primitives name real ones."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.scripts import loaded

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "map"


@pytest.fixture
def script() -> Any:
    return loaded("map")


def test_the_page_lists_every_module_with_what_it_says_of_itself(script: Any) -> None:
    assert script.listed(script.PAGE.read_text("utf-8")) == script.lines(script.source()), "run scripts/map"


def test_packages_stand_before_their_modules_and_single_files_first(script: Any) -> None:
    files = {
        "b/__init__.py": '"""All of b."""\n',
        "b/d.py": '"""D\nis. Called by `callmux.a`.\n"""\nclass F: ...\nclass _G: ...\nclass H: ...\n',
        "b/c/__init__.py": '"""C. Pure."""\n',
        "b/c/e.py": '"""E: `x.y`. Pure.\n\nMore.\n"""\n',
        "a.py": '"""A"""\n',
        "__init__.py": '"""Root."""\n',
    }
    assert script.lines(files) == [
        "a.py: A",
        "b/: All of b.",
        "  d.py: D is. [F, H]",
        "b/c/: C.",
        "  e.py: E: `x.y`.",
    ]


def test_what_is_written_is_what_is_read(script: Any) -> None:
    page = "before\n\n```text modules\nold.py: Old.\n```\n\nbehind\n"
    written = script.with_list(page, ["a.py: A.", "b/: B."])
    assert written == "before\n\n```text modules\na.py: A.\nb/: B.\n```\n\nbehind\n"
    assert script.listed(written) == ["a.py: A.", "b/: B."]


def test_a_page_without_the_list_is_said_to_have_none(script: Any) -> None:
    with pytest.raises(ValueError, match="has no block"):
        script.listed("nothing")


def words_of(section: str) -> list[tuple[str, str]]:
    """Rows of a table below a heading: the first cell, and the cell that names a module."""
    page = (ROOT / "docs" / "design.md").read_text("utf-8")
    part = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert part is not None, section
    rows = [line.strip("| ").split(" | ") for line in part[1].splitlines() if line.startswith("| ")]
    return [(row[0], row[1]) for row in rows if set(row[0]) != {"-"} and row[1] != "module"]


def glossary() -> list[tuple[str, str]]:
    return words_of("Glossary")


def primitives() -> list[tuple[str, str]]:
    return words_of("Primitives")


@pytest.mark.parametrize(("word", "module"), [*primitives(), *glossary()])
def test_a_word_of_the_glossary_stands_in_the_module_that_it_names(word: str, module: str) -> None:
    path = ROOT / "src" / "callmux" / module.strip("`")
    assert path.is_file(), f"no module {module} for {word}"
    said = squeezed(path.read_text("utf-8") + path.stem)
    assert not [each for each in word.split(", ") if squeezed(each) not in said]


def squeezed(text: str) -> str:
    """Letters only, so that `SideLanes`, `side_lanes` and "side lanes" are the same."""
    return re.sub(r"[^a-z]", "", text.lower())


def test_what_a_plain_call_passes_stands_in_the_glossary() -> None:
    page = (ROOT / "docs" / "design.md").read_text("utf-8")
    way = page.partition("```text way\n")[2].partition("```")[0].splitlines()
    passed = {line.partition(":")[2].split(".")[0] for line in way if "." in line.partition(":")[2]}
    known = {squeezed(word) for row, _ in [*primitives(), *glossary()] for word in row.split(", ")}
    assert len(passed) > 10
    assert not [name for name in sorted(passed) if name[0] != "_" and squeezed(name) not in known]


def test_a_word_of_the_glossary_stands_there_once() -> None:
    words = [word for row, _ in glossary() for word in row.split(", ")]
    assert sorted(words) == sorted(set(words))


@pytest.mark.parametrize("page", ["design.md", "newcomer-test.md"])
def test_every_room_that_a_page_sends_readers_to_is_there(page: str) -> None:
    """Those of the table "you want to", too."""
    text = (ROOT / "docs" / page).read_text("utf-8").partition("```text way")[0]
    named = re.findall(r"`([a-z_]+(?:/[a-z_]+)*\.py)`", text)
    rooms = {room for room in named if room.split("/")[0] not in ("src", "tests")}
    assert len(rooms) > 30
    assert not [room for room in sorted(rooms) if not (ROOT / "src" / "callmux" / room).is_file()]
