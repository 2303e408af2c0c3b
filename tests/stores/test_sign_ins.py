"""What is kept of a sign-in tells no secret by itself, and has a name that tells nothing."""

from __future__ import annotations

from callmux.stores.sign_ins import Account, OAuthClient, Tokens


def test_accounts_that_differ_in_anything_have_other_names() -> None:
    accounts = [Account("s", "https://a/mcp"), Account("t", "https://a/mcp"), Account("s", "https://b/mcp")]
    accounts.append(Account("s", "https://a/mcp", "bearer:ann"))
    assert len({account.digest for account in accounts}) == 4
    assert Account("s", "https://a/mcp").digest == accounts[0].digest
    assert "a/mcp" not in accounts[0].digest


def test_what_is_printed_holds_no_secret() -> None:
    shown = repr((OAuthClient(id="me", secret="hush-client"), Tokens(access="hush-access", refresh="hush")))
    assert "hush" not in shown
    assert "me" in shown


def test_a_secret_in_a_url_is_not_shown() -> None:
    account = Account("s", "https://me:hush@a:8443/mcp/hush?key=hush#hush", "bearer:ann")
    assert account.shown == {"server": "s", "url": "https://a:8443", "owner": "bearer:ann"}
