"""What is kept of a sign-in: accounts, clients, tokens. Pure.

Written and read by `callmux.stores.tokens`; made by `callmux.oauth`.
"""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit

import msgspec


class Account(msgspec.Struct, frozen=True):
    """Who signs in where.

    Attributes:
        server: The server's key in the configuration.
        url: Its endpoint, as it is configured.
        owner: The principal whose sign-in it is; empty where there is only one user, or all share it.
    """

    server: str
    url: str
    owner: str = ""

    @property
    def digest(self) -> str:
        """A name for files that tells nothing."""
        return hashlib.sha256(msgspec.json.encode((self.server, self.url, self.owner))).hexdigest()[:40]

    @property
    def shown(self) -> dict[str, str]:
        """What a file may say of it: of its URL only scheme, host and port, for the rest may be a secret."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        return {"server": self.server, "url": f"{parts.scheme}://{host}", "owner": self.owner}


class OAuthClient(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What callmux is to an authorization server.

    Attributes:
        id: The client id.
        secret: Empty for a public client.
        method: How it shows who it is: `none`, `client_secret_basic`, `client_secret_post`,
            `private_key_jwt`.
        source: `configured`, `document` (its id is the URL of a metadata document) or `registered`.
        redirect_uri: What was registered.
        scopes: The scopes that were registered: some servers give no others.
        expires_at: When the secret expires, in seconds since 1970; None for never.
    """

    id: str
    secret: str = ""
    method: str = "none"
    source: str = "registered"
    redirect_uri: str = ""
    scopes: tuple[str, ...] = ()
    expires_at: float | None = None

    def __repr__(self) -> str:
        return f"OAuthClient({self.id!r}, {self.method}, {self.source})"


class Tokens(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an authorization server gave.

    Attributes:
        access: The access token.
        refresh: The refresh token, or empty.
        obtained_at: When, in seconds since 1970.
        expires_at: When the access token expires; None where the server did not say.
        scopes: What was granted.
    """

    access: str
    refresh: str = ""
    obtained_at: float = 0.0
    expires_at: float | None = None
    scopes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Tokens(expires_at={self.expires_at}, scopes={self.scopes}, refresh={bool(self.refresh)})"


class SignedIn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A sign-in.

    Attributes:
        issuer: The authorization server.
        token_endpoint: Where it renews tokens.
        revocation_endpoint: Where it takes them back, or empty.
        resource: What the tokens are for.
        grant: How they were got: `authorization_code`, `client_credentials` or `device_code`.
        asked: The scopes that were asked for.
        client: As whom.
        tokens: What it gave.
    """

    issuer: str
    token_endpoint: str
    revocation_endpoint: str = ""
    resource: str = ""
    grant: str = "authorization_code"
    asked: tuple[str, ...] = ()
    client: OAuthClient
    tokens: Tokens


class Demand(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the server said when it refused a request, for the next sign-in.

    Attributes:
        resource_metadata: Where it describes itself.
        scopes: What it wants.
        step_up: Whether the token is good, and does not allow enough.
    """

    resource_metadata: str = ""
    scopes: tuple[str, ...] = ()
    step_up: bool = False


class Trouble(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Renewals that failed, over all processes.

    Attributes:
        failures: How many in a row.
        next_at: When the next may be tried, in seconds since 1970.
        day: The day, counted from 1970.
        requests: How many requests that day has seen.
        begun: Whether a renewal was begun and nobody noted its end: a process died over it.
        refusals: How many renewals in a row there were because the server refused a token.
    """

    failures: int = 0
    next_at: float = 0.0
    day: int = 0
    requests: int = 0
    begun: bool = False
    refusals: int = 0


class KeptAccount(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that is known of an account.

    Attributes:
        generation: Rises by one with every change of the tokens.
        signed_in: The sign-in; None where there is none.
        registered: A registration that outlives sign-ins, and the issuer it is for.
        demand: What the server wants.
        trouble: Renewals that failed.
    """

    generation: int = 0
    signed_in: SignedIn | None = None
    registered: tuple[str, OAuthClient] | None = None
    demand: Demand | None = None
    trouble: Trouble = Trouble()


NOTHING = KeptAccount()
