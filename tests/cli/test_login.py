"""`callmux login`: which servers it is for, and what it says of a sign-in that is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from callmux.cli import login
from callmux.cli.login import record
from callmux.config.servers import HttpServer
from callmux.errors import CallmuxError, ConfigError, UsageError
from callmux.stores.sign_ins import Account, Demand, KeptAccount, OAuthClient, SignedIn, Tokens
from callmux.stores.tokens import TokenStore
from tests.support import free_port

SERVER = HttpServer(url="https://u:hunter2@s.example/mcp")


def kept(**tokens: Any) -> KeptAccount:
    return KeptAccount(
        generation=1,
        signed_in=SignedIn(
            issuer="https://i.example",
            token_endpoint="https://i.example/token",
            client=OAuthClient(id="c"),
            tokens=Tokens(access="s3cret", **tokens),
        ),
    )


def test_what_is_kept_is_shown_without_tokens() -> None:
    assert record("s", SERVER, KeptAccount(), 0) == {
        "name": "s",
        "url": "https://[redacted]@s.example/mcp",
        "state": "none",
    }
    assert record("s", SERVER, KeptAccount(demand=Demand()), 0)["state"] == "needed"
    shown = record("s", SERVER, kept(refresh="s3cret", expires_at=100.0, scopes=("a",)), 200)
    assert shown["state"] == "signed_in"
    assert (shown["issuer"], shown["scopes"], shown["renewable"]) == ("https://i.example", ["a"], True)
    assert shown["expiresAt"].startswith("1970-01-01T00:01:40")
    assert "s3cret" not in json.dumps(shown)
    assert record("s", SERVER, kept(expires_at=100.0), 99)["state"] == "signed_in"
    assert record("s", SERVER, kept(expires_at=100.0), 100)["state"] == "expired"
    assert record("s", SERVER, kept(), 1e12)["state"] == "signed_in"


def test_a_sign_in_that_allows_too_little_is_needed_again() -> None:
    more = KeptAccount(signed_in=kept().signed_in, demand=Demand(scopes=("write",), step_up=True))
    shown = record("s", SERVER, more, 0)
    assert (shown["state"], shown["missingScopes"]) == ("needed", ["write"])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with one server of each kind."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("CALLMUX_KEYRING", "off")
    path = tmp_path / "c.json"
    path.write_text(
        json.dumps(
            {
                "servers": {
                    "program": {"command": "x"},
                    "far": {"url": f"http://127.0.0.1:{free_port()}/mcp"},
                    "other": {"url": "https://other.example/mcp"},
                    "off": {"url": "https://off.example/mcp", "disabled": True},
                    "broken": {"url": "https://${NOWHERE_SET}/mcp"},
                }
            }
        )
    )
    return path


def test_the_status_of_all_servers_asks_nobody(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = TokenStore(place.parent / "state/callmux/tokens")
    store.write(Account("other", "https://other.example/mcp"), kept(refresh="s3cret", expires_at=100.0))
    assert login.run(["--status"], str(place)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "far: no sign-in is kept"
    assert lines[1].startswith("other: signed in at https://i.example, until 1970-01-01T00:01:40")
    assert lines[1].endswith("(renewed by itself)")
    assert lines[-1].startswith("Tokens are kept in a file of mode 0600 in ")
    assert not [line for line in lines if line.startswith(("off", "program"))]
    assert login.run(["--status", "--json", "other"], str(place)) == 0
    (shown,) = json.loads(capsys.readouterr().out)["servers"]
    assert (shown["name"], shown["state"]) == ("other", "signed_in")


def test_a_status_that_somebody_must_act_on_is_no_success(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = TokenStore(place.parent / "state/callmux/tokens")
    account = Account("other", "https://other.example/mcp")
    store.write(account, kept(expires_at=100.0))
    assert login.run(["--status", "other"], str(place)) == 1
    assert 'run "callmux login other"' in capsys.readouterr().out
    store.path(account).write_text("{}")
    assert login.run(["--status", "other"], str(place)) == 1
    assert "is damaged" in capsys.readouterr().out


def test_a_server_that_cannot_be_reached_is_said(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert login.run(["far"], str(place)) == 1
    assert 'Not signed in to "far": ' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "kind", "message"),
    [
        (["nobody"], UsageError, 'Server "nobody" not found'),
        (["othr"], UsageError, 'did you mean "other"'),
        (["program"], UsageError, "is a program on this machine"),
        (["broken"], ConfigError, "NOWHERE_SET is not set"),
        (["--json"], UsageError, "--json goes with --status"),
        (["--timeout", "0"], UsageError, "--timeout must be"),
    ],
)
def test_what_it_is_not_for_is_refused(
    place: Path, args: list[str], kind: type[CallmuxError], message: str
) -> None:
    with pytest.raises(kind, match=message):
        login.run(args, str(place))


def test_without_servers_at_a_url_there_is_nothing_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.json"
    path.write_text('{"servers": {"a": {"command": "x"}}}')
    assert login.run([], str(path)) == 0
    assert "nothing to sign in to" in capsys.readouterr().out
