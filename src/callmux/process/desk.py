"""Where questions to people wait, once a configuration wants any: a thin door that loads nothing before.

Made by `callmux.process.host`, which hands it to each runtime; commands and the run modes reach it there.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from callmux.clock import Clock

if TYPE_CHECKING:
    from callmux.process.approval import Approval


class Desk:
    """The approval of one process.

    Args:
        state: The directory where decisions for projects are kept; None where there is no place.
        single: Whether there will only ever be one client.
        clock: Time.

    Attributes:
        reachable: Commands of the same user reach this process.
    """

    def __init__(self, state: Path | None, *, single: bool, clock: Clock) -> None:
        self._state = state
        self._single = single
        self._clock = clock
        self._approval: Approval | None = None
        self.reachable = False

    def __repr__(self) -> str:
        return "Desk(unused)" if self._approval is None else f"Desk({self._approval.approvals!r})"

    def approval(self) -> Approval:
        """What asks people; made when it is first wanted."""
        if self._approval is None:
            from callmux.process.approval import Approval

            self._approval = Approval(
                self._state, lambda: self.reachable, single=self._single, clock=self._clock
            )
        return self._approval

    def waiting(self) -> dict[str, Any]:
        """The calls that wait, as a command shows them."""
        return {"waiting": []} if self._approval is None else self._approval.waiting()

    def answer(self, id: object, choice: object, by: str = "terminal") -> dict[str, Any]:
        """Takes what a person has decided, as a command or a page brings it.

        Args:
            by: Where that was: `terminal` or `dashboard`.

        Raises:
            CallmuxError: That is no answer to anything that waits.
        """
        return self.approval().answer(id, choice, by)

    def withdraw(self, why: str, server: str | None = None) -> None:
        """Ends every question: none of the calls is made.

        Args:
            why: The reason, for whoever wanted to call.
            server: Only those about calls of this server.
        """
        if self._approval is not None:
            self._approval.approvals.withdraw(why, server)
