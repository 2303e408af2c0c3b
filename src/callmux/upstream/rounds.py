"""A request to a server without a handshake, and what the server asks before it answers.

Made by `callmux.upstream.stateless` for each request. Where the answer asks for input, the client that caused
the request is asked, all questions at the same time, and the request is sent again with the answers and with
what the server wants back (MCP 2026-07-28, basic/patterns/mrtr). Each round has the time that a request has.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec
from msgspec import UNSET, Raw

from callmux.context import ClientPort
from callmux.protocol import modern, stateless, tasks
from callmux.protocol.jsonrpc import RpcError
from callmux.protocol.methods import MAY_ASK
from callmux.protocol.params import present
from callmux.protocol.stateless import COMPLETE, INPUT_REQUIRED, InputRequest, InputRequired
from callmux.protocol.versions import MODERN, UNSUPPORTED_VERSION
from callmux.tasks import at_once
from callmux.upstream import failures
from callmux.upstream.exchanges import Portable, Sender
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.patience import LOOK_SECONDS
from callmux.upstream.reading.copying import LARGE
from callmux.upstream.visits import VISIT_OVER

MOST_ROUNDS = 32
"""How often a server may ask in the course of one request."""
PAUSE_SECONDS = 0.1
"""How long a server waits that asks nothing and wants the request again; each time twice as long."""
LONGEST_PAUSE_SECONDS = 5.0


class Speech(Protocol):
    """What a request needs of `callmux.upstream.stateless.Stateless`."""

    def own_meta(self, client: ClientPort | None) -> bytes: ...
    def label(self, id: int, exchange: Portable) -> None: ...
    def doubt(self) -> None: ...
    def meanwhile(self, exchange: Portable, work: Any) -> None: ...


class Rounds:
    """A request as it stands in the connection's table.

    Args:
        exchange: The request itself, which hears of nothing but the end.
        sender: The connection.
        speech: What requests carry.
    """

    __slots__ = ("_more", "_pauses", "_round", "_sender", "_speech", "_visits", "exchange", "number")

    def __init__(self, exchange: Portable, sender: Sender, speech: Speech) -> None:
        self.exchange = exchange
        self.number = 0
        self._sender = sender
        self._speech = speech
        self._round = self._pauses = 0
        self._more: Mapping[str, Raw] = {}
        self._visits: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Rounds({self.exchange.method}, {self._round} asked)"

    @property
    def method(self) -> str:
        return self.exchange.method

    @property
    def seconds(self) -> float:
        return self.exchange.seconds

    @property
    def deadline(self) -> float:
        return self.exchange.deadline

    @property
    def client(self) -> ClientPort | None:
        return self.exchange.client

    @property
    def progress(self) -> Callable[[Raw], None] | None:
        return self.exchange.progress

    def line(self, id: int) -> bytes:
        exchange = self.exchange
        exchange.number = id
        self._speech.label(id, exchange)
        return exchange.dressed(id, self._speech.own_meta(exchange.client), self._more)

    def answered(self, result: Raw) -> None:
        kind = stateless.result_type(result)
        if self._visits and kind != INPUT_REQUIRED:
            self._end_visits()
        if kind == INPUT_REQUIRED:
            self._speech.meanwhile(self.exchange, self._next(result.copy()))
            return
        if kind == tasks.TASK or self.method == tasks.GET:
            self._note_task(kind, result)
        if kind == COMPLETE and len(result) <= LARGE:
            self.exchange.answered(Raw(stateless.completed(bytes(result))))
        else:
            self.exchange.answered(result)

    def _note_task(self, kind: str, result: Raw) -> None:
        """A task has been made, or somebody has heard how one is doing: what came of it comes with that."""
        makers = self._sender.makers
        if kind == tasks.TASK:
            makers.note_handle(result, asyncio.get_running_loop().time())
        elif (ended := tasks.ended(result)) is not None:
            makers.fetched(ended)

    def _end_visits(self) -> None:
        """Tells a client of an earlier revision that its person is done where the server sent him."""
        for id in self._visits:
            if self.client is not None:
                self.client.notify(VISIT_OVER, msgspec.json.encode({"elicitationId": id}))

    def failed(self, failure: CallFailure) -> None:
        error = failure.rpc
        if failure.category is Category.PROTOCOL or (error is not None and error.code == UNSUPPORTED_VERSION):
            self._speech.doubt()
        earlier = None if error is None else stateless.earlier_error(self.method, error)
        self.exchange.failed(failure if earlier is None else failures.refused(Raw(earlier)))

    async def _next(self, result: Raw) -> None:
        """Asks what the server wants to know, and sends the request again.

        Raises:
            CallFailure: It may not ask, asks too often, the client cannot be asked or refuses, or the
                connection has ended.
        """
        exchange = self.exchange
        if exchange.method not in MAY_ASK:
            raise _broken(f"it asks for input in place of an answer to {exchange.method}")
        self._round += 1
        if self._round > MOST_ROUNDS:
            raise _broken(f"it asked for input {MOST_ROUNDS} times and has not answered yet")
        try:
            wanted = stateless.read_input(result)
        except ValueError as error:
            raise _broken(str(error)) from None
        self._more = await self._in_time(wanted)
        exchange.deadline = asyncio.get_running_loop().time() + exchange.seconds
        try:
            self._sender.send(self)
        except CallFailure as failure:
            # The server has begun: it asked.
            cause = f"{failure.cause}, while its client was asked"
            raise CallFailure(failure.category, cause, started=True) from None

    async def _in_time(self, wanted: InputRequired) -> dict[str, Raw]:
        """The same as `_answers`, within the time of the request. A client whose request is parked meanwhile
        has the time for which that may be."""
        client, seconds, now = self.exchange.client, self.exchange.seconds, asyncio.get_running_loop().time
        began = now()
        answering: asyncio.Task[dict[str, Raw]] = at_once(self._answers(wanted))
        try:
            while not answering.done():
                thought = 0.0 if client is None else client.thought(began)
                left = began + seconds + thought - now()
                if left <= 0:
                    what = f'the client\'s answer to "{self._sender.name}"'
                    raise failures.timed_out(what, seconds * 1000)
                await asyncio.wait({answering}, timeout=max(left, LOOK_SECONDS) if thought else left)
            return answering.result()
        finally:
            answering.cancel()

    async def _answers(self, wanted: InputRequired) -> dict[str, Raw]:
        """What the request is sent again with."""
        more: dict[str, Raw] = {}
        if wanted.request_state is not UNSET:
            more["requestState"] = wanted.request_state
        if wanted.input_requests:
            client = self.exchange.client
            if client is None:
                raise _broken("it asks for input where no client is")
            names = list(wanted.input_requests)
            questions = list(wanted.input_requests.values())
            for question in questions:
                self._allow(question, client)
            named = zip(names, questions, strict=True)
            asking = [at_once(self._ask(name, question, client)) for name, question in named]
            try:
                answers = await asyncio.gather(*asking)
            finally:
                # One refusal is enough: the others are not wanted any more.
                for task in asking:
                    task.cancel()
            more["inputResponses"] = Raw(msgspec.json.encode(dict(zip(names, answers, strict=True))))
        else:
            pause = min(PAUSE_SECONDS * 2.0**self._pauses, LONGEST_PAUSE_SECONDS)
            self._pauses += 1
            await asyncio.sleep(pause)
        return more

    def _allow(self, question: InputRequest, client: ClientPort) -> None:
        wanted = modern.needed(question.method, present(question.params))
        if wanted is None:
            raise _broken(f'it asks "{question.method}", which no client can be asked')
        if not modern.declares(self._sender.declares(client), wanted):
            why = f"the server asks for input that this client does not declare: {' and '.join(wanted)}"
            raise failures.refused(Raw(modern.lacking(wanted, why).encoded()))

    async def _ask(self, name: str, question: InputRequest, client: ClientPort) -> Raw:
        try:
            params = present(question.params)
            if client.version not in MODERN:
                id = secrets.token_urlsafe(12)
                if question.method == "elicitation/create" and (sent := stateless.with_visit(params, id)):
                    params, self._visits = sent, (*self._visits, id)
            return Raw(bytes(await self._sender.ask(question.method, params, client, name)))
        except RpcError as error:
            raise failures.refused(Raw(error.encoded())) from None


def _broken(what: str) -> CallFailure:
    """The server does what it may not do; to ask once more is of no use."""
    return CallFailure(Category.UNKNOWN, what)
