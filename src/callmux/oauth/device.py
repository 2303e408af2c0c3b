"""A sign-in by a code that a person enters at another device (RFC 8628).

Called by `callmux.oauth.sign_in`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from callmux.oauth.failure import SignInFailed, Why
from callmux.oauth.metadata import ServerMetadata
from callmux.oauth.token_endpoint import tokens_for
from callmux.oauth.token_requests import by_device, form_of, is_waiting, number_of, refusal_of
from callmux.oauth.trust import may_be_used
from callmux.oauth.web import Web
from callmux.stores.sign_ins import OAuthClient, Tokens

LONGEST_SECONDS = 1800.0
INTERVAL_SECONDS = 5.0
"""Between two questions, where the authorization server does not say; RFC 8628, 3.2."""
MOST_INTERVAL = 60.0


class DeviceCode(msgspec.Struct, frozen=True, kw_only=True):
    """What a person must do.

    Attributes:
        user_code: What is entered.
        url: Where.
        complete_url: The same with the code in it, or empty.
        seconds: How long the code is good.
        interval: Seconds between two questions to the authorization server.
        secret: What we ask with.
    """

    user_code: str
    url: str
    complete_url: str
    seconds: float
    interval: float
    secret: str

    def __repr__(self) -> str:
        return f"DeviceCode({self.user_code!r}, {self.url!r})"


async def code_for(
    web: Web,
    server: ServerMetadata,
    client: OAuthClient,
    scopes: Sequence[str],
    resource: str,
    assertion: str = "",
) -> DeviceCode:
    """A new code.

    Raises:
        SignInFailed: The authorization server gives none.
    """
    if not server.device_endpoint:
        raise SignInFailed(f"the authorization server {server.issuer} has no device codes", Why.SETTINGS)
    fields = {"resource": resource} | ({"scope": " ".join(scopes)} if scopes else {})
    form = form_of(fields, client, assertion)
    reply = await web.post(server.device_endpoint, "the device endpoint", form.body, form.headers)
    if not 200 <= reply.status < 300:
        raise refusal_of(reply.status, reply.body)
    code = read_code(reply.body)
    for url in filter(None, (code.url, code.complete_url)):
        web.may_be_shown(url, "the page where the code is entered")
    return code


def read_code(body: bytes) -> DeviceCode:
    """The code in an answer.

    Raises:
        SignInFailed: There is none that can be used.
    """
    try:
        facts = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise SignInFailed("the device endpoint's answer is no JSON object", Why.NETWORK) from None
    texts = {key: value for key, value in facts.items() if isinstance(value, str) and value.isprintable()}
    if not all(texts.get(key) for key in ("device_code", "user_code", "verification_uri")):
        raise SignInFailed("the device endpoint's answer lacks a code or an address", Why.UNSAFE)
    complete = texts.get("verification_uri_complete", "")
    for url in filter(None, (texts["verification_uri"], complete)):
        may_be_used(url, "the address where the code is entered")
    return DeviceCode(
        user_code=texts["user_code"][:100],
        url=texts["verification_uri"],
        complete_url=complete,
        seconds=_bounded(facts.get("expires_in"), LONGEST_SECONDS, LONGEST_SECONDS),
        interval=_bounded(facts.get("interval"), INTERVAL_SECONDS, MOST_INTERVAL),
        secret=texts["device_code"],
    )


async def wait_for_tokens(
    web: Web,
    server: ServerMetadata,
    client: OAuthClient,
    code: DeviceCode,
    resource: str,
    scopes: Sequence[str],
    wall: Callable[[], float],
    assertion: Callable[[], Awaitable[str]],
) -> Tokens:
    """Asks until the person has entered the code.

    Raises:
        SignInFailed: He said no, or did nothing in time.
    """
    interval = code.interval
    try:
        async with asyncio.timeout(code.seconds):
            while True:
                await asyncio.sleep(interval)
                try:
                    return await tokens_for(
                        web,
                        server.token_endpoint,
                        by_device(code.secret, resource),
                        client,
                        wall,
                        assertion=await assertion(),
                        asked=scopes,
                    )
                except SignInFailed as failure:
                    if failure.passes or failure.code == "slow_down":
                        # RFC 8628, 3.5: five seconds more each time; the same after a time-out.
                        interval = min(interval + INTERVAL_SECONDS, MOST_INTERVAL)
                    elif not is_waiting(failure):
                        raise
    except TimeoutError:
        raise SignInFailed("nobody entered the code in time: begin again", Why.REFUSED) from None


def _bounded(value: object, otherwise: float, most: float) -> float:
    number = number_of(value)
    return otherwise if number is None or number <= 0 else min(number, most)
