"""What waits for a person, and what a person has decided: one object for the whole process. Pure.

Made by `callmux.process.approval`. `callmux.rings.asking` puts questions here and waits; whoever may answer
does so by `answer`: the client that was asked, a person at a terminal of the same user, a page. What was
decided for longer than one call is kept for the session here, and for a project by what is `Remembered`.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import msgspec

from callmux.errors import ApprovalUnavailable, InvalidArguments

ONCE = "once"
SESSION = "session"
PROJECT = "project"
DENY = "deny"
FORM = "elicitation"
TERMINAL = "terminal"
DASHBOARD = "dashboard"
REMEMBERED = "remembered"
MOST_WAITING = 100
"""Questions that may wait at a time for one session; ten times as many for all together."""


class Subject(msgspec.Struct, frozen=True):
    """What a decision is remembered for: never for arguments.

    Attributes:
        server: The server's key.
        method: The MCP method.
        target: The bare name of a tool or prompt, or a URI.
        definition: A digest of what the tool says of itself and of what its server is run with.
    """

    server: str
    method: str
    target: str
    definition: str


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """One call that needs a person's word.

    Attributes:
        subject: What it calls.
        tier: What it may do.
        arguments: As they will be sent; JSON, or None for none.
        cwd: The directory it names.
    """

    subject: Subject
    tier: str
    arguments: bytes | None = None
    cwd: str | None = None

    @property
    def exact(self) -> bytes:
        """Equal for calls that do the same, and for no others."""
        told = (msgspec.structs.astuple(self.subject), self.cwd, self.arguments is None)
        return hashlib.sha256(msgspec.json.encode(told) + b"\0" + (self.arguments or b"")).digest()


class Asker(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Who wants to call.

    Attributes:
        session: The client's session.
        principal: Names who it proved to be; empty where nobody has to.
        directory: Where it works; None where that is not known for sure.
        client: The name it gives itself.
        lasting: Whether nobody else will be of that session.
    """

    session: object
    principal: str = ""
    directory: str | None = None
    client: str | None = None
    lasting: bool = True


class Ruling(msgspec.Struct, frozen=True):
    """How a question ended.

    Attributes:
        allowed: Whether the calls may be made.
        late: Whether nobody answered in time.
        withdrawn: Why it is not asked any more; None where it was answered.
        choice: What was answered.
        by: Where the answer came from: `elicitation`, `terminal`, `dashboard`, or `remembered` where the
            answer to another question was one to this, too.
    """

    allowed: bool
    late: bool = False
    withdrawn: str | None = None
    choice: str = DENY
    by: str = ""


LATE = Ruling(False, late=True)


class Question(msgspec.Struct, eq=False, kw_only=True):
    """A question that waits.

    Attributes:
        id: What people name it by.
        needs: The calls it is about.
        asker: Who wants to make them.
        choices: What may be answered.
        since: When it was asked, by the monotonic clock.
        until: When it is too late.
        ruled: Told how it ended, once.
    """

    id: str
    needs: Sequence[Need]
    asker: Asker
    choices: Sequence[str]
    since: float
    until: float
    ruled: Callable[[Ruling], None]


class Remembered(Protocol):
    """Decisions that outlive the process: `callmux.guard.projects`, and `Nothing` where there is no place."""

    @property
    def usable(self) -> bool:
        """Whether a decision can be kept."""

    def knows(self, directory: str, principal: str, subject: Subject) -> bool:
        """Whether calls of it are approved there."""

    def add(self, directory: str, principal: str, subjects: Sequence[Subject]) -> None:
        """They are from now on."""


class Nothing:
    """Remembers nothing."""

    usable = False

    def knows(self, directory: str, principal: str, subject: Subject) -> bool:
        return False

    def add(self, directory: str, principal: str, subjects: Sequence[Subject]) -> None:
        raise ApprovalUnavailable("this callmux has no place to remember decisions for a project")


