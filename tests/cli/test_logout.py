"""`callmux logout`: tokens are forgotten whatever the authorization server says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from callmux.cli import logout
from callmux.errors import CallmuxError
from callmux.stores.sign_ins import NOTHING, Account, KeptAccount, OAuthClient, SignedIn, Tokens
from callmux.stores.tokens import TokenStore
from tests.support import free_port

URL = "http://127.0.0.1:{port}/mcp"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, TokenStore, Account]:
    """A configuration, the store, and the account of its server."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("CALLMUX_KEYRING", "off")
    url = URL.format(port=free_port())
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"servers": {"s": {"url": url}, "program": {"command": "x"}}}))
    return path, TokenStore(tmp_path / "state/callmux/tokens"), Account("s", url)


def kept(**more: Any) -> KeptAccount:
    client, tokens = OAuthClient(id="c"), Tokens(access="s3cret")
    signed_in = SignedIn(
        issuer="https://i", token_endpoint="https://i/t", client=client, tokens=tokens, **more
    )
    return KeptAccount(generation=1, signed_in=signed_in)


def test_a_sign_in_is_forgotten_where_nobody_revokes(
    place: tuple[Path, TokenStore, Account], capsys: pytest.CaptureFixture[str]
) -> None:
    path, store, account = place
    store.write(account, kept())
    assert logout.run(["s"], str(path)) == 0
    assert capsys.readouterr().out == (
        'The sign-in to "s" is forgotten (its authorization server revokes none).\n'
    )
    assert store.read(account) is NOTHING
    assert logout.run(["s"], str(path)) == 1
    assert capsys.readouterr().err == '"s" has no sign-in.\n'
    assert logout.run(["--all"], str(path)) == 1


def test_an_authorization_server_that_cannot_be_asked_keeps_nobody_signed_in(
    place: tuple[Path, TokenStore, Account], capsys: pytest.CaptureFixture[str]
) -> None:
    path, store, account = place
    store.write(account, kept(revocation_endpoint=f"http://127.0.0.1:{free_port()}/revoke"))
    assert logout.run(["--all"], str(path)) == 0
    said = capsys.readouterr().out
    assert "forgotten here, but not revoked: " in said
    assert "s3cret" not in said
    assert store.read(account) is NOTHING


def test_what_cannot_be_read_is_forgotten_too(
    place: tuple[Path, TokenStore, Account], capsys: pytest.CaptureFixture[str]
) -> None:
    path, store, account = place
    store.write(account, kept())
    store.path(account).write_text("{}")
    assert logout.run(["s"], str(path)) == 0
    assert "is damaged" in capsys.readouterr().err
    assert not store.path(account).exists()


@pytest.mark.parametrize("args", [[], ["s", "--all"], ["nobody"], ["program"]])
def test_what_it_is_not_for_is_refused(place: tuple[Path, TokenStore, Account], args: list[str]) -> None:
    with pytest.raises(CallmuxError):
        logout.run(args, str(place[0]))


def test_a_sign_in_that_cannot_be_forgotten_is_said(
    place: tuple[Path, TokenStore, Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, store, account = place
    store.write(account, kept())

    def full(self: TokenStore, which: Account) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(TokenStore, "remove", full)
    with pytest.raises(logout.SignOutFailed, match="No space left on device"):
        logout.run(["s"], str(path))
