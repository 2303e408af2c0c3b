"""What the time that a client takes to think means for the requests it causes, and which of them it has.

Called by `callmux.upstream.connection` and `callmux.upstream.rounds`.
"""

from __future__ import annotations

from collections.abc import Iterable

from callmux.context import ClientPort
from callmux.upstream.exchanges import Exchange, OwnExchange

LOOK_SECONDS = 0.25
"""How often it is looked, at most, whether a client that thinks has come again."""


def due(exchange: Exchange, now: float) -> float:
    """When a request has waited long enough. The time in which its client thinks does not count."""
    end, client = exchange.deadline, exchange.client
    if end > now or client is None or not (thought := client.thought(end - exchange.seconds)):
        return end
    end += thought
    return end if end <= now else max(end, now + LOOK_SECONDS)


def tools_of(client: ClientPort | None, waiting: Iterable[Exchange]) -> set[str]:
    """The tools whose calls are among these, of one client where it is given."""
    calls = [one for one in waiting if one.method == "tools/call" and not isinstance(one, OwnExchange)]
    mine = [one for one in calls if client is None or (one.client and one.client.session is client.session)]
    return {target for one in mine if isinstance(target := getattr(one, "target", None), str)}


def calls_of(client: ClientPort, waiting: Iterable[Exchange], asking: Iterable[Exchange]) -> int:
    """How many of these are calls that a request of this client has made; callmux's own have no slots."""
    calls = (getattr(one, "exchange", one) for one in (*waiting, *asking))
    return sum(one.client is client and not isinstance(one, OwnExchange) for one in calls)