class Approvals:
    """The questions and decisions of one process.

    Args:
        now: Gives a monotonic time: moving the clock of the machine makes no question longer or shorter.
        memory: Decisions for projects.
        reachable: Whether a command of the same user can reach this process.
    """

    def __init__(
        self,
        now: Callable[[], float],
        memory: Remembered | None = None,
        reachable: Callable[[], bool] = lambda: False,
    ) -> None:
        self._now = now
        self._reachable = reachable
        self._memory = memory or Nothing()
        self._waiting: dict[str, Question] = {}
        self._sessions: WeakKeyDictionary[object, set[tuple[str, Subject]]] = WeakKeyDictionary()

    def __repr__(self) -> str:
        return f"Approvals({len(self._waiting)} waiting)"

    @property
    def reachable(self) -> bool:
        """Whether a person at a terminal can answer."""
        return self._reachable()

    def remembers(self, need: Need, asker: Asker) -> bool:
        """Whether a person has decided before that such a call may be made."""
        if (asker.principal, need.subject) in self._sessions.get(asker.session, ()):
            return True
        return asker.directory is not None and self._memory.knows(
            asker.directory, asker.principal, need.subject
        )

    def put(
        self, needs: Sequence[Need], asker: Asker, seconds: float, ruled: Callable[[Ruling], None]
    ) -> Question:
        """Lets a question wait.

        Raises:
            ApprovalUnavailable: Too many do already.
        """
        own = sum(question.asker.session is asker.session for question in self._waiting.values())
        if own >= MOST_WAITING or len(self._waiting) >= 10 * MOST_WAITING:
            raise ApprovalUnavailable(
                "too many calls wait for approval: wait until the person has answered, then call again"
            )
        now = self._now()
        longer = [SESSION] if asker.lasting else []
        choices = [ONCE, *longer, *([PROJECT] if self._has_project(asker) else []), DENY]
        question = Question(
            id=self._new_id(),
            needs=needs,
            asker=asker,
            choices=choices,
            since=now,
            until=now + seconds,
            ruled=ruled,
        )
        self._waiting[question.id] = question
        return question

    def _has_project(self, asker: Asker) -> bool:
        return asker.directory is not None and self._memory.usable

    def _new_id(self) -> str:
        while (id := secrets.token_hex(3)) in self._waiting:
            continue
        return id

    def answer(self, id: str, choice: str, by: str = TERMINAL) -> Ruling:
        """A person decides.

        Args:
            by: Where: `FORM`, `TERMINAL` or `DASHBOARD`.

        Raises:
            ApprovalUnavailable: Nothing of this id waits (any more), or it is too late.
            InvalidArguments: That is no choice there.
        """
        question = self._waiting.get(id)
        if question is None:
            raise ApprovalUnavailable(f'nothing with the id "{id}" waits for approval: callmux approve lists')
        if choice not in question.choices:
            known = ", ".join(question.choices)
            raise InvalidArguments(f'"{choice}" is no choice here: {known}', field="choice")
        if self._now() >= question.until:
            # The timer is about to say so.
            self.end(question, LATE)
            raise ApprovalUnavailable("too late: the call was given up")
        ruling = Ruling(choice != DENY, choice=choice, by=by)
        if choice == DENY:
            self.end(question, ruling)
            return ruling
        subjects = list(dict.fromkeys(need.subject for need in question.needs))
        if choice == SESSION:
            own = self._sessions.setdefault(question.asker.session, set())
            own.update((question.asker.principal, subject) for subject in subjects)
        elif choice == PROJECT:
            assert question.asker.directory is not None
            self._memory.add(question.asker.directory, question.asker.principal, subjects)
        self.end(question, ruling)
        if choice != ONCE:
            self._settle_known(choice)
        return ruling

    def _settle_known(self, choice: str) -> None:
        """What was decided for longer decides about others that wait, too."""
        for question in list(self._waiting.values()):
            if all(self.remembers(need, question.asker) for need in question.needs):
                self.end(question, Ruling(True, choice=choice, by=REMEMBERED))

    def end(self, question: Question, ruling: Ruling) -> None:
        """A question ends; only the first end counts."""
        if self._waiting.pop(question.id, None) is question:
            question.ruled(ruling)

    def withdraw(self, why: str, server: str | None = None) -> None:
        """Ends all questions without an answer: none of the calls is made.

        Args:
            why: The reason, for whoever wanted to call.
            server: Only those about calls of this server.
        """
        for question in list(self._waiting.values()):
            if server is None or any(need.subject.server == server for need in question.needs):
                self.end(question, Ruling(False, withdrawn=why))

    @property
    def waiting(self) -> Mapping[str, Question]:
        """The questions that wait, the oldest first."""
        return self._waiting

    def shown(self, show: Callable[[Question], Mapping[str, Any]]) -> list[dict[str, Any]]:
        """What waits, for people.

        Args:
            show: Gives what is shown of the calls of a question.
        """
        now = self._now()
        found = []
        for question in self._waiting.values():
            told = {"client": question.asker.client, "principal": question.asker.principal or None}
            told["directory"] = question.asker.directory
            found.append(
                {"id": question.id}
                | {name: value for name, value in told.items() if value is not None}
                | {
                    "waitsSeconds": max(0, int(now - question.since)),
                    "leftSeconds": max(0, int(question.until - now)),
                    "choices": list(question.choices),
                }
                | dict(show(question))
            )
        return found
