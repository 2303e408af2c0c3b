"""callmux token"""

from __future__ import annotations

import io
import json

import pytest

from callmux.cli import config, token
from callmux.config.kinds import scrypt_hash
from callmux.errors import UsageError
from callmux.guard.hashes import ScryptHash


def test_a_new_token_goes_with_its_hash_and_is_another_each_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert token.run(["new", "--json"], None) == 0
    first = json.loads(capsys.readouterr().out)
    assert ScryptHash.of(scrypt_hash(first["hash"])).fits(first["token"].encode())
    assert len(first["token"]) >= 40
    assert token.run(["new"], None) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["token", "hash"]
    assert first["token"] not in lines[0]


@pytest.mark.parametrize("command", [(token.run, ["hash"]), (config.run, ["hash"])])
def test_a_token_from_stdin_becomes_its_hash_and_is_not_shown(
    command: tuple[object, list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, args = command
    monkeypatch.setattr("sys.stdin", io.StringIO("hunter2-hunter2\n"))
    assert run(args, None) == 0  # type: ignore[operator]
    out = capsys.readouterr().out.strip()
    assert ScryptHash.of(scrypt_hash(out)).fits(b"hunter2-hunter2")
    assert "hunter2" not in out


def test_a_token_is_asked_for_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", lambda prompt: " typed ")
    assert token.run(["hash", "--json"], None) == 0
    hashed = json.loads(capsys.readouterr().out)
    assert list(hashed) == ["hash"]
    assert ScryptHash.of(hashed["hash"]).fits(b"typed")


@pytest.mark.parametrize("text", ["", " \n", "two\nlines", "\u00fc", "a\x00b"])
def test_what_no_header_can_carry_is_no_token(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    with pytest.raises(UsageError, match="printable"):
        token.run(["hash"], None)


@pytest.mark.parametrize("args", [[], ["make"], ["new", "--loud"], ["hash", "secret"]])
def test_what_it_does_not_take_is_refused(args: list[str]) -> None:
    with pytest.raises(UsageError):
        token.run(args, None)
