"""Whether callmux is compiled at each start: by files as Python writes them."""

from __future__ import annotations

import compileall
import os
import py_compile
import sys
from pathlib import Path
from typing import Any

import pytest

from callmux.doctor.byte_code import ByteCode, byte_code
from callmux.kept_code import KeptCode, key_of


def byte_code_findings(package: Path, **more: Any) -> list[str]:
    """What is warned about where callmux has no directory of its own either."""
    return byte_code(KeptCode({}), package, **more).warnings


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package with two modules in one of the packages that matter."""
    for name in ("a", "b"):
        module = tmp_path / "callmux" / "process" / f"{name}.py"
        module.parent.mkdir(parents=True, exist_ok=True)
        module.write_text(f"{name} = 1\n")
    return tmp_path / "callmux"


def compiled(package: Path) -> None:
    assert compileall.compile_dir(package, quiet=2)


def test_where_python_must_not_keep_it_the_command_that_does_is_told(package: Path) -> None:
    (found,) = byte_code_findings(package, keeps=False)
    assert "PYTHONDONTWRITEBYTECODE is set" in found
    assert "neither XDG_CACHE_HOME nor HOME names a directory" in found
    assert found.endswith(f": {sys.executable} -m compileall -q {package}")
    assert "a user who may write there" not in found


def test_where_python_may_not_write_somebody_who_may_is_asked(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    (found,) = byte_code_findings(package, keeps=True)
    assert f"it may not write in {package}" in found
    assert "run it once as a user who may write there" in found


def test_where_python_keeps_it_from_now_on_nothing_is_said(package: Path, tmp_path: Path) -> None:
    assert byte_code_findings(package, keeps=True) == []
    assert byte_code_findings(package, keeps=True, prefix=str(tmp_path)) == []
    assert byte_code_findings(package, keeps=True, prefix=str(tmp_path / "missing")) != []


def test_once_it_is_compiled_nothing_is_said_whoever_did_it(package: Path) -> None:
    compiled(package)
    assert byte_code_findings(package, keeps=False) == []


def test_what_was_compiled_of_an_older_source_does_not_count(package: Path) -> None:
    compiled(package)
    for module in package.rglob("*.py"):
        module.write_text("longer = 12345\n")
    assert byte_code_findings(package, keeps=False)


def test_files_that_go_by_the_content_of_their_source_count(package: Path) -> None:
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    assert compileall.compile_dir(package, quiet=2, invalidation_mode=mode)
    for module in package.rglob("*.py"):
        os.utime(module, (1, 1))
    assert byte_code_findings(package, keeps=False) == []


@pytest.mark.parametrize("content", [b"", b"short", b"another Python's file"])
def test_a_file_that_is_none_of_this_python_does_not_count(package: Path, content: bytes) -> None:
    compiled(package)
    for file in package.rglob("*.pyc"):
        file.write_bytes(content)
    assert byte_code_findings(package, keeps=False)


def test_a_few_that_are_missing_cost_little(package: Path) -> None:
    compiled(package)
    next(package.rglob("a.*.pyc")).unlink()
    assert byte_code_findings(package, keeps=False) == []


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def kept(home: Path) -> KeptCode:
    return KeptCode({"HOME": str(home)})


def place(home: Path) -> Path:
    at = kept(home).place
    assert at is not None
    return Path(*at)


def test_where_callmux_keeps_it_that_place_and_the_reason_are_told(package: Path, home: Path) -> None:
    told = f"kept in {place(home)}, since Python keeps none beside callmux: PYTHONDONTWRITEBYTECODE is set"
    assert byte_code(kept(home), package, keeps=False) == ByteCode(told)


def test_where_python_keeps_it_no_other_place_is_told(package: Path, home: Path) -> None:
    assert byte_code(kept(home), package, keeps=True) == ByteCode()


def test_what_is_kept_already_counts_though_nothing_more_can_be_written(
    package: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callmux.code_keeper.is_settled", lambda changed: True)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    writing = kept(home)
    for module in package.rglob("*.py"):
        code = compile(module.read_text(), str(module), "exec")
        writing.keep(f"callmux.process.{module.stem}", key_of(module), code)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    found = byte_code(kept(home), package, keeps=False)
    assert found.kept is not None
    assert not found.warnings
    for module in package.rglob("*.py"):
        module.write_text("longer = 12345\n")
    (warning,) = byte_code(kept(home), package, keeps=False).warnings
    assert f"{place(home)} cannot be written in" in warning


def test_why_callmux_cannot_keep_it_is_told(
    package: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(home).mkdir(parents=True)
    place(home).chmod(0o755)
    (warning,) = byte_code(kept(home), package, keeps=False).warnings
    assert f"{place(home)} is no directory that only you may read and write; remove it" in warning
    monkeypatch.setattr("callmux.doctor.byte_code.is_of_user", lambda base: False)
    (warning,) = byte_code(kept(home), package, keeps=False).warnings
    assert f"{home}/.cache is another user's" in warning
    monkeypatch.setenv("CALLMUX_BYTE_CODE", "off")
    (warning,) = byte_code(KeptCode(os.environ), package, keeps=False).warnings
    assert "CALLMUX_BYTE_CODE is off" in warning
