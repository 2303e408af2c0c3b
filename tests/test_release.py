"""What `scripts/release` refuses; the building itself is tried in CI."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from callmux import __version__
from tests.scripts import loaded

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def release() -> ModuleType:
    return loaded("release")


def test_this_tree_can_be_released() -> None:
    """Its version has a section of its own in the changelog."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "release"), "--check"], capture_output=True, timeout=60
    )
    assert (done.returncode, done.stdout.decode()) == (0, f"callmux {__version__}: the changelog is ready\n")


def test_the_version_stands_in_one_place(release: ModuleType) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"]["path"] == "src/callmux/__init__.py"
    assert release.version_of((ROOT / "src" / "callmux" / "__init__.py").read_text("utf-8")) == __version__
    with pytest.raises(SystemExit, match="__version__"):
        release.version_of("version = 1")


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("# C\n\n## [1.2.0]\n\n### Added\n\n- a\n\n## [1.1.0]\n\n- b\n", []),
        ("## 1.2.0 - 2026-01-01\n\n- a\n", []),
        ("## [Unreleased]\n\n### Added\n\n## [1.2.0]\n- a\n", []),
        ("## [1.2.0]\n\n### Added\n", ["no section"]),
        ("## [1.1.0]\n\n- b\n", ["no section", "the first section"]),
        ("## [1.1.0]\n- b\n## [1.2.0]\n- a\n", ["the first section"]),
        ("## [Unreleased]\n- new\n## [1.2.0]\n- a\n", ["Unreleased"]),
        ("", ["no section"]),
    ],
)
def test_the_changelog_must_be_that_of_the_version(
    release: ModuleType, text: str, problems: list[str]
) -> None:
    found = release.changelog_problems(text, "1.2.0")
    assert len(found) == len(problems)
    for said, part in zip(found, problems, strict=True):
        assert part in said


def test_a_wheel_must_be_whole_and_hold_nothing_else(release: ModuleType, tmp_path: Path) -> None:
    wheel = tmp_path / "callmux-1.2.0-py3-none-any.whl"
    about = "callmux-1.2.0.dist-info"
    files = {
        str(path.relative_to(ROOT / "src")): ""
        for path in (ROOT / "src" / "callmux").rglob("*")
        if path.is_file()
    }
    files |= {f"{about}/{name}": "" for name in ("entry_points.txt", "licenses/LICENSE")}
    files["callmux/dashboard/static/index.html"] = ""
    files[f"{about}/METADATA"] = "Version: 1.2.0\nLicense-Expression: MIT\nRequires-Python: >=3.11\n"

    def problems(files: dict[str, str]) -> list[str]:
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        found: list[str] = release.wheel_problems(wheel, "1.2.0")
        return found

    assert problems(files) == []
    assert problems({**files, "tests/test_a.py": ""}) == [
        "the wheel has tests/test_a.py, which is not of the package"
    ]
    page = "callmux/dashboard/static/index.html"
    for gone in ("callmux/cli/main.py", "callmux/py.typed", f"{about}/licenses/LICENSE", page):
        assert problems({k: v for k, v in files.items() if k != gone}) == [f"the wheel has no {gone}"]
    assert problems({**files, f"{about}/METADATA": "Version: 1.1.0\n"}) != []


def test_an_sdist_must_have_what_its_tests_need(release: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "callmux-1.2.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(ROOT / "pyproject.toml", "callmux-1.2.0/pyproject.toml")
    found = release.sdist_problems(path, "1.2.0")
    assert "the sdist has no uv.lock" in found
    assert "the sdist has no src/callmux/dashboard/static/index.html" in found
    assert "the sdist has no pyproject.toml" not in found
