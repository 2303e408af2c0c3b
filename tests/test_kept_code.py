"""Compiled code in a directory of the user's: who has one, and what counts of it."""

from __future__ import annotations

import importlib
import marshal
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType

import pytest

import callmux
from callmux import __main__ as entry
from callmux import code_keeper, kept_code
from callmux.kept_code import KeepingLoader, KeptCode, begin, is_of_user, key_of, place
from tests.support import SECONDS, eventually

pytestmark = pytest.mark.skipif(os.name != "posix", reason="there is no such directory elsewhere")
NAME = "module_that_is_kept"
COMMAND = [sys.executable, "-m", "callmux", "--version"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home; Python keeps nothing in this process, and each source counts as written long ago."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(code_keeper, "is_settled", lambda changed: True)
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    return home


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "sources" / f"{NAME}.py"
    path.parent.mkdir()
    path.write_text("answer = 1\n")
    return path


def env(home: Path) -> dict[str, str]:
    return {"HOME": str(home)}


def directory(home: Path) -> Path:
    at = place(env(home))
    assert at is not None
    return Path(*at)


def load(home: Path, source: Path) -> tuple[int, bool]:
    """What a process that begins now makes of the module, and whether it compiled it."""
    compiled = []

    class Counting(KeepingLoader):
        kept = KeptCode(env(home))

        def source_to_code(self, *given: object, **named: object) -> CodeType:  # type: ignore[override]
            compiled.append(1)
            return super().source_to_code(*given, **named)

    code = Counting(NAME, str(source)).get_code(NAME)
    assert code is not None
    found: dict[str, int] = {}
    exec(code, found)
    return found["answer"], bool(compiled)


def test_what_one_start_compiled_the_next_one_finds(home: Path, source: Path) -> None:
    assert [load(home, source), load(home, source)] == [(1, True), (1, False)]
    assert not (source.parent / "__pycache__").exists()


def test_the_directory_is_for_its_user_only(home: Path, source: Path) -> None:
    load(home, source)
    made = directory(home)
    for at in (made, made.parent, made.parent.parent):
        assert at.stat().st_mode & 0o777 == 0o700
    assert (made / NAME).stat().st_mode & 0o777 == 0o600


def test_a_source_that_was_changed_is_compiled_again_though_size_and_time_are_the_same(
    home: Path, source: Path
) -> None:
    load(home, source)
    before = source.stat()
    eventually(lambda: written_anew(source, before.st_ctime_ns), "another time of change")
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert [load(home, source), load(home, source)] == [(2, True), (2, False)]


def written_anew(source: Path, changed: int) -> bool:
    source.write_text("answer = 2\n")
    return source.stat().st_ctime_ns != changed


def test_a_module_of_the_same_name_elsewhere_is_another_one(home: Path, source: Path, tmp_path: Path) -> None:
    load(home, source)
    other = tmp_path / "other" / source.name
    other.parent.mkdir()
    other.write_text("answer = 3\n")
    assert load(home, other) == (3, True)


def test_a_source_that_was_written_just_now_is_not_kept(
    home: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written once more, it might have the same time."""
    monkeypatch.setattr(code_keeper, "is_settled", lambda changed: False)
    assert [load(home, source), load(home, source)] == [(1, True), (1, True)]
    assert not directory(home).exists()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def one_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def no_code(path: Path) -> None:
    content = marshal.dumps(((), b"code"))
    path.write_bytes(importlib.util.source_hash(content) + content)


def a_compiled_file(path: Path) -> None:
    path.write_bytes(
        importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(compile("answer = 9", "", "exec"))
    )


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def too_large(path: Path) -> None:
    os.truncate(path, 2**40)


def of_two_kinds(path: Path) -> None:
    content = marshal.dumps(7)
    path.write_bytes(importlib.util.source_hash(content) + content)


def sealed_nonsense(path: Path) -> None:
    path.write_bytes(importlib.util.source_hash(b"nonsense") + b"nonsense")


def unreadable(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


@pytest.mark.parametrize(
    "broken",
    [
        *(cut, emptied, zeros, one_bit, no_code, a_compiled_file),
        *(a_folder, a_pipe, a_link, unreadable, too_large, of_two_kinds, sealed_nonsense),
    ],
)
def test_a_file_that_is_broken_or_none_of_ours_is_as_none(
    broken: Callable[[Path], None], home: Path, source: Path
) -> None:
    load(home, source)
    broken(directory(home) / NAME)
    assert load(home, source) == (1, True)
    assert load(home, source) == (1, broken is a_folder)


def test_half_a_file_beside_the_source_is_compiled_too(
    home: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert load(home, source) == (1, True)
    (beside,) = source.parent.rglob("*.pyc")
    cut(beside)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert [load(home, source), load(home, source)] == [(1, True), (1, False)]


@pytest.mark.parametrize("spoiled", ["half", "earlier", "other Python", "nothing there"])
def test_what_python_cannot_mend_beside_the_source_is_kept(
    spoiled: str, home: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in an installation of the system's, which this user may not write in."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert load(home, source) == (1, True)
    (beside,) = source.parent.rglob("*.pyc")
    if spoiled == "half":
        cut(beside)
    elif spoiled == "earlier":
        os.utime(source, (1000, 1000))
    elif spoiled == "other Python":
        beside.write_bytes(b"abcd" + beside.read_bytes()[4:])
    else:
        beside.unlink()
    monkeypatch.setattr(KeepingLoader, "set_data", lambda *given, **named: None)
    assert [load(home, source), load(home, source)] == [(1, True), (1, False)]


def test_a_python_that_keeps_nothing_anywhere_has_its_code_kept(
    home: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys.implementation, "cache_tag", None)
    assert [load(home, source), load(home, source)] == [(1, True), (1, False)]


def gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `pip uninstall` leaves a process that runs."""
    monkeypatch.delattr(callmux, "code_keeper")
    monkeypatch.setitem(sys.modules, "callmux.code_keeper", None)


def of_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(code_keeper, "sweep")


def with_other_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_keeper, "write", lambda directory: None)


@pytest.mark.parametrize("replaced", [gone, of_another_version, with_other_arguments])
def test_what_is_imported_while_callmux_is_replaced_is_compiled_as_ever(
    replaced: Callable[[pytest.MonkeyPatch], None], home: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced(monkeypatch)
    assert [load(home, source), load(home, source)] == [(1, True), (1, True)]


def test_what_python_has_beside_the_source_is_used_and_not_kept_twice(
    home: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert load(home, source) == (1, True)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert load(home, source) == (1, False)
    assert not directory(home).exists()


def test_a_source_that_cannot_be_compiled_fails_as_ever(home: Path, source: Path) -> None:
    source.write_text("answer = = 1\n")
    with pytest.raises(SyntaxError):
        load(home, source)
    source.unlink()
    with pytest.raises(FileNotFoundError):
        load(home, source)


@pytest.mark.parametrize("failing", ["write", "open", "replace", "mkdir"])
def test_on_a_full_or_read_only_disk_everything_is_compiled_as_ever(
    failing: str, home: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = getattr(os, failing)

    def refuses(*given: object, **named: object) -> object:
        if failing == "open" and not given[1] & os.O_CREAT:  # type: ignore[operator]
            return real(*given, **named)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, refuses)
    assert [load(home, source), load(home, source)] == [(1, True), (1, True)]
    monkeypatch.undo()
    assert not [*home.rglob("*.new"), *home.rglob(NAME)]


def test_after_the_first_failure_nothing_more_is_tried(
    home: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def refuses(*given: object, **named: object) -> None:
        tried.append(given)
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(code_keeper, "opened", refuses)
    kept = KeptCode(env(home))
    for module in ("a", "b"):
        kept.keep(module, key_of(source), compile("1", "", "exec"))
    assert len(tried) == 1


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701, 0o1777])
def test_a_directory_that_others_may_reach_is_not_used(mode: int, home: Path, source: Path) -> None:
    load(home, source)
    directory(home).chmod(mode)
    before = (directory(home) / NAME).stat().st_mtime_ns
    assert [load(home, source), load(home, source)] == [(1, True), (1, True)]
    assert (directory(home) / NAME).stat().st_mtime_ns == before


def test_a_link_in_its_place_is_not_followed(home: Path, source: Path) -> None:
    load(home, source)
    made = directory(home)
    made.rename(made.with_name("elsewhere"))
    made.symlink_to("elsewhere")
    assert load(home, source) == (1, True)


def test_a_directory_that_is_put_in_its_place_later_is_not_looked_at(home: Path, source: Path) -> None:
    load(home, source)
    kept = KeptCode(env(home))
    made = directory(home)
    made.rename(made.with_name("elsewhere"))
    made.mkdir(mode=0o700)
    (made / NAME).write_bytes(b"of somebody else")
    assert kept.code(NAME, key_of(source)) is not None
    kept.close()


def test_a_home_of_somebody_else_gets_nothing_and_gives_nothing(
    home: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under sudo, where HOME may be that of the user who asked."""
    load(home, source)
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    monkeypatch.setattr(os, "getuid", lambda: 4321)
    monkeypatch.setattr(kept_code, "is_private", lambda about: True)
    assert is_of_user(str(home)) is (home.stat().st_uid == 0)
    monkeypatch.setattr(os, "stat", owned_by(1234, os.stat))
    assert not is_of_user(str(home))
    kept = KeptCode(env(home))
    assert (kept.descriptor, kept.writes) == (None, False)
    kept.keep(NAME, ("", 0, 0, 0), compile("1", "", "exec"))
    assert [*directory(home).iterdir()] == [directory(home) / NAME]


def owned_by(user: int, real: Callable[..., os.stat_result]) -> Callable[..., os.stat_result]:
    def look(*given: object, **named: object) -> os.stat_result:
        about = [*real(*given, **named)]
        about[4] = user
        return os.stat_result(about)

    return look


def test_a_directory_of_somebody_else_is_not_used(
    home: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(home, source)
    monkeypatch.setattr(os, "fstat", owned_by(1234, os.fstat))
    kept = KeptCode(env(home))
    assert (kept.descriptor, kept.writes) == (None, False)


def test_who_has_no_directory() -> None:
    assert place({"HOME": "/h"}) is not None
    for none in ({}, {"HOME": ""}, {"HOME": "h"}, {"HOME": "/h", "CALLMUX_BYTE_CODE": "off"}):
        assert place(none) is None
    assert KeptCode({}).writes is False


def test_a_program_with_the_rights_of_somebody_else_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: os.geteuid() + 1)
    assert place({"HOME": "/h"}) is None


def test_the_directory_for_caches_that_a_variable_names_goes_first() -> None:
    for given, base in (
        ({"HOME": "/h"}, "/h/.cache"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "/c"}, "/c"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "c"}, "/h/.cache"),
    ):
        at = place(given)
        assert at is not None
        assert at[0] == base


def test_each_installation_and_each_python_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    places = {place({"HOME": "/h"})}
    for owner, name, value in (
        (sys, "prefix", "/elsewhere"),
        (sys, "version", "3.99"),
        (kept_code, "MAGIC_NUMBER", b"abcd"),
        (kept_code, "__file__", "/elsewhere/callmux/kept_code.py"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, value)
            places.add(place({"HOME": "/h"}))
    assert len(places) == 5


def test_a_directory_that_is_used_is_marked_so_once_a_day(home: Path, source: Path) -> None:
    load(home, source)
    for age, marked in ((90_000, True), (80_000, False)):
        then = (directory(home) / NAME).stat().st_mtime - age
        os.utime(directory(home), (then, then))
        load(home, source)
        assert (directory(home).stat().st_mtime > then + 100) is marked


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """How this process imports, as it was before."""
    monkeypatch.setattr(sys, "path_hooks", [*sys.path_hooks])
    monkeypatch.setattr(sys, "path_importer_cache", {**sys.path_importer_cache})
    yield
    sys.modules.pop(NAME, None)


@pytest.mark.usefixtures("hooks")
def test_imports_go_through_the_directory_and_change_nothing_else(
    home: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, variables = [*sys.path_hooks], dict(os.environ)
    monkeypatch.syspath_prepend(source.parent)
    begin(env(home))
    assert importlib.import_module(NAME).answer == 1
    assert (directory(home) / NAME).is_file()
    assert len(sys.path_hooks) == len(before) + 1
    assert sys.path_hooks[-1] is before[-1]
    assert dict(os.environ) == variables
    assert (sys.dont_write_bytecode, sys.pycache_prefix) == (True, None)


@pytest.mark.usefixtures("hooks")
def test_without_a_directory_imports_stay_as_they_are() -> None:
    before = [*sys.path_hooks]
    begin({})
    assert sys.path_hooks == before
    sys.path_hooks[:] = before = [hook for hook in before if "FileFinder" not in hook.__qualname__]
    begin({"HOME": "/h"})
    assert sys.path_hooks == before


def test_the_command_looks_into_it_only_where_python_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for forbids, prefix, writable, needed in (
        (False, None, True, False),
        (False, None, False, True),
        (True, None, True, True),
        (False, "/p", False, False),
        (True, "/p", True, True),
    ):
        with monkeypatch.context() as patch:
            begun: list[object] = []
            patch.setattr(sys, "dont_write_bytecode", forbids)
            patch.setattr(sys, "pycache_prefix", prefix)
            patch.setattr(os, "access", lambda path, mode, writable=writable: writable)
            patch.setattr(kept_code, "begin", begun.append)
            patch.setattr("callmux.cli.main.main", lambda: 7)
            assert entry.main() == 7
            assert bool(begun) is needed


@pytest.mark.parametrize("whose", ["ours", "another user's"])
def test_it_is_looked_into_where_compiled_files_beside_the_source_are_another_users(
    whose: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of root, who has started callmux once."""
    (compiled := tmp_path / "__pycache__").mkdir()
    begun: list[object] = []
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    monkeypatch.setattr(entry, "__file__", str(tmp_path / "__main__.py"))
    monkeypatch.setattr(os, "access", lambda path, mode: whose == "ours" or Path(path) != compiled)
    monkeypatch.setattr(kept_code, "begin", begun.append)
    monkeypatch.setattr("callmux.cli.main.main", lambda: 7)
    assert entry.main() == 7
    assert bool(begun) is (whose != "ours")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """callmux without compiled files: what its shortest command needs."""
    folder = tmp_path_factory.mktemp("bare") / "callmux"
    folder.mkdir()
    for path in Path(callmux.__file__).parent.glob("*.py"):
        shutil.copy(path, folder)
    shutil.copytree(
        Path(callmux.__file__).parent / "cli", folder / "cli", ignore=shutil.ignore_patterns("__pycache__")
    )
    return folder.parent


def started(bare: Path, home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        COMMAND,
        env={**env(home), "PYTHONPATH": str(bare), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def of_callmux(home: Path) -> dict[str, Path]:
    return {path.name: path for path in home.glob(".cache/callmux/byte-code/*/callmux.cli*")}


def test_processes_that_start_at_once_and_after_a_power_cut_all_work(bare: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()

    def all_start() -> bool:
        processes = [started(bare, home) for _ in range(3)]
        said = [process.communicate(timeout=SECONDS)[0] for process in processes]
        assert said == [f"{callmux.__version__}\n"] * 3
        return "callmux.cli.main" in of_callmux(home)

    # What was written only a moment ago is not kept yet.
    eventually(all_start, "kept code")
    assert not [*home.rglob("*.new")]
    for n, path in enumerate(sorted(of_callmux(home).values())):
        [cut, emptied, zeros, one_bit][n % 4](path)
    all_start()
    before = {name: path.stat().st_mtime_ns for name, path in of_callmux(home).items()}
    all_start()
    assert before == {name: path.stat().st_mtime_ns for name, path in of_callmux(home).items()}
