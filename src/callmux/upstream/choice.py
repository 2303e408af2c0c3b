"""Which connection of one server a client gets, as things are now; and what is declared for that client.

Kept by `callmux.upstream.server`. The rules are in `callmux.upstream.lanes`; here is what they are asked
about: the main connection, what the server has asked, and how the configuration shares its connections.
"""

from __future__ import annotations

from collections.abc import Awaitable

from msgspec import structs

from callmux.context import ClientPort, Scope
from callmux.protocol.versions import MODERN, Era
from callmux.upstream.inventory.inventory import Inventory
from callmux.upstream.lanes import LaneKey, Sharing, choose_lane, telling
from callmux.upstream.opening.known_era import KnownEra
from callmux.upstream.opening.main_line import MainLine
from callmux.upstream.questions import Questions

LEGACY = Era.LEGACY
"""Named once: with each call of a listener, to name a member of an Enum costs as much as a function."""


class LaneChoice:
    """The choice of a connection.

    Args:
        main: The main connection.
        questions: What the server has asked.
        known: Which eras it speaks.
        inventory: What it lists.

    Attributes:
        sharing: Who shares its connections.
        exclusive: The only client this process will ever have, if there is one.
    """

    def __init__(self, main: MainLine, questions: Questions, known: KnownEra, inventory: Inventory) -> None:
        self._main = main
        self._questions = questions
        self._known = known
        self._inventory = inventory
        self.sharing = Sharing()
        self.exclusive: ClientPort | None = None

    def __repr__(self) -> str:
        return f"LaneChoice({self._main!r}, {self._questions!r})"

    def begin(self, capabilities: bytes, only: ClientPort | None) -> bytes:
        """What the main connection declares on behalf of the first client.

        Args:
            capabilities: What that client declares.
            only: The same, where no other will ever come.
        """
        self.exclusive = only
        return capabilities if only is not None else telling(capabilities, self.sharing.rootless)

    def welcome(self, client: ClientPort) -> None:
        """Makes the main connection ready for a client that has come: lists may depend on it."""
        if self._questions.apart or self.exclusive is not None:
            return
        main, declared = self._main, self.declared(client)
        if main.asleep and declared != main.declares:
            if main.adopter is not None or not self._inventory.recall_for(declared):
                return
            main.declares = declared
        main.adopt(client, declared, main.era if main.asleep else self.era_of(client))

    def unlisted_for(self, client: ClientPort) -> Awaitable[object] | None:
        """What to wait for until it is known what the server lists to this client; None where it is."""
        main, connection, kind = self._main, self._main.connection, self.declared(client)
        if connection is None and self.sharing.is_own(client.kind):
            return self._inventory.views.unknown_to(client, client.kind)
        if main.asleep:
            if kind != main.declares:
                self._inventory.views.assume(client, kind)
            return None
        if (
            connection is None
            and self._inventory.recalled
            and self.exclusive is None
            and kind != main.declares
        ):
            self._inventory.views.assume(client, kind, asleep=False)
        renewed = self._inventory.renewed(connection)
        if self.exclusive is not None or connection is None or connection.declared == kind or renewed:
            return renewed
        return (
            main.acquire(False) if kind == main.declares else self._inventory.views.unknown_to(client, kind)
        )

    def lane(
        self, client: ClientPort, scope: Scope | None, target: str, apart: bool = False
    ) -> LaneKey | None:
        """The lane for a call of this client; None for the main connection, which may adopt the client.

        Args:
            target: What is called.
            apart: Whether the connection that it would share has become another client's.
        """
        main, questions = self._main, self._questions
        if self.exclusive is client and scope is None:
            return None
        connection = main.connection
        if (
            scope is None
            and self.exclusive is None
            and connection is not None
            and connection.audience.owner is None
            and client.server_level is None
            and not (questions.apart or target in questions.tools.names)
            and main.era is LEGACY
            and (client.version not in MODERN or not self._known.has_modern)
            and telling(client.capabilities, self.sharing.rootless) == main.declares
        ):
            # Nearly always; what is said below says the same.
            return None
        declared = self.declared(client)
        owner = main.connection.audience.owner if main.connection is not None else None
        asking, its = questions.asks(target), main.era
        era = its if its is LEGACY and client.version not in MODERN else self.era_of(client)
        key = choose_lane(
            client, declared, main.declares, owner, asking=asking, scope=scope, era=era, main_era=its
        )
        if apart and key is not None:
            return structs.replace(key, client=client)
        if key is None or key.client is not None or scope is not None or self.exclusive is not None:
            return key
        return None if main.adopt(client, declared, era) else key

    def era_of(self, client: ClientPort) -> Era:
        """What the server is spoken to in for this client."""
        main = self._main
        return main.era if main.is_down else self._known.beside(client.version, main.era)

    def declared(self, client: ClientPort) -> bytes:
        """What the server is told of the capabilities of this client."""
        return self.sharing.declared(client, self.exclusive is not None and client.session is self.exclusive)
