"""Which nodes there are, which of them owns a session, and what all are told: how that stands in Redis.

Made by `callmux.nodes.cluster`; used by `callmux.nodes.membership` and `callmux.nodes.owners`. Every script
touches one key, so that it is one step in a cluster of Redis servers, too. Time is that of Redis.
"""

from __future__ import annotations

import msgspec

from callmux.server_orders import ServerOrder
from callmux.stores.redis_connection import RedisConnection, Script
from callmux.stores.redis_notices import START, RedisNotices
from callmux.stores.redis_sessions import session_mark

FORGOTTEN_MS = 900_000
"""How long a node that is silent is listed as lost."""
ORDERS = 1000
"""Orders that are kept: more than are given between two heartbeats."""
ORDERS_MS = 3600 * 1000
"""How long they are kept after the last one."""
OWNER_MS = 7 * 24 * 3600 * 1000
"""How long it is known who owned a session: as long as ids of sessions hold."""

_BEAT = Script("""
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local id, about, lease, first, forgotten = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
-- What is later than it can be is of another clock, such as of the server that this one has taken over from.
if tonumber(redis.call('HGET', KEYS[1], 'since') or now + 1) > now then
  redis.call('HSET', KEYS[1], 'since', string.format('%.0f', now))
end
local here = redis.call('HGET', KEYS[1], id)
local lives = here and tonumber(string.match(here, '^%d+')) >= now
local taken = 0
if lives or first == '1' then
  redis.call('HSET', KEYS[1], id, string.format('%.0f', now + lease) .. ' ' .. about)
  taken = 1
end
local all = redis.call('HGETALL', KEYS[1])
local kept = {}
for n = 1, #all, 2 do
  local gone = false
  if all[n] ~= 'since' then
    local ends, described = string.match(all[n + 1], '^(%d+) (.*)$')
    if tonumber(ends) > now + lease then
      ends = string.format('%.0f', now + lease)
      all[n + 1] = ends .. ' ' .. described
      redis.call('HSET', KEYS[1], all[n], all[n + 1])
    end
    -- Whoever begins takes the place of an earlier process of the same name that has ended.
    local back = first == '1' and all[n] ~= id and tonumber(ends) < now
      and cjson.decode(described).name == cjson.decode(about).name
    gone = back or tonumber(ends) < now - forgotten
  end
  if gone then
    redis.call('HDEL', KEYS[1], all[n])
  else
    kept[#kept + 1] = all[n]
    kept[#kept + 1] = all[n + 1]
  end
end
return {taken, string.format('%.0f', now), kept}
""")
_LAPSE = Script("""
local here = redis.call('HGET', KEYS[1], ARGV[1])
if not here then return 0 end
local t = redis.call('TIME')
local ended = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000) - 1)
return redis.call('HSET', KEYS[1], ARGV[1], ended .. string.match(here, '^%d+(.*)$'))
""")
_REMOVE = Script("return redis.call('HDEL', KEYS[1], ARGV[1])")
_CLAIM = Script("""
local owner = redis.call('HGET', KEYS[1], 'owner')
if owner and owner ~= ARGV[2] then return {owner, 0} end
if not owner and ARGV[3] == '0' and redis.call('EXISTS', KEYS[1]) == 0 then return {'', 0} end
redis.call('HSET', KEYS[1], 'owner', ARGV[1])
local epoch = redis.call('HINCRBY', KEYS[1], 'epoch', 1)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return {ARGV[1], epoch}
""")
_RELEASE = Script("""
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
return redis.call('HDEL', KEYS[1], 'owner')
""")
_FORGET = Script("""
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
""")

_ORDER = msgspec.json.Decoder(ServerOrder)


class NodeFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A node, as the others know it.

    Attributes:
        id: Of its process: another start is another node.
        name: What people call it.
        address: Where other nodes reach it.
        version: Of callmux.
        leaving: Whether it ends soon, and takes over nothing.
        sessions: How many it serves.
        servers: How each server is there.
        process: What the names of requests begin with that wait there for their clients.
    """

    id: str
    name: str
    address: str
    version: str
    leaving: bool = False
    sessions: int = 0
    servers: dict[str, str] = {}
    process: str = ""


class Beat(msgspec.Struct, frozen=True):
    """What a heartbeat gives.

    Attributes:
        taken: Whether the lease goes on. It does not where it had ended: others may own our sessions now.
        settled_ms: For how long Redis has known of nodes: less than a lease where it has lost everything.
        nodes: Those with a lease.
        lost: Those that had one a while ago.
    """

    taken: bool
    settled_ms: int
    nodes: dict[str, NodeFacts]
    lost: dict[str, NodeFacts]


class Register:
    """The register of nodes and owners.

    Args:
        connection: The Redis. Every method raises `StoreUnavailable` where it does not answer.
    """

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._nodes = connection.key("nodes")
        self._orders = RedisNotices(connection, "orders", ORDERS, ORDERS_MS)

    async def beat(self, about: NodeFacts, lease_ms: int, *, first: bool) -> Beat:
        """Keeps the lease of a node, or begins it with the `first` beat; gives who else is there."""
        text = msgspec.json.encode(about)
        arguments = (about.id, text, lease_ms, "1" if first else "0", FORGOTTEN_MS)
        taken, now_text, fields = await self._connection.evaluate(_BEAT, [self._nodes], *arguments)
        now = int(now_text)
        nodes: dict[str, NodeFacts] = {}
        lost: dict[str, NodeFacts] = {}
        since = now
        for key, value in zip(fields[::2], fields[1::2], strict=True):
            if key == b"since":
                since = int(value)
                continue
            until, _, described = bytes(value).partition(b" ")
            facts = msgspec.json.decode(described, type=NodeFacts)
            (nodes if int(until) >= now else lost)[facts.id] = facts
        return Beat(bool(taken), now - since, nodes, lost)

    async def lapse(self, node: str) -> None:
        """The lease of a node that is lost ends now."""
        await self._connection.evaluate(_LAPSE, [self._nodes], node)

    async def remove(self, node: str) -> None:
        """The lease of a node that ends as it should ends now: nobody misses it."""
        await self._connection.evaluate(_REMOVE, [self._nodes], node)

    async def tell(self, order: ServerOrder) -> None:
        """Every node is told an order with its next heartbeat."""
        await self._orders.tell(msgspec.json.encode(order))

    async def told(self, after: str = START) -> tuple[str, list[ServerOrder]]:
        """What was told after that place, and the place of the last of it. Where Redis has lost that place,
        all orders that there are, once more."""
        place, found = await self._orders.told(after)
        return place, [_ORDER.decode(text) for text in found]

    async def claim(self, session: str, node: str, before: str, *, absent: bool) -> tuple[str, int]:
        """Takes a session for `node` if it is free, or owned by `before`; gives who owns it now, and the
        epoch of that owner where it is `node`. Empty where nothing is known of the session.

        Args:
            before: Whose it may be; empty for nobody.
            absent: Whether it may be taken where nothing is known of it.
        """
        arguments = (node, before, "1" if absent else "0", OWNER_MS)
        owner, epoch = await self._connection.evaluate(_CLAIM, [self._key(session)], *arguments)
        return bytes(owner).decode(), int(epoch)

    async def owner(self, session: str) -> str:
        """Who owns a session; empty for nobody."""
        found = await self._connection.run("HGET", self._key(session), "owner")
        return bytes(found or b"").decode()

    async def release(self, session: str, node: str) -> None:
        """A session is nobody's, if it was this node's: the next one that is asked takes it."""
        await self._connection.evaluate(_RELEASE, [self._key(session)], node)

    async def forget(self, session: str, node: str) -> None:
        """A session is over, if it was this node's."""
        await self._connection.evaluate(_FORGET, [self._key(session)], node)

    def _key(self, session: str) -> str:
        # Whoever knows an id may use the session: it does not stand in Redis.
        return self._connection.key("owner", session_mark(session))
