"""Which files a pattern means, and what tells that they have changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from callmux.process import file_patterns
from callmux.process.file_patterns import look

FILES = (
    "main.py", "setup.cfg", ".env", "dist/a.js", "dist/b.js", "dist/b.map", "dist/deep/c.js",
    "src/x/y/z.py", "src/x/.hidden/z.py", "node_modules/p/i.js", "src/__pycache__/z.pyc",
)  # fmt: skip


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("main.py", ["main.py"]),
        ("*", ["main.py", "setup.cfg"]),
        (".*", [".env"]),
        ("dist/*.js", ["dist/a.js", "dist/b.js"]),
        ("dist/[ab].js", ["dist/a.js", "dist/b.js"]),
        ("dist/?.map", ["dist/b.map"]),
        ("dist/**/*.js", ["dist/a.js", "dist/b.js", "dist/deep/c.js"]),
        ("dist/**", ["dist/a.js", "dist/b.js", "dist/b.map", "dist/deep/c.js"]),
        ("**/*.py", ["main.py", "src/x/y/z.py"]),
        ("*/*.js", ["dist/a.js", "dist/b.js"]),
        ("**/z.py", ["src/x/y/z.py"]),
        ("src/**/.hidden/*.py", ["src/x/.hidden/z.py"]),
        ("**/*.js", ["dist/a.js", "dist/b.js", "dist/deep/c.js"]),
        ("node_modules/**/*.js", ["node_modules/p/i.js"]),
        ("./dist/../main.py", ["main.py"]),
        ("no/such/**/place", []),
        ("dist", []),
        ("[", []),
    ],
)
def test_which_files_a_pattern_means(tree: Path, pattern: str, files: list[str]) -> None:
    found = {os.path.relpath(os.path.normpath(path), tree) for path in look([pattern], tree)}
    assert sorted(found) == files


def test_patterns_may_be_absolute_and_each_file_counts_once(tree: Path) -> None:
    found = look([str(tree / "dist/*.js"), "dist/a.js", "dist/**"], tree)
    assert len(found) == 4
    assert set(look([str(tree / "main.py")], Path("/elsewhere"))) == {str(tree / "main.py")}


def test_home_is_where_a_tilde_leads(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tree))
    assert list(look(["~/main.py"], Path("/"))) == [str(tree / "main.py")]


def test_a_change_of_content_time_or_identity_is_seen(tree: Path) -> None:
    before = look(["main.py"], tree)
    assert look(["main.py"], tree) == before
    os.utime(tree / "main.py", ns=(1, 1))
    assert look(["main.py"], tree) != before
    before = look(["main.py"], tree)
    (tree / "main.py").unlink()
    assert look(["main.py"], tree) == {}


def test_what_leads_nowhere_and_circles_are_passed_over(tree: Path) -> None:
    (tree / "dist/gone.js").symlink_to(tree / "nowhere")
    (tree / "dist/around").symlink_to(tree)
    (tree / "dist/to.js").symlink_to(tree / "main.py")
    names = {Path(path).name for path in look(["dist/**/*.js"], tree)}
    assert names == {"a.js", "b.js", "c.js", "to.js"}


def test_there_is_a_limit(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_patterns, "MOST_FILES", 2)
    assert len(look(["**"], tree)) == 2
