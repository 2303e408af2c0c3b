"""Which files may be read, how they are found, and what they become. All on real directories."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from callmux.rings.references import files
from callmux.rings.references.files import ReferenceRoots, Unreadable, find, is_inside, load
from callmux.rings.references.recognition import FileReference


def reference(path: object, form: str = "$file", where: str = "arguments.a", **more: Any) -> FileReference:
    return FileReference(where=where, form=form, path=str(path), **more)


def read(path: object, place: ReferenceRoots | None = None, form: str = "$file", **more: Any) -> bytes:
    (source,) = find([reference(path, form, **more)], place or ReferenceRoots("/", None))
    return load(source)[1][form]


def problem(path: object, place: ReferenceRoots | None = None, form: str = "$file", **more: int) -> str:
    with pytest.raises(Unreadable) as caught:
        read(path, place, form, **more)
    return str(caught.value)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A root with a file, and a secret beside it."""
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "..odd").mkdir()
    (root / "in.txt").write_text("inside")
    (root / "..odd" / "x.txt").write_text("odd")
    (root / "sub" / "deep.txt").write_text("deep")
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "rooted").mkdir()
    (tmp_path / "rooted" / "x").write_text("beside")
    return tmp_path


def test_text_is_taken_as_it_is(tmp_path: Path) -> None:
    """The byte order mark stays."""
    (tmp_path / "t").write_bytes(b'\xef\xbb\xbfa\r\n"\xc3\xa9')
    assert read(tmp_path / "t") == '"\ufeffa\\r\\n\\"é"'.encode()


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "e").write_bytes(b"")
    assert read(tmp_path / "e") == b'""'
    assert read(tmp_path / "e", form="$yamlFile") == b"null"
    assert "failed to parse $jsonFile" in problem(tmp_path / "e", form="$jsonFile")


def test_json_keeps_its_digits(tmp_path: Path) -> None:
    (tmp_path / "j").write_bytes(b'\xef\xbb\xbf{ "id": 12345678901234567890,\n "x": 1.10 }')
    assert read(tmp_path / "j", form="$jsonFile") == b'{"id":12345678901234567890,"x":1.10}'


@pytest.mark.parametrize("text", ["{nope", "NaN", '"\\ud800"', "[" * 2000 + "]" * 2000, "{} {}", "1e999"])
def test_json_that_cannot_be_sent_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "j").write_text(text)
    assert f'arguments.a: $jsonFile "{tmp_path}/j": failed to parse $jsonFile: ' in problem(
        tmp_path / "j", form="$jsonFile"
    )


def test_yaml_says_where_it_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "y").write_text("a: 1\na: 2\n")
    assert "failed to parse $yamlFile: the key" in problem(tmp_path / "y", form="$yamlFile")


def test_what_is_not_there(tmp_path: Path) -> None:
    assert problem(tmp_path / "none") == (
        f'arguments.a: $file "{tmp_path}/none" cannot be read: no such file or directory (ENOENT)'
    )
    assert "…" in problem("x" * 300)


