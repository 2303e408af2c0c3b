"""Asks a person whether calls may be made, and waits for the answer.

Called by `callmux.rings.approving` (all calls of a plan) and `callmux.rings.confirming` (one call). The
client is asked by elicitation where it can be; a person at a terminal of the same user can always answer
(`callmux.guard.approvals`), and whoever does so first decides. There is a time-out of its own; whatever goes
wrong is a no.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os.path
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

import msgspec

from callmux.clock import Clock
from callmux.context import CallContext, ClientPort
from callmux.errors import ApprovalDenied, ApprovalTimeout, ApprovalUnavailable, CallmuxError
from callmux.guard import question as questions
from callmux.guard.approvals import (
    FORM,
    LATE,
    PROJECT,
    SESSION,
    TERMINAL,
    Approvals,
    Asker,
    Need,
    Question,
    Ruling,
    Subject,
)
from callmux.observe.bus import Bus
from callmux.observe.facts import ApprovalAnswered, ApprovalAsked
from callmux.protocol.jsonrpc import RpcError
from callmux.protocol.shapes import Tool
from callmux.rings.call import Call
from callmux.tasks import at_once

log = logging.getLogger(__name__)


RELOADED = "the configuration was read anew meanwhile"


class Reach(Enum):
    """Where a person can be asked about the calls of a client."""

    FORM = "the client shows a form"
    TERMINAL = "only a terminal beside it"
    NOBODY = "nobody looks at the client: it is a program in a shell"


class Contact(msgspec.Struct, frozen=True):
    """How a client's person can be asked.

    Attributes:
        reach: Where.
        client: The name that the client gives itself.
        waiting: Tells the way to the client how long it is to be patient, and, with 0, that it is over.
    """

    reach: Reach
    client: str | None = None
    waiting: Callable[[float], None] | None = None


class Asking:
    """The questions of one configuration.

    Args:
        approvals: Where questions wait.
        seconds: How long an answer may take.
        contact: Says how a client's person can be asked.
        directory: Where a client works that names no directory of its own (stdio); None in a listener.
        served: What each server is run with: another program is not what was approved.
        clock: Time.
        bus: Who hears of questions and answers.
    """

    def __init__(
        self,
        approvals: Approvals,
        seconds: float,
        contact: Callable[[ClientPort], Contact],
        directory: str | None,
        served: Mapping[str, str],
        clock: Clock,
        bus: Bus | None = None,
    ) -> None:
        self._bus = bus or Bus()
        self._approvals = approvals
        self._seconds = seconds
        self._way = contact
        self._directory = directory
        self._served = served
        self._clock = clock
        self._retired: str | None = None

    def retire(self, why: str = RELOADED) -> None:
        """Asks nobody any more; calls that wait are not made.

        Args:
            why: The reason, for whoever wanted to call.
        """
        self._retired = why
        self._approvals.withdraw(why)

    def need(self, call: Call) -> Need:
        """What has to be approved of a prepared call."""
        route = call.route
        return Need(
            subject=Subject(
                route.server, route.method, call.target, self.definition(route.server, route.tool)
            ),
            tier=route.tier,
            arguments=_arguments(call),
            cwd=call.asked.cwd,
        )

    def definition(self, server: str, tool: Tool | None) -> str:
        """A digest of what a tool takes and says of itself, and of what its server is."""
        told = [self._served.get(server, "")]
        if tool is not None:
            told += [bytes(tool.members.get(key, b"")).decode() for key in ("inputSchema", "annotations")]
        return hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:32]

    async def ask(self, needs: Sequence[Need], context: CallContext) -> None:
        """Returns once a person has allowed all the calls, now or before.

        Raises:
            ApprovalDenied: A person has refused.
            ApprovalTimeout: Nobody answered in time.
            ApprovalUnavailable: Nobody can be asked, or the question was withdrawn.
        """
        contact = self._way(context.client)
        asker = await self._asker(context, contact)
        unknown = [need for need in needs if not self._approvals.remembers(need, asker)]
        if not unknown:
            return
        if self._retired is not None:
            raise self._refusal(Ruling(False, withdrawn=self._retired), unknown, contact)
        if contact.reach is Reach.NOBODY:
            raise ApprovalUnavailable(
                f"{_named(unknown)} must be approved by a person, and nobody can be asked here: run the"
                " command in a terminal, or let a person take the tool out of approve in the configuration",
                **_details(unknown),
            )
        if contact.reach is Reach.TERMINAL and not self._approvals.reachable:
            raise ApprovalUnavailable(
                f"{_named(unknown)} must be approved by a person, and nobody can be asked: the client shows"
                " no questions, and callmux approve cannot reach this process (its log says why)",
                **_details(unknown),
            )
        ruling = await self._decided(unknown, asker, contact, context)
        if not ruling.allowed:
            raise self._refusal(ruling, unknown, contact)

    async def _asker(self, context: CallContext, contact: Contact) -> Asker:
        directory = self._directory
        if context.find_cwd is not None and not context.elsewhere:
            found = await context.directory()
            directory = None if found is None else found.path
        return Asker(
            session=context.client.session,
            lasting=context.client.lasting,
            principal="" if context.principal is None else context.principal.label,
            directory=None if directory is None else _project(directory),
            client=None if contact.client is None else questions.printable(contact.client[:100]),
        )

    async def _decided(
        self, needs: Sequence[Need], asker: Asker, contact: Contact, context: CallContext
    ) -> Ruling:
        """Puts the question and waits for its end."""
        ruled: asyncio.Future[Ruling] = asyncio.get_running_loop().create_future()

        def settle(ruling: Ruling) -> None:
            if not ruled.done():
                ruled.set_result(ruling)

        question = self._approvals.put(needs, asker, self._seconds, settle)
        asked = ruling = None
        self._publish_question(question, contact, context)
        if contact.waiting is not None:
            contact.waiting(self._seconds)
        try:
            if contact.reach is Reach.FORM:
                asked = at_once(self._show_form(question, context.client))
            else:
                self._announce(question, context)
            await asyncio.wait({ruled}, timeout=max(0.0, question.until - self._clock.monotonic()))
            self._approvals.end(question, LATE)
            ruling = await ruled
            return ruling
        finally:
            # Whoever asked may be gone: nobody is to answer what nobody waits for.
            self._approvals.end(question, Ruling(False))
            self._publish_end(question, ruling, context)
            if contact.waiting is not None:
                contact.waiting(0)
            if asked is not None and not asked.done():
                asked.cancel()
                await asyncio.wait({asked})

    async def _show_form(self, question: Question, client: ClientPort) -> None:
        """Asks the client, and answers the question with what its person says."""
        try:
            reply = await client.ask(questions.ACTION, questions.form(question))
        except RpcError as refusal:
            log.info("a client that should show a question did not (%s)", refusal)
            if self._approvals.reachable:
                # A person at a terminal may still answer.
                self._log(question)
                return
            why = "the client did not show the question, and callmux approve cannot reach this process"
            self._approvals.end(question, Ruling(False, withdrawn=why))
            return
        choice = questions.choice_of(bytes(reply), question.choices)
        try:
            self._approvals.answer(question.id, choice, FORM)
        except CallmuxError as error:
            # Too late, or answered elsewhere; a decision that cannot be kept is none.
            self._approvals.end(question, Ruling(False, withdrawn=error.message))

    def _publish_question(self, question: Question, contact: Contact, context: CallContext) -> None:
        if self._bus.hears(ApprovalAsked):
            how = FORM if contact.reach is Reach.FORM else TERMINAL
            fact = ApprovalAsked(question=question.id, how=how, calls=_titles(question), **_about(context))
            self._bus.publish(fact)

    def _publish_end(self, question: Question, ruling: Ruling | None, context: CallContext) -> None:
        if not self._bus.hears(ApprovalAnswered):
            return
        if ruling is None or ruling.withdrawn is not None:
            answer = "cancelled"
        else:
            answer = "allowed" if ruling.allowed else "timed_out" if ruling.late else "refused"
        kept = ruling is not None and ruling.choice in (SESSION, PROJECT)
        self._bus.publish(
            ApprovalAnswered(
                question=question.id,
                answer=answer,
                how="" if ruling is None else ruling.by,
                remembered=ruling.choice if ruling is not None and kept else "call",
                seconds=self._clock.monotonic() - question.since,
                calls=_titles(question),
                **_about(context),
            )
        )

    def _announce(self, question: Question, context: CallContext) -> None:
        """Says that something waits where the client shows no questions."""
        self._log(question)
        if context.progress_token is not None:
            text = f"waits for a person's approval: callmux approve {question.id} in a terminal"
            note = {"progressToken": context.progress_token, "progress": 0, "message": text}
            context.client.notify("notifications/progress", msgspec.json.encode(note))

    def _log(self, question: Question) -> None:
        first = questions.title_of(question.needs[0])
        others = f" and {len(question.needs) - 1} more" if len(question.needs) > 1 else ""
        seconds = f"{self._seconds:g} s"
        log.warning(
            "waiting for approval, %s: %s%s. Run: callmux approve %s", seconds, first, others, question.id
        )

    def _refusal(self, ruling: Ruling, needs: Sequence[Need], contact: Contact) -> CallmuxError:
        named, details = _named(needs), _details(needs)
        if ruling.withdrawn is not None:
            return ApprovalUnavailable(
                f"{named} was not approved: {ruling.withdrawn}. Nothing was done; call again to ask again",
                **details,
            )
        if ruling.late:
            where = (
                "the form of their client or callmux approve in a terminal"
                if contact.reach is Reach.FORM
                else "callmux approve, which the person runs in a terminal of their own while the call waits"
            )
            return ApprovalTimeout(
                f"{named} waited {self._seconds:g} s for a person's approval, and nobody answered. Nothing"
                " was done. Ask the person whether it is wanted, then call again: each call waits"
                f" {self._seconds:g} s for {where}",
                **details,
                waitedMs=round(self._seconds * 1000),
            )
        return ApprovalDenied(
            f"a person refused {named}. Nothing was done. Do not try it again in another way: ask the person"
            " what to do instead",
            **details,
        )


def _titles(question: Question) -> tuple[str, ...]:
    subjects = (need.subject for need in question.needs)
    return tuple(f"{subject.server}: {subject.target}" for subject in subjects)


def _about(context: CallContext) -> dict[str, Any]:
    """Whose the question is, for whoever writes it down."""
    about = context.about
    return {
        "session_id": about.get("sessionId", ""),
        "request_id": about.get("requestId", ""),
        "principal": context.principal,
    }


def _project(directory: str) -> str | None:
    """The directory as it is known by; None for one that is no project: programs without one begin there."""
    real = os.path.realpath(directory)
    return None if real in (os.path.sep, os.path.realpath(os.path.expanduser("~"))) else real


def _arguments(call: Call) -> bytes | None:
    """What a person must know of a call beside its target: for other methods than tools, all its params."""
    if call.method == "tools/call":
        return call.arguments
    params = {key: value for key, value in call.asked.extra.items() if key != "_meta"}
    return msgspec.json.encode(params) if params else None


def _named(needs: Sequence[Need]) -> str:
    subject = needs[0].subject
    others = f" (with {len(needs) - 1} other calls)" if len(needs) > 1 else ""
    return f'"{subject.target}" of server "{subject.server}"{others}'


def _details(needs: Sequence[Need]) -> dict[str, object]:
    subject = needs[0].subject
    kind = "tool" if subject.method == "tools/call" else "target"
    return {
        "server": subject.server,
        kind: subject.target,
        "calls": len(needs),
        "executionState": "not_started",
    }
