"""The tokens of one account in this process: read, and renewed once for all who need them.

Made by `callmux.oauth.sign_ins`; asked by `callmux.oauth.credentials`. Whoever renews holds the account on
disk, so no other process does; whoever comes later finds a newer generation and takes that. What ends a
sign-in is a clear word of the authorization server about this very generation, and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable

import msgspec

from callmux.oauth import holding, pacing
from callmux.oauth.failure import SignInFailed, Why
from callmux.oauth.holding import hold
from callmux.oauth.settings import SignInSettings
from callmux.stores.sign_ins import Account, Demand, KeptAccount, OAuthClient, SignedIn
from callmux.stores.tokens import TokenStore
from callmux.tasks import TaskSet

log = logging.getLogger(__name__)

HOLD_SECONDS = 45.0
"""How long another process may take to renew the same tokens."""
SETTLING_SECONDS = 30.0
"""A token that is refused so soon after it was got because another one was refused is not renewed again."""

JUST_RENEWED = "the server does not take the token that it was just renewed to"


class Renewal:
    """The tokens of one account.

    Args:
        account: Whose.
        settings: How to sign in there.
        store: Where they are kept.
        tasks: Own what goes on by itself.
        wall: The time of day.

    Attributes:
        settings: The same; a reload may bring others.
    """

    def __init__(
        self,
        account: Account,
        settings: SignInSettings,
        store: TokenStore,
        tasks: TaskSet,
        wall: Callable[[], float],
    ) -> None:
        self.account = account
        self.settings = settings
        self.wall = wall
        self._store = store
        self._tasks = tasks
        self._running: asyncio.Task[KeptAccount | SignInFailed] | None = None
        self._not_taken = -1
        self._settled: tuple[int, float] | None = None

    def __repr__(self) -> str:
        return f"Renewal({self.account.server!r})"

    def kept(self) -> KeptAccount:
        """What there is now.

        Raises:
            SignInFailed: It cannot be read.
        """
        kept = holding.read(self._store, self.account)
        signed_in, configured = kept.signed_in, self.settings.oauth.client_id
        if signed_in is not None and configured is not None and signed_in.client.id != configured:
            # The configuration names another client since: its tokens are not those.
            return msgspec.structs.replace(kept, signed_in=None)
        if signed_in is not None and self.account.url != self.settings.url:
            from callmux.oauth.metadata import covers

            if not covers(signed_in.resource, self.settings.url):
                # A reference in its URL leads to another server since: the tokens are not for that one.
                return msgspec.structs.replace(kept, signed_in=None)
        return kept

    @property
    def alone(self) -> bool:
        """Whether callmux signs in by itself, without a person."""
        return self.settings.oauth.grant == "client_credentials"

    def begin(self, generation: int) -> None:
        """Has tokens renewed without anybody waiting for it."""
        self._share(generation)

    async def renewed(self, generation: int, *, refused: bool = False) -> KeptAccount:
        """What there is once this generation is not the newest any more.

        Args:
            refused: Whether the server does not take it.

        Raises:
            SignInFailed: There is nothing newer to be had.
        """
        if refused and self._settled is not None:
            settled, since = self._settled
            if settled == generation and self.wall() - since < SETTLING_SECONDS:
                raise SignInFailed(JUST_RENEWED, Why.REFUSED)
        if refused:
            self._not_taken = generation
        kept = await self._shared(generation)
        if kept.generation == generation:
            # What was under way was for an older one.
            kept = await self._shared(generation)
        if refused:
            self._settled = kept.generation, self.wall()
        return kept

    async def note(self, demand: Demand) -> None:
        """Keeps what the server wants, for the next sign-in.

        Raises:
            SignInFailed: It cannot be kept.
        """
        if self.kept().demand == demand:
            return
        with await hold(self._store, self.account, HOLD_SECONDS):
            kept = holding.read(self._store, self.account)
            self._write(msgspec.structs.replace(kept, demand=demand))

    async def _shared(self, generation: int) -> KeptAccount:
        found = await asyncio.shield(self._share(generation))
        if isinstance(found, SignInFailed):
            raise found
        return found

    def _share(self, generation: int) -> asyncio.Task[KeptAccount | SignInFailed]:
        if self._running is None:
            self._running = self._tasks.spawn(self._outcome(generation))
            self._running.add_done_callback(self._over)
        return self._running

    def _over(self, task: asyncio.Task[KeptAccount | SignInFailed]) -> None:
        self._running = None

    async def _outcome(self, generation: int) -> KeptAccount | SignInFailed:
        try:
            return await self._renew(generation)
        except SignInFailed as failure:
            return failure

    async def _renew(self, generation: int) -> KeptAccount:
        with await hold(self._store, self.account, HOLD_SECONDS):
            kept = self.kept()
            if kept.generation != generation:
                return kept
            now, trouble = self.wall(), kept.trouble
            if (pause := pacing.wait_of(trouble, now)) > 0:
                why = (
                    f"tokens could not be renewed {trouble.failures} times in a row"
                    if trouble.failures
                    else f"tokens were renewed {trouble.requests} times today, and that is the most"
                )
                raise SignInFailed(f"{why}; the next attempt may be made in {pause:.0f} s", Why.NETWORK)
            died = trouble.begun
            signed_in = kept.signed_in
            refused = signed_in.tokens if signed_in and self._not_taken == generation else None
            if refused is not None and pacing.rest_of(trouble, refused, now) > 0:
                # On disk: where several processes each try once, there is no end of it.
                raise SignInFailed(JUST_RENEWED, Why.REFUSED)
            trouble = pacing.begun(trouble, now)
            if not self.alone and (signed_in is None or not signed_in.tokens.refresh):
                return self._end(kept, "the token has ended, and there is none to renew it with")
            # Before the request: whoever finds this knows that a process died over it.
            self._write(msgspec.structs.replace(kept, trouble=trouble))
            try:
                new = await self._ask(kept)
            except SignInFailed as failure:
                if not self._ends_by(failure, kept):
                    reached = failure.why is not Why.UNREACHED
                    later = pacing.failed(trouble, self.wall(), reached=reached, chance=random.random())
                    self._write(msgspec.structs.replace(kept, trouble=later))
                    raise
                if died:
                    failure.reason += "; a callmux died before it could keep the tokens that replaced these"
                return self._refused(kept, failure)
            kept = msgspec.structs.replace(
                kept,
                generation=generation + 1,
                signed_in=new,
                demand=None if self.alone else kept.demand,
                trouble=pacing.succeeded(trouble, refused, self.wall()),
            )
            self._write(kept)
            log.debug('the tokens of "%s" are renewed', self.account.server)
            return kept

    async def _ask(self, kept: KeptAccount) -> SignedIn:
        # Only who renews pays for the client of HTTP.
        from callmux.oauth.sign_in import Attempt, without_secret
        from callmux.oauth.token_endpoint import tokens_for
        from callmux.oauth.token_requests import by_refresh
        from callmux.oauth.web import Web

        signed_in = kept.signed_in
        if self.alone or signed_in is None:
            return without_secret(await Attempt(self.settings, None, kept, self.wall).run())
        client = await self._client(signed_in.client)
        assertion = ""
        if client.method == "private_key_jwt":
            assertion = await self.settings.assertion(client.id, signed_in.issuer, self.wall())
        async with Web(self.settings.url) as web:
            tokens = await tokens_for(
                web,
                signed_in.token_endpoint,
                by_refresh(signed_in.tokens.refresh, signed_in.resource),
                client,
                self.wall,
                assertion=assertion,
                before=signed_in.tokens,
            )
        return msgspec.structs.replace(signed_in, tokens=tokens)

    async def _client(self, client: OAuthClient) -> OAuthClient:
        if client.source != "configured":
            return client
        return msgspec.structs.replace(client, secret=await self.settings.secret())

    def _ends_by(self, failure: SignInFailed, kept: KeptAccount) -> bool:
        """Whether a failure ends the sign-in. A client of the configuration may be mended there."""
        if self.alone or kept.signed_in is None:
            return False
        if failure.why is Why.CLIENT:
            return kept.signed_in.client.source == "registered"
        return failure.why is Why.REVOKED

    def _refused(self, kept: KeptAccount, failure: SignInFailed) -> KeptAccount:
        """What is left of a sign-in that cannot be renewed: its access token, as long as that is good."""
        if failure.why is Why.CLIENT:
            kept = msgspec.structs.replace(kept, registered=None)
        signed_in = kept.signed_in
        good = signed_in is not None and not pacing.is_over(signed_in.tokens, self.wall())
        if signed_in is not None and good and self._not_taken != kept.generation:
            tokens = msgspec.structs.replace(signed_in.tokens, refresh="")
            left = msgspec.structs.replace(signed_in, tokens=tokens)
            log.warning('the sign-in to "%s" ends with its token: %s', self.account.server, failure.reason)
            kept = msgspec.structs.replace(
                kept, generation=kept.generation + 1, signed_in=left, trouble=pacing.succeeded(kept.trouble)
            )
            self._write(kept)
            return kept
        return self._end(kept, failure.reason)

    def _end(self, kept: KeptAccount, reason: str) -> KeptAccount:
        log.warning('the sign-in to "%s" is over: %s', self.account.server, reason)
        kept = msgspec.structs.replace(
            kept, generation=kept.generation + 1, signed_in=None, trouble=pacing.succeeded(kept.trouble)
        )
        self._write(kept)
        return kept

    def _write(self, kept: KeptAccount) -> None:
        holding.write(self._store, self.account, kept)
