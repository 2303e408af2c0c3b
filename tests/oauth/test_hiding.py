"""What is learned is hidden; what there is not is no secret."""

from __future__ import annotations

from callmux.config.veil import EVERYWHERE
from callmux.oauth.hiding import hide
from callmux.stores.sign_ins import OAuthClient, Tokens


def test_tokens_and_secrets_are_hidden_from_now_on() -> None:
    hide(
        Tokens(access="hiding-access-1", refresh="hiding-refresh-1"),
        OAuthClient(id="m", secret="hiding-secret-1"),
    )
    hide(Tokens(access="hiding-access-2"), None)
    hide(None, OAuthClient(id="hiding-id-is-no-secret"))
    shown = EVERYWHERE.hide(
        "hiding-access-1 hiding-refresh-1 hiding-secret-1 hiding-access-2 hiding-id-is-no-secret"
    )
    assert shown.count("hiding-") == 1
    assert shown.endswith("hiding-id-is-no-secret")
