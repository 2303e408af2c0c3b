"""Asks a token endpoint for tokens.

Called by `callmux.oauth.sign_in`, `callmux.oauth.device` and `callmux.oauth.renewal`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from callmux.oauth.hiding import hide
from callmux.oauth.token_requests import form_of, refusal_of, tokens_of
from callmux.oauth.web import Web
from callmux.stores.sign_ins import OAuthClient, Tokens


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
    reply = await web.post(endpoint, "the token endpoint", form.body, form.headers)
    if not 200 <= reply.status < 300:
        raise refusal_of(reply.status, reply.body)
    tokens = tokens_of(reply.body, wall(), before, asked)
    hide(tokens, client)
    return tokens
