"""Signs in to one server, with or without a person, and keeps the tokens.

Called by whoever brings a presenter: that is who shows the authorization URL to a person and gets the answer.
Everything else is found out here, in the order of MCP's authorization rules (2025-11-25 and 2026-07-28): the
server says who its authorization server is, that one what it can do; then it is settled as whom callmux signs
in, and for what.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from callmux.config.servers import HttpServer
from callmux.oauth import holding
from callmux.oauth.authorization import code_of, request_of
from callmux.oauth.challenge import BearerChallenge
from callmux.oauth.device import DeviceCode, code_for, wait_for_tokens
from callmux.oauth.discovery import Discovered, challenge_of, discover
from callmux.oauth.failure import SignInFailed, Why
from callmux.oauth.hiding import hide
from callmux.oauth.holding import hold
from callmux.oauth.registration import configured_client, document_client, is_usable, register
from callmux.oauth.settings import SignInSettings, account_of, settings_of
from callmux.oauth.token_endpoint import tokens_for
from callmux.oauth.token_requests import by_client, by_code
from callmux.oauth.web import Web
from callmux.stores.sign_ins import Account, KeptAccount, OAuthClient, SignedIn, Tokens
from callmux.stores.tokens import TokenStore

HOLD_SECONDS = 30.0


class Presenter(Protocol):
    """Brings a person and an authorization server together."""

    @property
    def redirect_uri(self) -> str:
        """Where the browser is sent afterwards: an address of this machine. Empty where a person can only be
        shown a code."""

    async def authorize(self, url: str, state: str) -> str:
        """Has a person open `url`. Gives the address that the browser was sent to, or its query alone, once
        one came that holds this `state`.

        Raises:
            SignInFailed: The person gave up, or nobody came in time.
        """

    async def show_code(self, code: DeviceCode) -> None:
        """Shows a person a code and where to enter it; does not wait for that."""


async def sign_in(
    name: str,
    config: HttpServer,
    store: TokenStore,
    presenter: Presenter | None,
    *,
    env: Mapping[str, str],
    base_dir: Path,
    owner: str = "",
    wall: Callable[[], float] = time.time,
) -> SignedIn:
    """Signs in to a server; the tokens are kept when it returns.

    Args:
        name: The server's key.
        config: Its entry, its references looked up.
        presenter: None where nobody is there: then only `client_credentials` can work.
        env: Where `env:NAME` leads.
        base_dir: The directory of the configuration file.
        owner: The principal who signs in; empty where there is one user, or all share the sign-in.
        wall: The time of day.

    Raises:
        SignInFailed: It did not come about.
    """
    account = account_of(name, config, owner)
    settings = settings_of(name, config, env, base_dir)
    attempt = Attempt(settings, presenter, holding.read(store, account), wall)
    try:
        signed_in = await attempt.run()
    except SignInFailed as failure:
        if attempt.reused:
            # A person may have seen "unknown client" and left: the next attempt registers anew.
            try:
                await _forget_registration(store, account)
            except SignInFailed as unchanged:
                failure.reason += f"; and the registration cannot be forgotten: {unchanged.reason}"
        raise
    await keep(store, account, signed_in)
    return signed_in


async def keep(store: TokenStore, account: Account, signed_in: SignedIn) -> None:
    """Keeps a new sign-in in place of whatever there was.

    Raises:
        SignInFailed: It cannot be kept.
    """
    with await hold(store, account, HOLD_SECONDS):
        kept = holding.read(store, account)
        client, signed_in = signed_in.client, without_secret(signed_in)
        known = (signed_in.issuer, client) if client.source == "registered" else kept.registered
        new = KeptAccount(generation=kept.generation + 1, signed_in=signed_in, registered=known)
        holding.write(store, account, new)


def without_secret(signed_in: SignedIn) -> SignedIn:
    """A sign-in as it is kept: the secret of a configured client stays where the configuration has it."""
    client = signed_in.client
    if client.source != "configured":
        return signed_in
    return msgspec.structs.replace(signed_in, client=msgspec.structs.replace(client, secret=""))


async def _forget_registration(store: TokenStore, account: Account) -> None:
    with await hold(store, account, HOLD_SECONDS):
        kept = holding.read(store, account)
        if kept.registered is not None:
            holding.write(store, account, msgspec.structs.replace(kept, registered=None))


class Attempt:
    """One sign-in on its way. Keeps nothing.

    Args:
        settings: How the server wants it.
        presenter: None where no person is there.
        kept: What is known from before.
        wall: The time of day.

    Attributes:
        reused: Whether it relied on an earlier registration.
    """

    def __init__(
        self,
        settings: SignInSettings,
        presenter: Presenter | None,
        kept: KeptAccount,
        wall: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._presenter = presenter
        self._kept = kept
        self._wall = wall
        self.reused = False

    async def run(self) -> SignedIn:
        """Signs in.

        Raises:
            SignInFailed: It did not come about.
        """
        async with Web(self._settings.url) as web:
            return await self._run(web)

    async def _run(self, web: Web) -> SignedIn:
        settings, demand = self._settings, self._kept.demand
        challenge = await challenge_of(web, settings.headers)
        named = challenge.resource_metadata if challenge is not None else ""
        if not named and demand is not None:
            named = demand.resource_metadata
        found = await discover(web, settings.url, named, settings.oauth.issuer)
        if found.server.guessed and challenge is None and demand is None:
            raise SignInFailed("the server asks for no sign-in", Why.SETTINGS)
        scopes = self._scopes(challenge, found)
        while True:
            client = await self._client(web, found, scopes)
            try:
                tokens = await self._tokens(web, found, client, scopes)
            except SignInFailed as failure:
                if failure.why is not Why.CLIENT or not self.reused:
                    raise
                # It has forgotten our registration: once more with a new one.
                self._kept = msgspec.structs.replace(self._kept, registered=None)
                self.reused = False
                continue
            return SignedIn(
                issuer=found.server.issuer,
                token_endpoint=found.server.token_endpoint,
                revocation_endpoint=found.server.revocation_endpoint,
                resource=found.resource,
                grant=settings.oauth.grant,
                asked=scopes,
                client=client,
                tokens=tokens,
            )

    def _scopes(self, challenge: BearerChallenge | None, found: Discovered) -> tuple[str, ...]:
        """What is asked for: what is configured, else what the server says it needs; and, where a request was
        refused for want of scopes, those and all that were asked for before."""
        demand, before = self._kept.demand, self._kept.signed_in
        scopes = self._settings.oauth.scopes
        if not scopes and challenge is not None:
            scopes = challenge.scopes
        if not scopes and demand is not None and not demand.step_up:
            scopes = demand.scopes
        if not scopes:
            scopes = found.scopes or ()
        if demand is not None and demand.step_up:
            earlier = before.asked if before is not None and before.issuer == found.server.issuer else ()
            scopes = (*(earlier or scopes), *demand.scopes)
        if (
            scopes
            and "offline_access" in found.server.scopes
            and self._settings.oauth.grant != "client_credentials"
        ):
            scopes = (*scopes, "offline_access")
        return tuple(dict.fromkeys(scopes))

    async def _client(self, web: Web, found: Discovered, scopes: tuple[str, ...]) -> OAuthClient:
        settings, server = self._settings, found.server
        client = configured_client(settings.oauth, await settings.secret(), server)
        client = client or document_client(settings.oauth, server)
        if client is not None:
            hide(None, client)
            return client
        grant = settings.oauth.grant
        if grant == "client_credentials":
            raise SignInFailed('client_credentials needs "clientId" in the server\'s "oauth"', Why.SETTINGS)
        redirect_uri = (
            "" if grant == "device_code" or self._presenter is None else self._presenter.redirect_uri
        )
        if self._kept.registered is not None:
            issuer, client = self._kept.registered
            if issuer == server.issuer and is_usable(client, redirect_uri, scopes, self._wall()):
                self.reused = True
                hide(None, client)
                return client
        client = await register(web, server, redirect_uri, scopes, grant)
        hide(None, client)
        return client

    async def _tokens(
        self, web: Web, found: Discovered, client: OAuthClient, scopes: tuple[str, ...]
    ) -> Tokens:
        server, resource = found.server, found.resource

        async def assertion() -> str:
            if client.method != "private_key_jwt":
                return ""
            return await self._settings.assertion(client.id, server.issuer, self._wall())

        grant = self._settings.oauth.grant
        if grant == "client_credentials":
            fields, endpoint = by_client(scopes, resource), server.token_endpoint
            return await tokens_for(
                web, endpoint, fields, client, self._wall, assertion=await assertion(), asked=scopes
            )
        if self._presenter is None:
            raise SignInFailed("a person must sign in, and none is there", Why.SETTINGS)
        if grant == "device_code":
            code = await code_for(web, server, client, scopes, resource, await assertion())
            await self._presenter.show_code(code)
            return await wait_for_tokens(web, server, client, code, resource, scopes, self._wall, assertion)
        if not server.authorization_endpoint:
            raise SignInFailed(f"the authorization server {server.issuer} has no page to sign in", Why.UNSAFE)
        if not server.pkce:
            reason = f"the authorization server {server.issuer} does not say that it supports PKCE with S256"
            raise SignInFailed(reason, Why.UNSAFE)
        web.may_be_shown(server.authorization_endpoint, "the page to sign in")
        request = request_of(server, client.id, self._presenter.redirect_uri, resource, scopes)
        code_text = code_of(await self._presenter.authorize(request.url, request.state), request)
        fields = by_code(code_text, request.verifier, request.redirect_uri, resource)
        return await tokens_for(
            web, server.token_endpoint, fields, client, self._wall, assertion=await assertion(), asked=scopes
        )
