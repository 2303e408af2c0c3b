"""What a session leaves to the process that takes it up, beside what its id says. Pure.

Collected by `callmux.cli.listen`; carried over by `callmux.cli.handover` or `callmux.session.bequest`;
fulfilled by `callmux.transport.http.listener`.
"""

from __future__ import annotations

import msgspec


class Legacy(msgspec.Struct, frozen=True):
    """One session's.

    Attributes:
        log_level: What the client set with `logging/setLevel`, or None.
        client_name: What it calls itself, or None.
        subscriptions: The resources it wants to hear of, by the URIs it knows.
    """

    log_level: str | None = None
    client_name: str | None = None
    subscriptions: list[str] = []

    def wishes(self) -> list[tuple[str, bytes]]:
        """The requests that bring a new session where the old one was: methods and params."""
        asked: list[tuple[str, dict[str, str]]] = []
        if self.log_level is not None:
            asked.append(("logging/setLevel", {"level": self.log_level}))
        asked.extend(("resources/subscribe", {"uri": uri}) for uri in self.subscriptions)
        return [(method, msgspec.json.encode(params)) for method, params in asked]


class Estate(msgspec.Struct, frozen=True):
    """What all sessions of a listener leave.

    Attributes:
        ended: Marks of sessions that are over; a listener of an older version gives their ids.
        legacies: What the others leave, by id.
        floor: Sessions that began before this time may be over, too: seconds since 1970.
    """

    ended: list[str] = []
    legacies: dict[str, Legacy] = {}
    floor: float = 0.0
