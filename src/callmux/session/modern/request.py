"""A request of a revision without a handshake, in flight or parked, and the way back to its client.

Made by `callmux.session.modern.serving`. It carries what it says of itself: revision, capabilities and log
level are the request's, not the session's. What a server asks meanwhile is not sent: the request is answered
with the questions (MCP 2026-07-28, basic/patterns/mrtr), stays where it is, and goes on when the client comes
again with answers.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import math
from collections.abc import Callable
from typing import Any, ClassVar

import msgspec
from msgspec import Raw

from callmux.protocol import modern
from callmux.protocol.calling import DirectCall
from callmux.protocol.jsonrpc import INTERNAL_ERROR, METHOD_NOT_FOUND, Id, RpcError
from callmux.protocol.methods import MAY_ASK
from callmux.protocol.params import members
from callmux.protocol.shapes import Result
from callmux.protocol.versions import MODERN_CODES
from callmux.rings.call import Call
from callmux.rings.ring import Job
from callmux.rings.stage import Cancelled, Outcome
from callmux.session.client_cwd import owner_of
from callmux.session.facts import Said, canonical
from callmux.session.modern.losing import Losing, spelled_once
from callmux.session.modern.parking import Parking
from callmux.session.request import PROGRESS, Request, SessionPort
from callmux.tasks import at_once
from callmux.upstream.open_questions import NotWaiting
from callmux.upstream.visits import VISIT_OVER

GATHER_SECONDS = 0.005
"""How long further questions are waited for, so that they go out together."""
_LOST = "the client did not come again with its answers in time"


class OpenQuestion(msgspec.Struct, eq=False):
    """Something a server wants to know.

    Attributes:
        raw: The request as JSON: method and params.
        answer: What the client says.
    """

    raw: bytes
    answer: asyncio.Future[bytes]


class Round(msgspec.Struct, frozen=True):
    """One coming of a client with a request: the request's, and its way back.

    Attributes:
        way: The session that it came in.
        params: The request's, as they came.
        declared: What its client declares, in one spelling.
        token: That of its progress.
    """

    way: SessionPort
    id: Id
    said: Said
    asked: modern.Asked
    declared: bytes
    params: Raw | None
    token: Raw | None


class ModernRequest(Request, kw_only=True):
    """A request that says of itself what a session says otherwise.

    Attributes:
        asked: What it says of itself.
        declared: Its client's capabilities, in one spelling.
        way: The session that its answer goes to: that of the round that waits now. `session`, as ever, is the
            client that its calls are made for.
        stripped: Its params without what the revision adds to them, as they were read.
        parking: Where it waits for its client.
        losing: Who knows what becomes of it where its client loses it.
        lost: Whether its client has lost it, and may come again for it.
        again: Whether its client has come again: progress goes by the token of the round that waits now.
        info: Who answers, as JSON.
        hints: Gives how long its answer may be kept, for `callmux.protocol.modern.complete`.
        told: Gives a result as the client is told it, where that may be another one.
        over: Called once nothing more will come of it.
        questions: What is asked now, by key.
        given: What its client has said before it was asked, by the names of questions.
        names: The keys that were used.
        state: Under which it is parked; None while its client waits for an answer.
        kept: Its answer, where that came while it was parked.
        waits: When it was parked, and until when, by the loop's clock; the last one may still go on.
        lacks: What its client would have had to declare.
        error_code: That of the error it was answered with.
        ended: Whether nothing more will come of it.
        asks_roots: Never, because a question for every call would cost more than a directory is worth. The
            client names it.
    """

    asks_roots: ClassVar[bool] = False

    asked: modern.Asked
    declared: bytes = b"{}"
    way: SessionPort
    stripped: DirectCall | Raw = Raw(b"{}")
    parking: Parking[ModernRequest] | None = None
    losing: Losing[ModernRequest] | None = None
    lost: bool = False
    again: bool = False
    info: bytes = b"{}"
    hints: Callable[[], bytes] | None = None
    told: Callable[[ModernRequest, Job, bytes], bytes] | None = None
    over: Callable[[], None] | None = None
    questions: dict[str, OpenQuestion] | None = None
    given: dict[str, Raw] | None = None
    names: frozenset[str] = frozenset()
    gathering: asyncio.Handle | None = None
    parker: asyncio.Task[None] | None = None
    state: str | None = None
    kept: tuple[bytes, bool] | None = None
    waits: tuple[tuple[float, float], ...] = ()
    lacks: dict[str, Any] | None = None
    token: Raw | None = None
    error_code: int | None = None
    ended: bool = False

    def __repr__(self) -> str:
        return f"ModernRequest({self.id!r} of {self.session!r}{', parked' if self.state else ''})"

    # What it says of itself.

    @property
    def version(self) -> str | None:
        return self.asked.version

    @property
    def capabilities(self) -> bytes:
        return self.declared

    @property
    def log_level(self) -> str | None:
        return self.asked.log_level

    @property
    def is_parked(self) -> bool:
        return self.state is not None or self.lost

    @property
    def lasting(self) -> bool:
        # What is lent for a request is lent to others afterwards.
        return self.session.over is None

    @property
    def params(self) -> Raw:
        """Its params without what the revision adds to them."""
        return self.stripped.raw() if isinstance(self.stripped, DirectCall) else self.stripped

    @property
    def owner(self) -> str:
        """Whose it is."""
        return owner_of(self.said.principal or self.session.facts.principal, self.said.headers)

    @property
    def digest(self) -> bytes:
        """Stands for its method and params, however they are spelled."""
        return digest_of(self.method, self.params)

    # The way to its client.

    def notify(self, method: str, params: bytes | Raw | None) -> None:
        # The revision has no notice that a visit is over.
        if self.is_parked or self.ended or method == VISIT_OVER:
            return
        if method == "notifications/message" and self.log_level is None:
            return
        if method == PROGRESS:
            self.progress = params
        if method == PROGRESS and self.again and params is not None:
            if self.token is None:
                return
            given = members(params)
            given["progressToken"] = self.token
            params = msgspec.json.encode(given)
        self.way.notify(method, params, self.id)

    async def ask(
        self,
        method: str,
        params: bytes | Raw | None,
        progress: Callable[[bytes], None] | None = None,
        name: str | None = None,
    ) -> bytes:
        wanted = modern.needed(method, params)
        if wanted is None or self.method not in MAY_ASK or self.parking is None:
            raise RpcError(METHOD_NOT_FOUND, f"the client cannot be asked {method} during {self.method}")
        if not modern.declares(self.declared, wanted):
            self.lacks = {**(self.lacks or {}), **wanted}
            raise RpcError(METHOD_NOT_FOUND, f"the client has not declared that it answers {method}")
        if self.ended:
            raise NotWaiting
        if name is not None and self.given and name in self.given:
            return bytes(self.given.pop(name))
        key = self._key(name)
        told: dict[str, Any] = {"method": method}
        if params is not None:
            told["params"] = modern.question(params)
        question = OpenQuestion(msgspec.json.encode(told), asyncio.get_running_loop().create_future())
        if self.questions is None:
            self.questions = {}
        self.questions[key] = question
        self._gather()
        try:
            return await question.answer
        finally:
            del self.questions[key]

    def _key(self, name: str | None) -> str:
        """What a question is called: as its server calls it, where no other one of this request was."""
        if name is None or name in self.names:
            name = next(key for n in itertools.count(1) if (key := f"q{n}") not in self.names)
        self.names |= {name}
        return name

    def _gather(self) -> None:
        """What is open a moment from now goes to the client."""
        if self.gathering is None and not self.is_parked and (self.parker is None or self.parker.done()):
            self.gathering = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._put)

    def _put(self) -> None:
        self.gathering = None
        if not self.is_parked and not self.ended and self._open():
            self.parker = at_once(self._park())

    def _open(self) -> dict[str, bytes]:
        return {key: one.raw for key, one in (self.questions or {}).items() if not one.answer.done()}

    async def _park(self) -> None:
        assert self.parking is not None
        state = await self.parking.park(self)
        if self.ended:
            # Answered or given up meanwhile: nobody knows the state, and its place is free again.
            await self.parking.forget(lambda parked: parked is self)
            return
        if state is None:
            for question in (self.questions or {}).values():
                if not question.answer.done():
                    why = "too many requests wait for answers of their clients"
                    question.answer.set_exception(RpcError(INTERNAL_ERROR, why))
            return
        self.state = state
        self.waits = (*self.waits, (asyncio.get_running_loop().time(), math.inf))
        self.way.conclude(self, modern.input_required(self._open(), state, self.info))

    @property
    def parks(self) -> bool:
        return True

    def thought(self, since: float) -> float:
        now = asyncio.get_running_loop().time() if self.waits else 0.0
        return sum(max(0.0, min(end, now) - max(begin, since)) for begin, end in self.waits)

    def resume(self, round: Round) -> None:
        """Its client has come again: a new round begins, which it is in flight in."""
        since, _ = self.waits[-1]
        self.waits = (*self.waits[:-1], (since, asyncio.get_running_loop().time()))
        self.hints = None
        self.rejoin(round)

    def rejoin(self, round: Round) -> None:
        """Its client waits for it again."""
        self.id, self.way, self.said, self.asked = round.id, round.way, round.said, round.asked
        self.declared, self.token = round.declared, round.token
        self.state, self.error_code, self.lost, self.again = None, None, False, True
        self.way.enter(self, round.params)
        asked = round.asked
        for key, raw in asked.answers.items():
            question = (self.questions or {}).get(key)
            if question is not None and not question.answer.done():
                question.answer.set_result(bytes(raw))
        if self.kept is not None:
            self._answer(*self.kept)
        elif self._open():
            # What is missing is asked for again (basic/patterns/mrtr, "Error Handling").
            self._gather()

    def lose(self) -> bool:
        parking = self.parker is not None and not self.parker.done()
        if self.losing is None or self.is_parked or self.ended or parking or not self.losing.lost(self):
            return False
        if self.gathering is not None:
            self.gathering.cancel()
            self.gathering = None
        self.lost = True
        self.way.let_go(self, last=True)
        return True

    def expire(self) -> None:
        """Its client has not come again."""
        if self.state is not None:
            self.cancel(_LOST)

    # Its answer.

    def finish(self, job: Job, outcome: Outcome) -> None:
        if self.session.observer is not None:
            self.session.observer.finished(self, job, outcome)
        self.job = None
        if isinstance(outcome, Result):
            flying, usage, route = self.way.peer.in_flight, self.session.facts.usage, job.route
            # Subscriptions are under way for as long as their client is there.
            alone = (len(flying) == 1 and flying.get(self.id) is self) or not any(
                one is not self and one.method == "tools/call" for one in flying.values()
            )
            if route is None or route.own is not None or outcome.before or not isinstance(job, Call):
                usage.ended(job, outcome, alone=alone)
            else:
                given = job.arguments
                size = len(outcome.raw) + (0 if given is None else len(given))
                usage.direct(size, alone=alone)
            if self.lacks and outcome.is_error:
                self.refused(self._lacking(outcome.raw))
            else:
                raw = outcome.raw
                self.answered(raw if self.told is None else self.told(self, job, raw))
        elif isinstance(outcome, RpcError):
            self.refused(outcome)
        elif isinstance(outcome, Cancelled):
            self._end()
        else:
            self.session.fail(self, outcome)

    def answered(self, result: bytes | Raw) -> None:
        hints = b"" if self.hints is None else self.hints()
        body = modern.complete(result, self.info, hints)
        if self.state is not None or self.lost:
            self._answer(body, False)
            return
        # What `_answer` does where somebody waits.
        if self.gathering is None and not self.questions and not self.ended:
            self.ended, self.kept = True, None
            if self.over is not None:
                self.over()
        else:
            self._end()
        self.way.conclude(self, body, False)

    def refused(self, error: RpcError) -> None:
        if self.lacks and error.code not in MODERN_CODES:
            error = self._lacking(error.encoded())
        code, body = modern.error(error.encoded())
        self.error_code = code
        self._answer(body, True)

    def _lacking(self, instead: bytes) -> RpcError:
        """The request has failed, and its client could not be asked what its server wanted to know."""
        lacks = self.lacks or {}
        names = ", ".join(sorted(lacks))
        why = f"this request needs a client that declares {names}"
        error = modern.lacking(lacks, why)
        error.data["answer"] = Raw(instead)
        return error

    def _answer(self, body: bytes, refused: bool) -> None:
        if self.is_parked:
            # Nobody waits now: whoever comes again gets it.
            self.kept = body, refused
            return
        self._end()
        self.way.conclude(self, body, refused)

    def cancel(self, reason: str | None) -> None:
        super().cancel(reason)
        self._end()

    def _end(self) -> None:
        if self.ended:
            return
        self.ended, self.state, self.lost, self.kept = True, None, False, None
        if self.gathering is not None:
            self.gathering.cancel()
        for question in (self.questions or {}).values():
            if not question.answer.done():
                question.answer.set_exception(NotWaiting())
        if self.over is not None:
            self.over()


def digest_of(method: str, params: Raw) -> bytes:
    """Stands for a method and its params, however they are spelled. What belongs to one round alone, such as
    the token for its progress, is no part of it."""
    given = spelled_once(members(params))
    given.pop("_meta", None)
    return hashlib.sha256(method.encode("utf-8", "surrogatepass") + b"\0" + canonical(given)).digest()
