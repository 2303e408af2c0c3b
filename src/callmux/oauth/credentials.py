"""The credentials of a link whose server wants a sign-in: the kept token with every request, renewed in time.

Made by `callmux.oauth.sign_ins` for each link. As long as nobody has signed in, requests go out with the
configured headers alone, because most servers want nothing else. Where a person must act, calls fail at once
and say how.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping

from callmux.oauth import pacing
from callmux.oauth.challenge import BearerChallenge, bearer_challenge
from callmux.oauth.failure import SignInFailed, Why
from callmux.oauth.hiding import hide
from callmux.oauth.renewal import Renewal
from callmux.stores.sign_ins import Demand, KeptAccount, SignedIn
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.links.credentials import Challenge

LOOK_SECONDS = 1.0
"""How old a look at the kept tokens may be."""


class SignInCredentials:
    """The credentials of one link.

    Args:
        renewal: The tokens of its account.
        headers: The configured headers.
        needed: Told that a person must sign in, and the generation that was found wanting.
        learn: Told of each token, so that it is hidden in what the server says.
    """

    def __init__(
        self,
        renewal: Renewal,
        headers: Mapping[str, str],
        needed: Callable[[int], None],
        learn: Callable[[str], None] = lambda token: None,
    ) -> None:
        self._renewal = renewal
        self._plain = dict(headers)
        self._needed = needed
        self._learn = learn
        self._shown = ""
        self._headers: Mapping[str, str] = self._plain
        self._good_until = -math.inf
        self._generation = 0

    def __repr__(self) -> str:
        return f"SignInCredentials({self._renewal!r})"

    def headers(self) -> Mapping[str, str] | Awaitable[Mapping[str, str]]:
        now = self._renewal.wall()
        if now < self._good_until:
            return self._headers
        try:
            kept = self._kept()
        except SignInFailed as failure:
            raise self._failure(failure) from None
        signed_in = kept.signed_in
        if signed_in is None:
            if self._renewal.alone:
                return self._renewed(kept.generation)
            # A refusal, or the next connection, looks again.
            self._headers, self._good_until = self._plain, math.inf
            return self._plain
        if pacing.is_over(signed_in.tokens, now):
            return self._renewed(kept.generation)
        if (
            pacing.is_due(signed_in.tokens, now)
            and signed_in.tokens.refresh
            and not pacing.wait_of(kept.trouble, now)
        ):
            self._renewal.begin(kept.generation)
        return self._take(signed_in, now)

    async def refused(self, challenge: Challenge) -> bool:
        self._good_until = -math.inf
        said = bearer_challenge(challenge.said)
        try:
            kept = self._kept()
            if challenge.status == 403:
                return (
                    said is not None
                    and said.error == "insufficient_scope"
                    and await self._wants_more(kept, said)
                )
            if said is None and challenge.said:
                # It wants credentials of another kind.
                return False
            return await self._wants_another(kept, said or BearerChallenge(), challenge)
        except SignInFailed as failure:
            raise self._failure(failure) from None

    async def _wants_another(self, kept: KeptAccount, said: BearerChallenge, challenge: Challenge) -> bool:
        if kept.signed_in is None:
            if not self._renewal.alone:
                await self._renewal.note(Demand(resource_metadata=said.resource_metadata, scopes=said.scopes))
                raise self._sign_in()
        elif challenge.sent.get("Authorization") != f"Bearer {kept.signed_in.tokens.access}":
            return True
        kept = await self._renewal.renewed(kept.generation, refused=True)
        self._generation = kept.generation
        if kept.signed_in is None:
            raise self._sign_in()
        return True

    async def _wants_more(self, kept: KeptAccount, said: BearerChallenge) -> bool:
        signed_in = kept.signed_in
        if signed_in is None:
            return False
        missing = [
            scope for scope in said.scopes if scope not in (*signed_in.asked, *signed_in.tokens.scopes)
        ]
        if not missing:
            raise CallFailure(
                Category.AUTHORIZATION,
                "the server does not allow this with the sign-in there is, which asked for all the scopes "
                f"that it names ({' '.join(said.scopes)[:300] or 'none'})",
                started=False,
            )
        await self._renewal.note(
            Demand(resource_metadata=said.resource_metadata, scopes=said.scopes, step_up=True)
        )
        if self._renewal.alone:
            await self._renewal.renewed(kept.generation)
            return True
        raise self._sign_in(
            f"the server wants more than the sign-in allows (scopes: {' '.join(missing)[:300]})"
        )

    def _kept(self) -> KeptAccount:
        kept = self._renewal.kept()
        self._generation = kept.generation
        return kept

    def _take(self, signed_in: SignedIn, now: float) -> Mapping[str, str]:
        if signed_in.tokens.access != self._shown:
            self._shown = signed_in.tokens.access
            hide(signed_in.tokens, signed_in.client)
            self._learn(self._shown)
        header = {"Authorization": f"Bearer {signed_in.tokens.access}"}
        self._headers, self._good_until = {**self._plain, **header}, now + LOOK_SECONDS
        return self._headers

    async def _renewed(self, generation: int) -> Mapping[str, str]:
        try:
            kept = await self._renewal.renewed(generation)
            self._generation = kept.generation
        except SignInFailed as failure:
            raise self._failure(failure) from None
        if kept.signed_in is None:
            raise self._sign_in()
        return self._take(kept.signed_in, self._renewal.wall())

    def _sign_in(self, why: str = "the server wants you to sign in") -> CallFailure:
        """A person must act."""
        self._needed(self._generation)
        account = self._renewal.account
        whose = f" --principal {account.owner}" if account.owner else ""
        cause = f"{why}: run `callmux login {account.server}{whose}`"
        return CallFailure(Category.AUTHORIZATION, cause, started=False, lasting=True, sign_in=True)

    def _failure(self, failure: SignInFailed) -> CallFailure:
        """What a failed renewal means for a call: nothing was sent."""
        if failure.passes:
            return CallFailure(
                Category.TRANSPORT, f"its tokens cannot be renewed now: {failure.reason}", started=False
            )
        if failure.why in (Why.SETTINGS, Why.UNSAFE) or self._renewal.alone:
            return CallFailure(Category.AUTHORIZATION, failure.reason, started=False, lasting=True)
        return self._sign_in(failure.reason)


class UnsignedCredentials:
    """The credentials of a link that has no sign-in, and says why where one is wanted.

    Args:
        headers: What is sent.
        cause: What is to be done.
        needed: Told that a person must act.
    """

    def __init__(
        self, headers: Mapping[str, str], cause: str, needed: Callable[[], None] = lambda: None
    ) -> None:
        self._headers = dict(headers)
        self._cause = cause
        self._needed = needed

    def __repr__(self) -> str:
        return f"UnsignedCredentials({sorted(self._headers)})"

    def headers(self) -> Mapping[str, str]:
        return self._headers

    async def refused(self, challenge: Challenge) -> bool:
        if challenge.status != 401 or (challenge.said and bearer_challenge(challenge.said) is None):
            return False
        self._needed()
        raise CallFailure(Category.AUTHORIZATION, self._cause, started=False, lasting=True, sign_in=True)
