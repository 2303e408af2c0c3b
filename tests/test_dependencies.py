"""pyproject.toml, uv.lock and requirements/locked.txt say the same; `scripts/lock` writes the last two."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCK = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))
AGAIN = "run scripts/lock"
PYTHONS = ("3.11.7", "3.12.1", "3.13.0", "3.14.0")

OURS = [Requirement(line) for line in PROJECT["project"]["dependencies"]]
EXTRAS = [
    Requirement(line) for lines in PROJECT["project"]["optional-dependencies"].values() for line in lines
]
GROUPS = {name: [Requirement(line) for line in lines] for name, lines in PROJECT["dependency-groups"].items()}


def exported() -> list[Requirement]:
    lines = (ROOT / "requirements" / "locked.txt").read_text("utf-8").splitlines()
    return [Requirement(line) for line in lines if not line.startswith("#")]


def pinned(requirement: Requirement) -> str:
    (only,) = requirement.specifier
    assert only.operator == "=="
    return only.version


def packages() -> list[dict[str, Any]]:
    """What is locked, without callmux itself."""
    return [package for package in LOCK["package"] if "editable" not in package["source"]]


def told(requirements: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(each["name"], each.get("specifier", "")) for each in requirements}


def wanted(requirements: list[Requirement]) -> set[tuple[str, str]]:
    """Name and range, the parts of a range in the order in which they are written."""
    return {(canonicalize_name(each.name), _range(str(each.specifier))) for each in requirements}


def _range(text: str) -> str:
    return ",".join(sorted(filter(None, text.split(",")), reverse=True))


def test_the_lock_was_made_from_this_pyproject() -> None:
    (own,) = (package for package in LOCK["package"] if package["name"] == "callmux")
    meta = own["metadata"]
    assert {(n, _range(s)) for n, s in told(meta["requires-dist"])} == wanted(OURS + EXTRAS), AGAIN
    locked = {
        group: {(n, _range(s)) for n, s in told(lines)} for group, lines in meta["requires-dev"].items()
    }
    assert locked == {group: wanted(lines) for group, lines in GROUPS.items()}, AGAIN
    assert LOCK["requires-python"] == PROJECT["project"]["requires-python"], AGAIN


def test_the_lock_names_the_public_index_only() -> None:
    """A mirror of the machine on which it was made would make it useless elsewhere."""
    assert {package["source"].get("registry") for package in packages()} == {"https://pypi.org/simple"}
    hosts = set(re.findall(r'url = "(https?://[^/"]+)/', (ROOT / "uv.lock").read_text("utf-8")))
    assert hosts == {"https://files.pythonhosted.org"}


def test_what_pip_reads_is_what_is_locked() -> None:
    read = {(canonicalize_name(each.name), pinned(each)) for each in exported()}
    assert read == {(package["name"], package["version"]) for package in packages()}, AGAIN


@pytest.mark.parametrize("python", PYTHONS)
def test_every_python_gets_one_version_of_everything_we_ask_for(python: str) -> None:
    """Within our ranges, by the markers of the exported file."""
    there = {"python_version": python.rpartition(".")[0], "python_full_version": python}
    here = [each for each in exported() if each.marker is None or each.marker.evaluate(there)]
    names = [canonicalize_name(each.name) for each in here]
    assert len(names) == len(set(names))
    chosen = {canonicalize_name(each.name): pinned(each) for each in here}
    for requirement in (*OURS, *(each for group in GROUPS.values() for each in group)):
        assert chosen[canonicalize_name(requirement.name)] in requirement.specifier


def test_libraries_below_1_0_have_an_upper_bound() -> None:
    """Their next minor version may break us, and did."""
    versions = {package["name"]: Version(package["version"]) for package in packages()}
    for requirement in (*OURS, *GROUPS["dev"]):
        if versions[canonicalize_name(requirement.name)] < Version("1"):
            assert any(each.operator == "<" for each in requirement.specifier), requirement
