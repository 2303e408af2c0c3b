"""What one server lists on its main connection, over losses of that connection and over processes.

Kept by `callmux.upstream.inventory.inventory`, which hands it everything that was read. It begins with what
an earlier process kept (`callmux.upstream.inventory.listings`), and keeps what is new.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from callmux.clock import Clock
from callmux.protocol.shapes import Tool
from callmux.tasks import TaskSet
from callmux.timestamps import iso
from callmux.upstream.inventory.listings import Listing
from callmux.upstream.inventory.offer import Offer, Suite


class Listed:
    """The lists of one server.

    Args:
        listing: Gives what it listed in an earlier process, by what its client declares; None for nothing.
        tasks: Where keeping belongs.
        clock: Time.
        changed: Called when something else is listed than before, to anybody.

    Attributes:
        changed: The same.
        suite: Its tools.
        offer: What else it offers.
        recalled: Both are those of an earlier process: it was not started yet.
    """

    def __init__(
        self,
        listing: Callable[[bytes], Listing | None],
        tasks: TaskSet,
        clock: Clock,
        changed: Callable[[], None],
    ) -> None:
        self.suite, self.offer = Suite(), Offer()
        self.recalled = False
        self._relied_on = False
        self._listing_for = listing
        self._listing: Listing | None = None
        self._tasks = tasks
        self._clock = clock
        self.changed = changed

    def __repr__(self) -> str:
        return f"Listed({len(self.suite.tools)} tools{', recalled' if self.recalled else ''})"

    def recall(self, declared: bytes, *, exact: bool = False) -> bool:
        """Begins with what an earlier process kept for a client that declares this; whether there is any.

        Args:
            exact: Whether what was kept for others does not stand in.
        """
        self.declares(declared)
        kept = None if self._listing is None else self._listing.recall(exact=exact)
        if kept is not None:
            self.suite, self.offer = Suite(tools=kept[0], listed=True), kept[1]
            self.recalled = True
        return kept is not None

    def rely(self) -> None:
        """What an earlier process kept counts as what the server lists, until it is started by somebody who
        needs it: what it lists then is a change, or none."""
        self._relied_on = True
        self.suite = msgspec.structs.replace(self.suite, generation=1)

    def declares(self, declared: bytes) -> None:
        """What is taken from now on was listed to a client that declares this."""
        self._listing = self._listing_for(declared)

    def forget_recalled(self) -> None:
        """Forgets what an earlier process knew, because the server cannot be started: it offers nothing
        now. What is relied on stays: whoever calls is told why."""
        if self.recalled and not self._relied_on:
            self.suite, self.offer, self.recalled = Suite(), Offer(), False
            self.changed()

    def take(self, tools: tuple[Tool, ...], offer: Offer, last_seen: str) -> None:
        """Takes what the server lists now.

        Args:
            last_seen: When it was seen last with what it listed before (ISO).
        """
        # What an earlier process kept counts as nothing here: this is the first listing.
        new = self.recalled and not self._relied_on
        before, offered = (Suite(), Offer()) if new else (self.suite, self.offer)
        self.recalled = False
        if self._listing is not None:
            self._tasks.spawn(self._listing.keep(tools, offer))
        self.suite = before.after(tools, iso(self._clock.wall()), last_seen)
        self.offer = offer
        same = [t.raw for t in before.tools] == [t.raw for t in tools] and offer.lists_as(offered)
        if not before.listed or not same:
            self.changed()
