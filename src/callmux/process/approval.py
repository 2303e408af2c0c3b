"""What approval consists of in one process, wired: the questions, the decisions, the two stages that ask.

Made by `callmux.process.desk` with the first configuration that has `approve`; without one, nothing here and
nothing that it imports is loaded.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from callmux.clock import Clock
from callmux.config.model import Config
from callmux.config.servers import StdioServer
from callmux.context import CallContext
from callmux.errors import InvalidArguments
from callmux.guard import question as questions
from callmux.guard.approvals import TERMINAL, Approvals
from callmux.guard.projects import Projects
from callmux.metatools.foresight import foresee
from callmux.observe.bus import Bus
from callmux.plan import ToolCall
from callmux.rings.approving import Approving, Grants
from callmux.rings.asking import Asking
from callmux.rings.call import Call
from callmux.rings.confirming import Confirming
from callmux.rings.route import Find, Route
from callmux.session.reach import contact_of


class AskingStages(msgspec.Struct, frozen=True):
    """The stages of one configuration.

    Attributes:
        request: Around each request.
        call: Around each call.
        asking: What both ask by.
    """

    request: Approving
    call: Confirming
    asking: Asking


class Approval:
    """The approval of one process.

    Args:
        state: The directory where decisions for projects are kept; None where there is no place.
        reachable: Whether commands of the same user reach this process.
        single: Whether there will only ever be one client, which works where this process does.
        clock: Time.

    Attributes:
        approvals: What waits, and what was decided.
    """

    def __init__(
        self, state: Path | None, reachable: Callable[[], bool], *, single: bool, clock: Clock
    ) -> None:
        memory = None if state is None else Projects(state / "approvals.json", clock.wall)
        self.approvals = Approvals(clock.monotonic, memory, reachable)
        self._directory = os.getcwd() if single else None
        self._clock = clock

    def stages(
        self,
        config: Config,
        find: Find,
        locate: Callable[[ToolCall], Awaitable[Route]],
        prepare: Callable[[ToolCall, CallContext], Awaitable[Call]],
        bus: Bus | None = None,
    ) -> AskingStages:
        """The stages of a configuration.

        Args:
            find: Gives the route of a name as it is now.
            locate: The same, once its server is known.
            prepare: Gives a call as it would be sent.
            bus: Who hears of questions and answers.
        """
        served = {name: _served(server) for name, server in config.servers.items()}
        seconds = config.approval_timeout_ms / 1000
        asking = Asking(self.approvals, seconds, contact_of, self._directory, served, self._clock, bus)
        grants = Grants()
        return AskingStages(
            Approving(asking, grants, foresee, locate, prepare),
            Confirming(asking, grants, find, self._clock),
            asking,
        )

    def waiting(self) -> dict[str, Any]:
        """The calls that wait, as a command shows them."""
        return {"waiting": self.approvals.shown(questions.shown)}

    def answer(self, id: object, choice: object, by: str = TERMINAL) -> dict[str, Any]:
        """Takes what a person has decided, as a command or a page brings it.

        Args:
            by: Where that was: `terminal` or `dashboard`.

        Raises:
            CallmuxError: That is no answer to anything that waits.
        """
        if not isinstance(id, str) or not isinstance(choice, str):
            raise InvalidArguments("an answer has an id and a choice", field="id")
        question = self.approvals.waiting.get(id)
        shown = {} if question is None else questions.shown(question)
        ruling = self.approvals.answer(id, choice, by)
        return {"id": id, "allowed": ruling.allowed, **shown}


def _served(server: object) -> str:
    """What a server is: another one under its name is another server."""
    if isinstance(server, StdioServer):
        told: list[object] = ["stdio", server.command, server.args, server.cwd]
    else:
        told = ["http", getattr(server, "url", "")]
    return msgspec.json.encode(told).decode()
