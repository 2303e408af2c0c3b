"""Asks a token endpoint for tokens, and gives them back to it.

Called by `callmux.oauth.sign_in` and `callmux.oauth.renewal`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from callmux.oauth.hiding import hide
from callmux.oauth.token_requests import form_of, refusal_of, tokens_of
from callmux.oauth.web import Web
from callmux.stores.sign_ins import OAuthClient, SignedIn, Tokens

WHAT = "the token endpoint"


async def tokens_for(
    web: Web,
    endpoint: str,
    fields: Mapping[str, str],
    client: OAuthClient,
    wall: Callable[[], float],
    *,
    assertion: str = "",
    before: Tokens | None = None,
    asked: Iterable[str] = (),
) -> Tokens:
    """Tokens for what `fields` say.

    Args:
        wall: The time of day.
        assertion: The client's own, where it shows who it is by a signature.
        before: The tokens that are renewed.
        asked: The scopes that are asked for.

    Raises:
        SignInFailed: There are none.
    """
    form = form_of(fields, client, assertion)
    reply = await web.post(endpoint, WHAT, form.body, form.headers)
    if not 200 <= reply.status < 300:
        raise refusal_of(reply.status, reply.body)
    tokens = tokens_of(reply.body, wall(), before, asked)
    hide(tokens, client)
    return tokens


async def revoke(web: Web, signed_in: SignedIn, assertion: str = "") -> bool:
    """Has an authorization server forget tokens (RFC 7009); whether it was told so.

    Raises:
        SignInFailed: It does not answer.
    """
    tokens, endpoint = signed_in.tokens, signed_in.revocation_endpoint
    if not endpoint:
        return False
    kinds = {"refresh_token": tokens.refresh, "access_token": tokens.access}
    for kind, token in kinds.items():
        if token:
            form = form_of({"token": token, "token_type_hint": kind}, signed_in.client, assertion)
            reply = await web.post(endpoint, "the revocation endpoint", form.body, form.headers)
            if reply.status >= 400:
                raise refusal_of(reply.status, reply.body)
    return True
