"""Which connection a client's call takes, and which one makes room for it. Pure.

Called by `callmux.upstream.server` and `callmux.upstream.scoped.scoped_limits`. The rules, and why (MCP
2025-11-25, basic/lifecycle and client/*):

- A server is told what the real client can do, so clients that declare different capabilities never share
  a connection. What no server acts on (`experimental`, members that MCP does not have) is told to none that
  several clients share, and is no reason for a connection.
- A tool that asks its client things runs on a connection of that client, so that no question, and no answer,
  can ever reach the wrong one; where a server asks outside a call of a tool, all of its calls do. So does a
  client that set a log level, because logs name no request.
- Calls for a directory, or with credentials of the client, go to connections of that directory or those
  credentials only.
- Everybody else shares.
- All of this is of connections with a handshake: on others each request says itself what its client can do
  and wants to hear, so only directories and credentials keep clients apart. A server that speaks both eras is
  spoken to in that of the client.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec

from callmux.context import ClientPort, Loan, Scope
from callmux.protocol.versions import Era


class Sharing(msgspec.Struct, frozen=True):
    """How the clients of a server share its connections, as its configuration has it.

    Attributes:
        everybody: Whether no call needs a directory or credentials of its own, so all of them can share.
        owned: Whether each principal has connections of its own, with its own sign-in.
        rootless: Whether it is one process for clients of any directory, so it is not told of anybody's
            roots.
        most: How many scoped connections it may have; None for the general limit.
        tools: The tools that exist for clients; None for all.
        denied: Those that do not, whatever else is said.
    """

    everybody: bool = False
    owned: bool = False
    rootless: bool = False
    most: int | None = None
    tools: frozenset[str] | None = None
    denied: frozenset[str] = frozenset()

    def is_own(self, kind: bytes) -> bool:
        """Whether a client of this kind sees what its own sign-in shows."""
        return self.owned and b"\0" in kind

    def kind(self, client: bytes, unlisted: bool) -> bytes:
        """What a client of this kind is here.

        Args:
            unlisted: Whether nothing is listed that everybody may see.
        """
        if unlisted and self.is_own(client):
            return client
        capabilities = client.partition(b"\0")[0]
        return telling(capabilities, self.rootless)

    def exposes(self, tool: str) -> bool:
        """Whether a tool exists for clients."""
        return (self.tools is None or tool in self.tools) and tool not in self.denied

    def declared(self, client: ClientPort, alone: bool) -> bytes:
        """What the server is told of a client's capabilities.

        Args:
            alone: Whether nobody else will ever use it.
        """
        return client.capabilities if alone else telling(client.capabilities, self.rootless)


class LaneKey(msgspec.Struct, frozen=True):
    """What a connection is for.

    Attributes:
        capabilities: What is declared on it, as canonical JSON.
        client: The one client it serves; None where it is shared.
        scope: The directory or credentials it has; None for those of the configuration.
        era: What its server is spoken to in.
    """

    capabilities: bytes
    client: ClientPort | None = None
    scope: Scope | None = None
    era: Era = Era.LEGACY

    @property
    def counts(self) -> bool:
        """Whether the number of such lanes is bounded here. Lanes without a scope for a single client are
        bounded by the number of clients."""
        return self.scope is not None or self.client is None

    @property
    def loan(self) -> Loan | None:
        """What is known of the client of a lane of its own that is lent to single requests."""
        return None if self.client is None or self.scope is not None else self.client.loan

    @property
    def purpose(self) -> str:
        """What it is for, in a word; it names no credential."""
        if self.scope is not None:
            return self.scope.cwd or "credentials"
        return "capabilities" if self.client is None else "session"


def choose_lane(
    client: ClientPort,
    capabilities: bytes,
    main: bytes,
    owner: ClientPort | None,
    *,
    asking: bool,
    scope: Scope | None = None,
    era: Era = Era.LEGACY,
    main_era: Era | None = None,
) -> LaneKey | None:
    """The lane for a call of `client`; None for the main one.

    Args:
        capabilities: What is declared for this client.
        main: What is declared on the main connection.
        owner: The only client the main connection serves, if it has turned out to be so.
        asking: Whether what is called has asked a client something before.
        scope: What the call needs of its connection.
        era: What the server is spoken to in for this client.
        main_era: What it is spoken to in on the main connection; the same where absent.
    """
    here = scope is None and (main_era is None or main_era is era)
    if era is Era.MODERN:
        return None if here else LaneKey(b"{}", None, scope, era)
    private = asking or client.server_level is not None
    if here:
        if owner is client:
            return None
        if owner is None and capabilities == main and not private:
            return None
    return LaneKey(capabilities, client if private else None, scope, era)


TELLING = frozenset({"elicitation", "extensions", "roots", "sampling", "tasks"})
"""What a client declares that decides what a server lists or asks (MCP, "ClientCapabilities")."""


@lru_cache(maxsize=256)
def telling(capabilities: bytes, rootless: bool = False) -> bytes:
    """The capabilities that matter to a server that several clients share.

    Args:
        rootless: Whether its process serves clients of any directory: roots are those of one of them.
    """
    declared = msgspec.json.decode(capabilities, type=dict[str, msgspec.Raw])
    kept = {k: v for k, v in declared.items() if k in TELLING and not (rootless and k == "roots")}
    if "elicitation" in kept:
        kept["elicitation"] = _modes(kept["elicitation"])
    return capabilities if kept == declared else msgspec.json.encode(kept)


def _modes(elicitation: msgspec.Raw) -> msgspec.Raw:
    """The modes of elicitation; `{}` says the same as `{"form":{}}` (MCP 2025-11-25, client/elicitation)."""
    return msgspec.Raw(b"{}") if bytes(elicitation) == b'{"form":{}}' else elicitation


class CountedLane(msgspec.Struct, frozen=True):
    """A connection whose number is bounded, open or being opened.

    Attributes:
        server: Its server.
        key: Its lane.
        idle_since: When its last call ended, by the loop's clock; None while it has calls or is being opened.
    """

    server: str
    key: LaneKey
    idle_since: float | None


class NoRoom(Exception):
    """As many connections beside the main ones as there may be, and none is idle.

    Args:
        setting: The key of the configuration that says how many.
        limit: How many.
    """

    def __init__(self, setting: str, limit: int) -> None:
        super().__init__(f"{limit} ({setting})")
        self.setting = setting
        self.limit = limit


def make_room(
    lanes: Sequence[CountedLane], server: str, most: int, most_of_server: int
) -> CountedLane | None:
    """The lane that must go before another one of `server` is taken; None where there is room.

    Args:
        most: How many there may be, of all servers together.
        most_of_server: How many there may be of this one.

    Raises:
        NoRoom: None may go.
    """
    own = [lane for lane in lanes if lane.server == server]
    if len(own) >= most_of_server:
        return _longest_idle(own, "maxScopedClientsPerServer", most_of_server)
    if len(lanes) >= most:
        return _longest_idle(lanes, "maxScopedClients", most)
    return None


def _longest_idle(lanes: Sequence[CountedLane], setting: str, limit: int) -> CountedLane:
    idle = [(lane.idle_since, n) for n, lane in enumerate(lanes) if lane.idle_since is not None]
    if not idle:
        raise NoRoom(setting, limit)
    return lanes[min(idle)[1]]
