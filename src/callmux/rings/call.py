"""One request to one upstream, its target looked up: what the call ring carries.

Made by `callmux.router.door`; the stages of the call ring read it and write to it, and it stands in the
connection's table while its answer is awaited (`callmux.upstream.connection`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux.context import CallContext, ClientPort, Scope
from callmux.plan import Asked, Plan, whole
from callmux.protocol import jsonrpc, stateless
from callmux.protocol.calling import DirectCall
from callmux.protocol.params import members, optional_text
from callmux.protocol.shapes import Result, Tool
from callmux.rings.ring import Job, carry, leave_by, settle
from callmux.rings.route import Route
from callmux.rings.stage import SMALL, Outcome, Stages
from callmux.stores.cache import Key
from callmux.upstream.connection import Connection
from callmux.upstream.failures import CallFailure
from callmux.upstream.reading.copying import LARGE, NULL, copied

_ENCODER = msgspec.json.Encoder()
_NOTHING = Raw(b"{}")
_AROUND_TOKEN = len(b'{"progressToken":}')


class Call(Job):
    """A call, made by position: names of arguments would cost a thousand instructions with each.

    Attributes:
        route: Where it goes.
        target: What is asked of the server: the bare name of a tool, the name of a prompt, or a URI.
        key: The member of the params that the target stands in; None where it stands deeper or nowhere.
        asked: The call as the caller wrote it.
        arguments: What is sent: `asked.arguments`, unless a stage changed them.
        seconds: How long one attempt may take.
        deadline: When the attempt must be over, by the loop's clock; waiting for a turn counts.
        no_params: Whether the request has no params at all.
        scope: The directory or credentials its connection must have; None for the one that all share.
        connection: What it is sent on.
        identity: What equal calls have in common; None for a call like no other.
        progress: Takes the params of each progress notification for it.
        first: How the first of two attempts failed.
        watch: What the cache notes while it is under way.
        number: Its id on the connection.
        moved: Told of a later deadline, by whoever has set a timer for the one before.
        began: When it came, where somebody listens to ended calls.
        waited: Seconds that it waited for its turn.
        trace: What its tracer keeps with it.
        source: Where its outcome comes from: `server`, `cache`, or `shared` (an equal call under way).
    """

    context: CallContext
    route: Route
    stages: Stages
    done: Callable[[Any, Outcome], None]
    target: str
    asked: Asked
    seconds: float
    deadline: float
    arguments: bytes | None = None
    key: str | None = "name"
    no_params: bool = False
    scope: Scope | None = None
    connection: Connection | None = None
    identity: Key | UnsetType | None = UNSET
    progress: Callable[[Raw], None] | None = None
    first: CallFailure | None = None
    watch: Any = None
    number: int = 0
    moved: Callable[[float], None] | None = None
    began: float = 0.0
    waited: float = 0.0
    source: str = "server"
    trace: Any = None

    @property  # type: ignore[misc]
    def plan(self) -> Plan | None:  # type: ignore[override]  # made when somebody asks
        """What a direct call does, which is a request and its only call at once; None inside of a request."""
        if self.stages is not self.route.direct:
            return None
        return Plan(name=self.asked.spelling, calls=(whole(self.asked),))

    @property
    def server(self) -> str:
        """The server's key in the configuration."""
        return self.route.server

    @property
    def method(self) -> str:
        """The MCP method."""
        return self.route.method

    @property
    def tool(self) -> Tool | None:
        """What the catalogue knows of the tool."""
        return self.route.tool

    @property
    def named_task(self) -> str | None:
        """The task that it names."""
        return optional_text(self.asked.extra.get("taskId", Raw(NULL)))

    @property
    def safe(self) -> bool:
        """Whether repeating the call does no harm."""
        return self.route.safe

    @property
    def client(self) -> ClientPort:
        """The client that caused the call."""
        return self.context.client

    def extend(self, deadline: float, seconds: float) -> None:
        """Somebody else waits for it, too: it has the time of the most patient."""
        self.seconds = max(self.seconds, seconds)
        if deadline > self.deadline:
            self.deadline = deadline
            if self.moved is not None:
                self.moved(deadline)

    def line(self, id: int) -> bytes:
        """What is sent, as our request `id`, which is its progress token, too."""
        asked, arguments = self.asked, self.arguments
        if arguments is not None and (type(asked) is DirectCall or (self.key == "name" and not asked.extra)):
            if asked.meta is None:
                return self.route.form % (id, arguments)
            return self.route.form_with_meta % (id, arguments, self._meta(asked.meta, id))
        if self.no_params:
            return jsonrpc.request(id, self.route.method, None)
        params = self._params()
        if asked.meta is not None or self.progress is not None:
            params["_meta"] = self._meta(asked.meta or _NOTHING, id)
        return jsonrpc.request(id, self.route.method, _ENCODER.encode(params))

    def dressed(self, id: int, own: bytes, more: Mapping[str, Raw]) -> bytes:
        """The same for a server without a handshake, see `callmux.upstream.exchanges.Exchange`."""
        asked, arguments = self.asked, self.arguments
        meta = stateless.meta(asked.meta, None if self.progress is None else id, own)
        if arguments is not None and self.key == "name" and not asked.extra and not more:
            return self.route.form_with_meta % (id, arguments, meta)
        params = {**self._params(), **more, "_meta": Raw(meta)}
        return jsonrpc.request(id, self.route.method, _ENCODER.encode(params))

    def _params(self) -> dict[str, Any]:
        """The params without `_meta`."""
        params: dict[str, Any] = {} if self.key is None else {self.key: self.target}
        if self.arguments is not None:
            params["arguments"] = Raw(self.arguments)
        if self.asked.extra:
            params.update(self.asked.extra)
        return params

    def _meta(self, given: Raw, id: int) -> Raw:
        """The `_meta` that is sent: the client's, with our own token in place of its own."""
        if self.progress is None:
            return given
        token = self.context.progress_token
        if token is not None and len(given) == len(token) + _AROUND_TOKEN:
            # There is room for nothing else in it.
            return Raw(b'{"progressToken":%d}' % id)
        meta: dict[str, Any] = dict(members(given))
        meta["progressToken"] = id
        return Raw(_ENCODER.encode(meta))

    def answered(self, result: Raw) -> None:
        """Takes the answer of the server."""
        # What is kept must not pin the line it came in.
        size = len(result)
        if size > LARGE:
            carry(self, _copied(result))
        else:
            raw = bytes(result)
            stages = self.stages
            leaves = stages.small if size <= SMALL else stages.returns
            leave_by(self, Result(b"{}" if size == 4 and raw == NULL else raw), leaves[self.depth])

    def failed(self, failure: CallFailure) -> None:
        """No answer will come."""
        settle(self, failure)


async def _copied(result: Raw) -> Result:
    return Result(await copied(result))
