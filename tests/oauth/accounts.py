"""One account whose authorization server is scripted: what tests of renewals need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from callmux.config.oauth import OAuth
from callmux.config.servers import HttpServer
from callmux.oauth.renewal import Renewal
from callmux.oauth.settings import settings_of
from callmux.stores.sign_ins import Account, KeptAccount, OAuthClient, SignedIn, Tokens
from callmux.stores.tokens import TokenStore
from callmux.tasks import TaskSet
from tests.oauth.site import Seen, Site
from tests.support import FakeClock

LIFE = 3600.0


class Signed:
    """An account that has signed in at a scripted site.

    Attributes:
        renewal: Its tokens, in one process.
        store: Where they are kept.
        clock: The time of day.
    """

    def __init__(self, there: Site, folder: Path, signed_in: bool = True, **oauth: Any) -> None:
        self.there = there
        self.clock = FakeClock()
        self.store = TokenStore(folder)
        self.account = Account("s", f"{there.url}/mcp")
        self.config = HttpServer(url=self.account.url, oauth=OAuth(**oauth) if oauth else None)
        self.tasks = TaskSet("test")
        self.renewal = self.process()
        there.answers["/token"] = self.answer
        self.count = 0
        if signed_in:
            self.keep()

    def process(self, store: TokenStore | None = None) -> Renewal:
        """The same account in another process, perhaps on another machine."""
        settings = settings_of("s", self.config, {}, Path("/"))
        store = store or TokenStore(self.store.path(self.account).parent)
        return Renewal(self.account, settings, store, self.tasks, lambda: self.clock.now)

    def keep(self, *, client: OAuthClient | None = None, refresh: str = "rt-0", **more: Any) -> None:
        """Has signed in just now."""
        now = self.clock.now
        given: dict[str, Any] = {"expires_at": now + LIFE, "scopes": ("a",), **more}
        signed_in = SignedIn(
            issuer=self.there.url,
            token_endpoint=f"{self.there.url}/token",
            resource=self.account.url,
            asked=("a",),
            client=client or OAuthClient(id="me", redirect_uri="http://127.0.0.1:1/callback"),
            tokens=Tokens(access="at-0", refresh=refresh, obtained_at=now, **given),
        )
        kept = self.store.read(self.account)
        registered = self.there.url, signed_in.client
        self.store.write(
            self.account,
            KeptAccount(generation=kept.generation + 1, signed_in=signed_in, registered=registered),
        )

    def answer(self, seen: Seen) -> Any:
        """New tokens each time."""
        self.count += 1
        return {
            "access_token": f"at-{self.count}",
            "token_type": "Bearer",
            "refresh_token": f"rt-{self.count}",
            "expires_in": LIFE,
        }

    @property
    def kept(self) -> KeptAccount:
        return self.store.read(self.account)

    @property
    def tokens(self) -> Tokens | None:
        signed_in = self.kept.signed_in
        return None if signed_in is None else signed_in.tokens

    @property
    def requests(self) -> list[Seen]:
        """What the token endpoint was asked."""
        return [seen for seen in self.there.seen if seen.path == "/token"]
