"""callmux's own modules are found compiled, with what Python says of a module; the rest goes Python's way."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import py_compile
import subprocess
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from typing import Any

import pytest

import callmux
from callmux import own_modules
from callmux.own_modules import OwnModules, ReadLoader, begin
from tests.support import SECONDS

pytestmark = pytest.mark.skipif(os.name != "posix", reason="it is not begun elsewhere")
NAME = "callmux.module_that_is_found"
WORD = NAME.rpartition(".")[2]


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source of a package of ours, compiled."""
    monkeypatch.setattr(sys, "pycache_prefix", None)
    path = tmp_path / f"{WORD}.py"
    path.write_text("def answer():\n    return 1\n")
    py_compile.compile(str(path), doraise=True)
    return path


@pytest.fixture
def finders() -> Iterator[list[Any]]:
    """Those that are asked; what is added goes again."""
    before = [*sys.meta_path]
    try:
        yield sys.meta_path
    finally:
        sys.meta_path[:] = before


def found(source: Path, name: str = NAME) -> ModuleSpec | None:
    return OwnModules.find_spec(name, [str(source.parent)])


def test_a_module_has_what_python_says_of_it(
    source: Path, finders: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = PathFinder.find_spec(NAME, [str(source.parent)])
    spec = found(source)
    assert expected is not None
    assert spec is not None
    for named in ("name", "origin", "has_location", "cached", "parent", "submodule_search_locations"):
        assert getattr(spec, named) == getattr(expected, named)
    monkeypatch.setattr(callmux, "__path__", [str(source.parent)])
    finders.insert(0, OwnModules)
    try:
        module = importlib.import_module(NAME)
        assert isinstance(module.__loader__, ReadLoader)
        assert isinstance(module.__loader__, SourceFileLoader)
        assert (module.answer(), module.__file__, module.__cached__) == (1, expected.origin, expected.cached)
        assert inspect.getsource(module.answer) == source.read_text()
        # What has changed meanwhile is read anew.
        source.write_text("def answer():\n    return 234\n")
        assert importlib.reload(module).answer() == 234
    finally:
        sys.modules.pop(NAME, None)


def test_a_loader_gives_what_was_read_once_and_then_what_is_there(source: Path) -> None:
    spec = found(source)
    assert spec is not None
    assert isinstance(spec.loader, ReadLoader)
    first, second = spec.loader.get_code(NAME), spec.loader.get_code(NAME)
    assert first is not second
    assert first == second


@pytest.mark.parametrize("name", ["module_that_is_found", "callmuxer.module_that_is_found"])
def test_modules_of_others_are_left_to_python(source: Path, name: str) -> None:
    assert found(source, name) is None


def test_what_is_at_no_place_or_at_several_is_left_to_python(source: Path) -> None:
    assert OwnModules.find_spec(NAME) is None
    assert OwnModules.find_spec(NAME, [str(source.parent), "/elsewhere"]) is None


def test_a_package_is_left_to_python(source: Path) -> None:
    (source.parent / "inner").mkdir()
    (source.parent / "inner" / "__init__.py").write_text("")
    assert found(source, "callmux.inner") is None


def test_a_source_that_has_changed_is_left_to_python(source: Path) -> None:
    about = source.stat()
    os.utime(source, (about.st_atime, about.st_mtime + 10))
    assert found(source) is None
    os.utime(source, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert found(source) is not None
    source.write_text("longer = 'than it was'\n")
    os.utime(source, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert found(source) is None


def test_a_source_that_is_gone_or_not_compiled_is_left_to_python(source: Path) -> None:
    compiled = Path(importlib.util.cache_from_source(str(source)))
    source.rename(source.with_suffix(".kept"))
    assert found(source) is None
    source.with_suffix(".kept").rename(source)
    assert found(source) is not None
    compiled.unlink()
    assert found(source) is None


@pytest.mark.parametrize("length", [0, 3, 15, 16, 40])
def test_half_a_file_is_left_to_python(source: Path, length: int) -> None:
    compiled = Path(importlib.util.cache_from_source(str(source)))
    compiled.write_bytes(compiled.read_bytes()[:length])
    assert found(source) is None


def test_a_file_of_another_python_or_with_something_else_in_it_is_left_to_python(source: Path) -> None:
    compiled = Path(importlib.util.cache_from_source(str(source)))
    data = compiled.read_bytes()
    compiled.write_bytes(b"\0\0\r\n" + data[4:])
    assert found(source) is None
    compiled.write_bytes(data[:16] + b"N")
    assert found(source) is None


def test_a_file_that_goes_by_a_hash_is_left_to_python(source: Path) -> None:
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(source), doraise=True, invalidation_mode=mode)
    assert found(source) is None


def test_a_tree_that_was_moved_is_left_to_python(source: Path, tmp_path: Path) -> None:
    """The path in the code is that of before, and would stand in tracebacks."""
    moved = tmp_path / "moved"
    moved.mkdir()
    for part in (source, source.parent / "__pycache__"):
        part.rename(moved / part.name)
    assert found(moved / source.name) is None


def test_it_is_not_begun_where_compiled_files_are_elsewhere(
    finders: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = [*finders]
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))
    begin()
    assert finders == before
    monkeypatch.setattr(sys, "pycache_prefix", None)
    begin()
    assert finders == [OwnModules, *before]


def test_the_command_finds_its_modules_so() -> None:
    code = (
        "import sys; sys.dont_write_bytecode = False; sys.argv = ['callmux', '--version'];"
        "from callmux.__main__ import main; main();"
        "print(type(sys.modules['callmux.cli.main'].__loader__).__name__)"
    )
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    said = [
        subprocess.check_output([sys.executable, "-c", code], timeout=SECONDS, text=True, env=env).split()
        for _ in range(2)
    ]
    assert said[1] == [callmux.__version__, own_modules.ReadLoader.__name__]
