"""Hides tokens and client secrets in everything that leaves callmux, from the moment they are known. Pure.

Called by `callmux.oauth.credentials`, `callmux.oauth.sign_in` and `callmux.oauth.token_endpoint`.
"""

from __future__ import annotations

from callmux.config.veil import EVERYWHERE, Veil
from callmux.stores.sign_ins import OAuthClient, Tokens


def hide(tokens: Tokens | None, client: OAuthClient | None) -> None:
    """From now on, these are hidden."""
    values = [] if tokens is None else [tokens.access, tokens.refresh]
    EVERYWHERE.learn(Veil([value for value in (*values, client.secret if client else "") if value]))