def test_a_file_that_vanishes_in_between(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("x")
    (source,) = find([reference(tmp_path / "t")], ReferenceRoots("/", None))
    (tmp_path / "t").unlink()
    with pytest.raises(Unreadable, match="ENOENT"):
        load(source)


def test_only_regular_files_and_no_waiting(tmp_path: Path) -> None:
    """A pipe that nobody writes to would never end."""
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        for path in (tmp_path, tmp_path / "pipe", tmp_path / "s", "/dev/null", "/dev/zero"):
            assert "must resolve to a regular file" in problem(path)


def test_a_pipe_put_in_place_of_a_file_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("x")
    (source,) = find([reference(tmp_path / "t")], ReferenceRoots("/", None))
    (tmp_path / "t").unlink()
    os.mkfifo(tmp_path / "t")
    with pytest.raises(Unreadable, match="regular file"):
        load(source)


def test_links_are_followed_and_files_read_once(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("5")
    (tmp_path / "link").symlink_to("t")
    sources = find(
        [reference("t"), reference("./link", "$jsonFile"), reference(tmp_path / "t", "$yamlFile")],
        ReferenceRoots(str(tmp_path), None),
    )
    assert [source.real for source in sources] == [os.path.realpath(tmp_path / "t")]
    assert load(sources[0]) == (1, {"$file": b'"5"', "$jsonFile": b"5", "$yamlFile": b"5"})


def test_the_strictest_limit_counts(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("0123456789")
    assert read(tmp_path / "t", max_bytes=10) == b'"0123456789"'
    with pytest.raises(Unreadable) as caught:
        find(
            [reference(tmp_path / "t"), reference(tmp_path / "t", where="arguments.b", max_bytes=9)],
            ReferenceRoots("/", None),
        )
    assert str(caught.value) == (
        f'arguments.b: $file "{tmp_path}/t" exceeds maxBytes: it has 10 bytes, 9 are allowed'
    )


def test_a_file_that_grows_or_hides_its_size(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("x")
    (source,) = find([reference(tmp_path / "t", max_bytes=4)], ReferenceRoots("/", None))
    (tmp_path / "t").write_text("x" * 100)
    with pytest.raises(Unreadable, match="at least 5 bytes, 4 are allowed"):
        load(source)
    if os.path.isfile("/proc/self/status"):
        assert "exceeds maxBytes" in problem("/proc/self/status", max_bytes=10)
        assert read("/proc/self/status", max_bytes=100_000).startswith(b'"Name')


def test_all_files_of_a_call_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file named twice counts twice."""
    monkeypatch.setattr(files, "MOST_BYTES", 20)
    (tmp_path / "t").write_text("0123456789")
    twice = [reference(tmp_path / "t")] * 2
    assert len(find(twice, ReferenceRoots("/", None))) == 1
    with pytest.raises(Unreadable, match="exceed 20 bytes together"):
        find([*twice, reference(tmp_path / "t")], ReferenceRoots("/", None))


def test_relative_paths_start_from_the_base(tree: Path) -> None:
    """W26: not from where callmux was started."""
    assert read("in.txt", ReferenceRoots(str(tree / "root"), None)) == b'"inside"'
    assert read("../secret.txt", ReferenceRoots(str(tree / "root"), None)) == b'"secret"'


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("path", ["in.txt", "sub/deep.txt", "..odd/x.txt", "sub/../in.txt", "../root/in.txt"])
def test_inside_a_root(tree: Path, path: str, strict: bool) -> None:
    """W26: a directory whose name starts with two dots was refused."""
    root = str(tree / "root")
    assert read(path, ReferenceRoots(root, [str(tree / "gone"), root], strict=strict))


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    "path", ["../secret.txt", "../rooted/x", "../none", "/etc/passwd", "/none", "..", "link"]
)
def test_outside_all_look_the_same(tree: Path, path: str, strict: bool) -> None:
    """W26: whether a file is there was told by the error."""
    root = tree / "root"
    (root / "link").symlink_to("../secret.txt")
    (root / "linked").symlink_to("..")
    for spelled in (path, os.path.join("linked", path), os.path.join("linked/nowhere", path)):
        found = problem(spelled, ReferenceRoots(str(root), [str(root)], strict=strict))
        if spelled in ("linked/..", "linked/nowhere/..") and strict:
            continue
        assert found in (
            f'arguments.a: $file "{spelled}" is outside configured fileReferenceRoots',
            f'arguments.a: $file "{spelled}" cannot be read: no such file or directory (ENOENT)',
        )
        assert ("ENOENT" in found) <= os.path.normpath(os.path.join(root, spelled)).startswith(f"{root}/")


def test_a_remote_caller_learns_nothing_from_links_outside(tree: Path) -> None:
    """A detour through a directory leads back or not, depending on whether it is a link."""
    root = tree / "root"
    (tree / "there").symlink_to(tree / "root" / "sub")
    (tree / "plain").mkdir()
    place = ReferenceRoots(str(root), [str(root)], strict=True)
    detours = [f"../{name}/../root/in.txt" for name in ("plain", "there", "nowhere")]
    assert {read(detour, place) for detour in detours} == {b'"inside"'}
    found = {problem(f"../{name}/deep.txt", place).replace(name, "X") for name in ("plain", "there", "none")}
    assert len(found) == 1


def test_a_root_may_be_a_link_itself(tree: Path) -> None:
    (tree / "alias").symlink_to("root")
    for strict in (False, True):
        for base in ("alias", "root"):
            assert read("in.txt", ReferenceRoots(str(tree / base), [str(tree / "alias")], strict=strict))


def test_a_link_put_in_place_later_is_not_followed(tree: Path) -> None:
    """Between the look and the reading."""
    root = tree / "root"
    place = ReferenceRoots(str(root), [str(root)])
    (source,) = find([reference("sub/deep.txt")], place)
    (root / "sub").rename(root / "was")
    (tree / "other").mkdir()
    (tree / "other" / "deep.txt").write_text("secret")
    (root / "sub").symlink_to("../other")
    with pytest.raises(Unreadable):
        load(source)
    (root / "sub").unlink()
    (root / "sub").mkdir()
    (root / "sub" / "deep.txt").symlink_to("../../secret.txt")
    with pytest.raises(Unreadable):
        load(source)


def test_no_roots_at_all_allow_nothing(tree: Path) -> None:
    assert "outside" in problem("in.txt", ReferenceRoots(str(tree / "root"), []))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("x")
    (tmp_path / "t").chmod(0)
    assert "EACCES" in problem(tmp_path / "t")


def test_being_inside() -> None:
    assert is_inside("/a/b", "/a")
    assert is_inside("/a", "/a")
    assert is_inside("/a/..b", "/a")
    assert is_inside("/x", "/")
    assert not is_inside("/ab", "/a")


@pytest.mark.parametrize(
    "error", [OSError(40, "Too many levels of symbolic links"), OSError(), ValueError("null byte")]
)
def test_a_file_that_changes_while_it_is_looked_up_is_named(
    tree: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A link in its place, for one."""
    realpath = os.path.realpath

    def swapped(path: str) -> str:
        if path.endswith("in.txt"):
            raise error
        return realpath(path)

    monkeypatch.setattr(os.path, "realpath", swapped)
    for roots in (None, [str(tree / "root")]):
        assert "in.txt" in problem("in.txt", ReferenceRoots(str(tree / "root"), roots))
