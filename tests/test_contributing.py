"""The recipes of CONTRIBUTING.md work: in a copy of the tree, each passes its tests, which fail without it.

A block `diff` begins with `--- PATH` and has hunks, parted by `@@`: lines with a space must stand there, once
and together; `-` goes, `+` comes. The lines of a block `sh` are run in the copy. Any other block begins with
`# PATH` and is a whole new file.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

ROOT = Path(__file__).parents[1]
PARTS = ("src", "tests", "docs", "scripts", "benchmarks", "pyproject.toml", "README.md")
SECONDS = 300


class Recipe(msgspec.Struct, frozen=True):
    """One recipe.

    Attributes:
        title: Its heading.
        changes: Path -> hunks, each as lines before and after.
        files: Path -> text of a new file.
        commands: What is run at the end.
    """

    title: str
    changes: list[tuple[str, list[tuple[str, str]]]]
    files: dict[str, str]
    commands: list[str]


def hunk(lines: list[str]) -> tuple[str, str]:
    """What stands there before, and after."""
    before = [line[1:] for line in lines if line[:1] in (" ", "-", "")]
    after = [line[1:] for line in lines if line[:1] in (" ", "+", "")]
    return "".join(f"{line}\n" for line in before), "".join(f"{line}\n" for line in after)


def hunks(lines: list[str]) -> list[tuple[str, str]]:
    found: list[list[str]] = [[]]
    for line in lines:
        if line == "@@":
            found.append([])
        else:
            found[-1].append(line)
    return [hunk(part) for part in found]


def recipes(page: str) -> list[Recipe]:
    """The recipes of a page: what stands below "## Recipes", by its third headings."""
    part = page.partition("\n## Recipes\n")[2].partition("\n## ")[0]
    made = []
    for section in part.split("\n### ")[1:]:
        changes, files, commands = [], {}, []
        for language, text in re.findall(r"^```(\w+)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL):
            first, _, rest = text.partition("\n")
            if language == "diff":
                changes.append((first.removeprefix("--- "), hunks(rest.splitlines())))
            elif language == "sh":
                commands += text.splitlines()
            else:
                files[first.removeprefix("# ")] = rest
        made.append(Recipe(section.partition("\n")[0], changes, files, commands))
    return made


def apply(recipe: Recipe, copy: Path, *, only: str = "") -> None:
    """Makes the changes of a recipe, or only those below one folder."""
    for name, text in recipe.files.items():
        if name.startswith(only):
            path = copy / name
            assert not path.exists(), f"{name} is there already"
            path.write_text(text, "utf-8")
    for name, parts in recipe.changes:
        if name.startswith(only):
            path = copy / name
            text = "\n" + path.read_text("utf-8")
            for before, after in parts:
                assert text.count("\n" + before) == 1, f"{recipe.title}: not once in {name}:\n{before}"
                text = text.replace("\n" + before, "\n" + after)
            path.write_text(text[1:], "utf-8")


def scratch(folder: Path) -> Path:
    """A copy of the tree whose `.venv/bin` leads to this interpreter and to the copy's callmux. The byte code
    is copied, too: of what a recipe leaves as it is, nothing is compiled again."""
    copy = folder / "callmux"
    copy.mkdir()
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name)
        else:
            shutil.copy(ROOT / name, copy / name)
    programs = copy / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, words in (("python", ""), ("callmux", " -m callmux"), ("ruff", " -m ruff")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{words} "$@"\n')
        (programs / name).chmod(0o755)
    return copy


def said(copy: Path, command: str) -> subprocess.CompletedProcess[str]:
    """What a command does in the copy."""
    env = os.environ | {"PYTHONPATH": str(copy / "src"), "PYTEST_ADDOPTS": "-p no:cacheprovider"}
    # Read more than once, and gone with the copy.
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    return subprocess.run(
        ["bash", "-c", command], cwd=copy, env=env, capture_output=True, text=True, timeout=SECONDS
    )


def run(copy: Path, command: str) -> None:
    done = said(copy, command)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-2000:]}"


RECIPES = recipes((ROOT / "CONTRIBUTING.md").read_text("utf-8"))


def test_there_are_six() -> None:
    assert [recipe.title for recipe in RECIPES] == [
        "A config key",
        "A stage",
        "A meta-tool",
        "A client program",
        "A transport",
        "A fact",
    ]


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with all recipes in it."""
    copy = scratch(tmp_path_factory.mktemp("together"))
    for recipe in RECIPES:
        apply(recipe, copy)
    for command in dict.fromkeys(command for recipe in RECIPES for command in recipe.commands):
        if "pytest" not in command:
            run(copy, command)
    return copy


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with the tests of all recipes, and none of their code."""
    copy = scratch(tmp_path_factory.mktemp("bare"))
    for recipe in RECIPES:
        apply(recipe, copy, only="tests/")
    return copy


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.title)
def test_a_recipe_passes_the_tests_that_it_names_and_fails_without_its_code(
    recipe: Recipe, together: Path, bare: Path
) -> None:
    tests = [
        command.replace("-m pytest", "-m pytest -x") for command in recipe.commands if "pytest" in command
    ]
    assert tests
    for command in tests:
        run(together, command)
    assert any(said(bare, command).returncode for command in tests), "its tests pass without it"


def test_all_of_them_keep_to_the_rules_of_the_tree(together: Path) -> None:
    run(together, ".venv/bin/python -m pytest tests/test_architecture.py tests/test_map.py")
    touched = {name for recipe in RECIPES for name in (*recipe.files, *(name for name, _ in recipe.changes))}
    files = " ".join(sorted(name for name in touched if name.endswith(".py")))
    run(together, f".venv/bin/ruff check -q --no-cache {files}")
    run(together, f".venv/bin/ruff format -q --no-cache --check {files}")


def test_what_does_not_stand_there_is_said(tmp_path: Path) -> None:
    page = "\n## Recipes\n\n### One\n\n```diff\n--- a.py\n x = 1\n+y = 2\n@@\n-z = 3\n```\n"
    (recipe,) = recipes(page)
    (tmp_path / "a.py").write_text("w = 0\nx = 1\nz = 3\n")
    apply(recipe, tmp_path)
    assert (tmp_path / "a.py").read_text() == "w = 0\nx = 1\ny = 2\n"
    with pytest.raises(AssertionError, match=r"not once in a\.py"):
        apply(recipe, tmp_path)
