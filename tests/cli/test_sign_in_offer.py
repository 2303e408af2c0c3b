"""A sign-in is offered where a server wants one, and what came of it is said."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from callmux.cli import sign_in_offer
from callmux.cli.sign_in_offer import at_terminal, offered, signed_in_to
from callmux.config.servers import HttpServer, StdioServer
from callmux.oauth.failure import SignInFailed

REMOTE = HttpServer(url="https://far.example/mcp")


async def no(question: str) -> bool:
    return False


async def yes(question: str) -> bool:
    assert question == '"far" wants you to sign in. Now?'
    return True


async def test_who_says_yes_is_signed_in(capsys: pytest.CaptureFixture[str]) -> None:
    signed: list[str] = []

    async def sign(name: str, server: HttpServer, base_dir: Path) -> None:
        signed.append(server.url)

    assert await offered("far", REMOTE, Path("/"), yes, sign)
    assert signed == [REMOTE.url]
    assert capsys.readouterr().out == 'Signed in to "far".\n'
    assert not await offered("far", REMOTE, Path("/"), no, sign)
    assert not await offered("near", StdioServer(command="x"), Path("/"), yes, sign)
    assert len(signed) == 1


async def test_a_sign_in_that_fails_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    async def sign(name: str, server: HttpServer, base_dir: Path) -> None:
        raise SignInFailed("nobody came")

    assert not await offered("far", REMOTE, Path("/"), yes, sign)
    assert capsys.readouterr().err == 'Not signed in to "far": nobody came\n'


def test_several_are_asked_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask(question: str) -> bool:
        return '"b"' not in question

    async def sign(name: str, server: HttpServer, base_dir: Path) -> None:
        if name == "c":
            raise SignInFailed("no")

    monkeypatch.setattr(sign_in_offer, "_ask", ask)
    monkeypatch.setattr(sign_in_offer, "_sign", sign)
    assert signed_in_to(dict.fromkeys("abcd", REMOTE), Path("/")) == ["a", "d"]


def test_somebody_can_be_asked_at_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert not at_terminal()
    monkeypatch.setattr("sys.stdout", Terminal())
    assert at_terminal()
