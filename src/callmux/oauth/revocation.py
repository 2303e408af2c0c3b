"""Tells an authorization server that tokens are not used any more (RFC 7009).

Called by `callmux.cli.logout`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from callmux.config.servers import HttpServer
from callmux.oauth.failure import SignInFailed
from callmux.oauth.settings import looked_up, settings_of
from callmux.oauth.token_requests import Form, form_of, refusal_of
from callmux.oauth.web import Web
from callmux.stores.sign_ins import SignedIn


async def revoke(
    name: str,
    config: HttpServer,
    signed_in: SignedIn,
    *,
    env: Mapping[str, str],
    base_dir: Path,
    wall: float,
) -> bool:
    """Has the authorization server take the tokens back. Gives whether it has a place for that.

    Args:
        name: The server's key.
        config: Its entry.
        signed_in: What was kept.
        env: Where `env:NAME` leads.
        base_dir: The directory of the configuration file.
        wall: The time of day.

    Raises:
        SignInFailed: It does not answer, or says no, or a reference of the entry leads to nothing.
    """
    endpoint, client, tokens = signed_in.revocation_endpoint, signed_in.client, signed_in.tokens
    if not endpoint:
        return False
    assertion = ""
    if client.method == "private_key_jwt":
        settings = settings_of(name, config, env, base_dir)
        assertion = await settings.assertion(client.id, signed_in.issuer, wall)
    # The refresh token first: with it go the access tokens that came of it.
    kinds = {"refresh_token": tokens.refresh, "access_token": tokens.access}
    entry = await looked_up(config, base_dir, env)
    async with Web(entry.url) as web:
        for kind, token in kinds.items():
            if not token:
                continue
            fields = {"token": token, "token_type_hint": kind}
            failure = await _refusal(web, endpoint, form_of(fields, client, assertion))
            by_header = client.method in ("none", "client_secret_basic")
            if failure is not None and failure.code == "invalid_request" and by_header:
                # Servers on the official SDK want this field of everybody.
                fields["client_secret"] = client.secret
                failure = await _refusal(web, endpoint, form_of(fields, client, assertion))
            if failure is not None and failure.code != "unsupported_token_type":
                raise failure
    return True


async def _refusal(web: Web, endpoint: str, form: Form) -> SignInFailed | None:
    reply = await web.post(endpoint, "the revocation endpoint", form.body, form.headers)
    return None if 200 <= reply.status < 300 else refusal_of(reply.status, reply.body)
