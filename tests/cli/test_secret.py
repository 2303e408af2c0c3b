"""`callmux secret`: values come from a prompt or a pipe, and are never shown."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest

from callmux.cli import secret
from callmux.errors import CallmuxError, SecretError, UsageError
from callmux.secrets.vault import vault_of


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def piped(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_a_secret_is_kept_listed_and_removed(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    piped(monkeypatch, b"hunter2\n")
    assert secret.run(["set", "gh"], None) == 0
    said = capsys.readouterr().out
    assert said.startswith('Kept the secret "gh" in files of mode 0600 in ')
    assert '"keyring:gh"' in said
    assert "hunter2" not in said
    assert vault_of(os.environ).get("gh") == "hunter2"
    assert secret.run(["list"], None) == 0
    assert capsys.readouterr().out.splitlines()[0] == "gh  (file)"
    assert secret.run(["list", "--json"], None) == 0
    assert json.loads(capsys.readouterr().out)["secrets"] == [{"name": "gh", "kept": "file"}]
    assert secret.run(["remove", "gh"], None) == 0
    assert secret.run(["rm", "gh"], None) == 1
    assert capsys.readouterr().err == 'There is no secret "gh".\n'


def test_a_value_on_the_command_line_is_refused_and_not_repeated(home: Path) -> None:
    for words in (["set", "gh", "hunter2"], ["set", "gh", "--", "hunter2"]):
        with pytest.raises(UsageError, match="never stands on the command line") as caught:
            secret.run(words, None)
        assert "hunter2" not in caught.value.message
    assert vault_of(os.environ).names() == {}


def test_a_value_may_have_lines_and_loses_only_the_last_end(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    piped(monkeypatch, b"\xef\xbb\xbf-----BEGIN-----\n a \n\r\n")
    secret.run(["set", "key"], None)
    assert vault_of(os.environ).get("key") == "-----BEGIN-----\n a \n"


@pytest.mark.parametrize("data", [b"", b"\n", b"a\0b", b"x" * 65537, b"\xff"])
def test_what_can_be_no_secret_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    piped(monkeypatch, data)
    with pytest.raises(CallmuxError):
        secret.run(["set", "gh"], None)
    assert vault_of(os.environ).names() == {}


@pytest.mark.parametrize("args", [[], ["show"], ["set"], ["remove"], ["list", "x"]])
def test_what_it_does_not_take_is_refused(home: Path, args: list[str]) -> None:
    with pytest.raises(UsageError):
        secret.run(args, None)


@pytest.mark.parametrize("word", ["set", "remove"])
def test_a_name_that_is_a_path_is_refused(home: Path, word: str) -> None:
    with pytest.raises(SecretError, match="cannot be the name"):
        secret.run([word, "../x"], None)


def test_on_a_terminal_it_asks_and_shows_nothing_of_what_is_typed(home: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "callmux", "secret", "set", "gh"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    seen = b""
    while b"not shown): " not in seen:
        assert select.select([ours], [], [], 60)[0], seen
        seen += os.read(ours, 1000)
    os.write(ours, b"hunter2\n")
    while select.select([ours], [], [], 60)[0]:
        try:
            more = os.read(ours, 1000)
        except OSError:
            break
        if not more:
            break
        seen += more
    os.close(ours)
    assert process.wait(60) == 0
    assert b'Kept the secret "gh"' in seen
    assert b"hunter2" not in seen
    assert vault_of(os.environ).get("gh") == "hunter2"


def test_secrets_are_moved_out_of_the_configuration_where_somebody_says_yes(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = home / "c.json"
    path.write_text('{"servers": {"gh": {"command": "x", "env": {"A_TOKEN": "hunter2-hunter2"}}}}')
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert secret.run(["move"], str(path)) == 0
    assert "gh: env.A_TOKEN" in capsys.readouterr().out
    assert "hunter2" in path.read_text()
    assert secret.run(["move", "--yes"], str(path)) == 0
    assert "hunter2" not in path.read_text() + capsys.readouterr().out
    assert vault_of(os.environ).get("gh-A_TOKEN") == "hunter2-hunter2"
    assert secret.run(["move"], str(path)) == 0
    assert "No secret stands in" in capsys.readouterr().out
