"""Text is UTF-8 or refused with its place, by everything that reads any."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from callmux.bridge import credentials
from callmux.cli import call
from callmux.cli.saving import edit_text
from callmux.clients import changes, detect
from callmux.config.env_file import read_env_file
from callmux.config.load import load_config, read_document
from callmux.config.secrets import read_secret_file, resolve_reference
from callmux.config.servers import StdioServer
from callmux.config.variables import expand_server
from callmux.daemon import apply
from callmux.errors import CallmuxError, ConfigError, SecretError, UsageError
from callmux.rings.references.files import ReferenceRoots, Unreadable, find, load
from callmux.rings.references.recognition import FileReference
from callmux.text import NotText, check_variable, check_words, quiet, text_of, visible

LATIN = b'{"a":\n "caf\xe9"}'
WIDE = {
    "UTF-16 with a mark": '{"a": 1}'.encode("utf-16"),
    "UTF-16, the other way round": b"\xfe\xff" + '{"a": 1}'.encode("utf-16-be"),
    "UTF-16 without a mark": '{"a": 1}'.encode("utf-16-le"),
    "UTF-32": '{"a": 1}'.encode("utf-32"),
}


def _file_reference(form: str) -> Callable[[Path], object]:
    def read(path: Path) -> object:
        reference = FileReference(form=form, path=str(path), where="arguments.a", max_bytes=1000)
        (source,) = find([reference], ReferenceRoots(base="/", roots=None, strict=False))
        return load(source)

    return read


def _piped(path: Path) -> object:
    before = sys.stdin
    sys.stdin = SimpleNamespace(buffer=io.BytesIO(path.read_bytes()))
    try:
        return call._stdin()
    finally:
        sys.stdin = before


def _backup(path: Path) -> object:
    (path.parent / "list.json").write_bytes(path.read_bytes())
    return changes.undo(path.parent)


READERS: dict[str, Callable[[Path], object]] = {
    "a configuration": read_document,
    "a configuration in YAML": lambda path: read_document(path.rename(path.with_suffix(".yaml"))),
    "a client's file": detect.read_text,
    "a file that a command edits": lambda path: edit_text(path, lambda text: text),
    "a secret": read_secret_file,
    "an environment file": lambda path: read_env_file(str(path), path.parent),
    "a referenced text": _file_reference("$file"),
    "referenced JSON": _file_reference("$jsonFile"),
    "referenced YAML": _file_reference("$yamlFile"),
    "the list of a backup": _backup,
    "a file that is taken back": lambda path: changes._taken_back(
        str(path), b"{}", path.read_bytes(), {"paths": [["a"]]}, []
    ),
    "a service file": lambda path: apply.existing(SimpleNamespace(service_file_path=str(path))),  # type: ignore[arg-type]
    "a kept token": lambda path: credentials._read(path, "the token"),
    "a payload": lambda path: call._from_file(SimpleNamespace(text=lambda _: str(path))),  # type: ignore[arg-type]
    "what is piped in": _piped,
}


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_refuses_other_bytes_and_names_their_place(reader: str, tmp_path: Path) -> None:
    path = tmp_path / "in.json"
    path.write_bytes(LATIN)
    with pytest.raises((CallmuxError, Unreadable), match=r":2:6: byte 11 is not UTF-8 text") as refused:
        READERS[reader](path)
    if reader != "what is piped in":
        assert str(tmp_path) in str(refused.value)


@pytest.mark.parametrize("kind", WIDE)
@pytest.mark.parametrize("reader", READERS)
def test_every_reader_says_what_a_wide_encoding_is(reader: str, kind: str, tmp_path: Path) -> None:
    """PowerShell writes such files, and Notepad."""
    path = tmp_path / "in.json"
    path.write_bytes(WIDE[kind])
    with pytest.raises((CallmuxError, Unreadable), match=rf"is {kind[:6]} text, not UTF-8: save it as UTF-8"):
        READERS[reader](path)


def test_a_mark_of_utf_8_is_no_part_of_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "in.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_document(path) == {"a": 1}
    assert read_secret_file(path) == '{"a": 1}'
    assert credentials._read(path, "the token") == '{"a": 1}'
    path.write_bytes(b"\xef\xbb\xbfA=1\n")
    assert read_env_file(str(path), tmp_path) == {"A": "1"}


def test_arguments_of_a_server_are_not_changed(tmp_path: Path) -> None:
    """`caf` and the byte of Latin-1 would be the name of another file."""
    path = tmp_path / "c.json"
    for line in (b'{"servers": {"a": {"command": "x", "args": ["caf\xe9"]}}}', b'// \xe9\n{"servers": {}}'):
        path.write_bytes(line)
        with pytest.raises(ConfigError, match=rf"{path}:1:\d+: byte \d+ is not UTF-8 text"):
            load_config(path, {})


@pytest.mark.parametrize(
    "words",
    [["--", "echo", "caf\udce9"], ["server", "add", "a", "--", "caf\udce9"], ["--config", "caf\udce9"]],
)
def test_a_word_of_the_command_line_that_is_no_text_is_refused(words: list[str]) -> None:
    with pytest.raises(UsageError, match=rf"word {len(words)} .* byte 3"):
        check_words(words)
    check_words(["ä", "\U0001f600", ""])


def test_the_command_refuses_such_a_word_with_a_sentence() -> None:
    words: list[str | bytes] = [sys.executable, "-m", "callmux", "--", "echo", b"caf\xe9"]
    done = subprocess.run(words, capture_output=True, timeout=60, env={**os.environ, "PYTHONUTF8": "1"})
    assert done.returncode == 1
    assert "word 3 of the command line is not UTF-8 text at byte 3" in done.stderr.decode()


def test_variables_that_are_no_text_are_refused_where_they_become_part_of_one(tmp_path: Path) -> None:
    env = {"V": "\u00fc\udce9"}
    with pytest.raises(SecretError, match='"V" is not UTF-8 text at byte 2'):
        resolve_reference("env:V", tmp_path, env)
    server = expand_server(StdioServer(command="x", args=("${V}",)), "servers.a", env)
    assert isinstance(server, StdioServer)
    assert server.problem == 'servers.a.args[0]: the environment variable "V" is not UTF-8 text at byte 2'
    assert check_variable("ü", "V") == "ü"


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"\xff", "f:1:1: byte 0 "),
        ("ä\n\nöü".encode() + b"\xc3", "f:3:3: byte 8 "),
        (b"a\r\nb\xed\xa0\x80", "f:2:2: byte 4 "),
        (b"\xc0\x80", "f:1:1: byte 0 "),
    ],
)
def test_the_place_counts_characters_in_its_line_and_bytes_in_the_file(data: bytes, place: str) -> None:
    with pytest.raises(NotText, match=place):
        text_of(data, "f")


@pytest.mark.parametrize("text", ["", "\ufeff", "a\0b", "\0", "\0\0", "ä\U0001f600"])
def test_every_other_text_is_taken_as_it_is(text: str) -> None:
    assert text_of(text.encode(), "f") == text


def test_a_library_that_says_nothing_of_its_place_is_not_asked() -> None:
    """msgspec reads such keys, or refuses without a place, depending on its version."""
    with pytest.raises((msgspec.MsgspecError, UnicodeDecodeError)):
        msgspec.json.decode(b'["caf\xe9"]')


@pytest.mark.parametrize(
    ("text", "shown"),
    [("ä b", "ä b"), ("a\x1b[2J", "a\\x1b[2J"), ("a\nb\t", "a\\x0ab\\x09"), ("\u202ea", "\\x202ea")],
)
def test_a_line_for_people_holds_nothing_that_moves_the_cursor(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("plain \N{GREEK SMALL LETTER ALPHA}", "plain \N{GREEK SMALL LETTER ALPHA}"),
        ("\x1b[31mred\x1b[0m\tand", "red    and"),
        ("\x1b]0;title\x07x", "x"),
        ("a\rb\x08c\x9bd\x1bE", "a\\x0db\\x08c\\x9bd\\x1bE"),
        ("a\u202eb\u2028c", "a\\x202eb\\x2028c"),
    ],
)
def test_a_line_of_another_program_does_nothing_to_a_terminal(line: str, shown: str) -> None:
    assert quiet(line) == shown
