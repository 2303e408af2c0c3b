"""Signs of life for requests that are silent for long: clients give up on what says nothing.

Kept by `callmux.session.session`, in the listener as in the bridge. A request that carries a progress token
and has had no progress for half a minute gets some (MCP 2025-11-25, basic/utilities/progress). The value must
rise with each notification, so ours rise by next to nothing, and a server's that would not is raised above
ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux.protocol.jsonrpc import Id
from callmux.protocol.params import members, progress_token
from callmux.session.request import PROGRESS, Request

TOKEN = b'"progressToken"'
"""What stands in the params of a request that is worth a look."""
SILENCE_SECONDS = 30.0
_STEP = 1e-6
_EARLY = 1e-3
"""A timer may end a little before its time."""

Notify: TypeAlias = Callable[[str, bytes, Id], None]


class _Progress(msgspec.Struct, rename="camel"):
    progress_token: int | str
    progress: float
    total: Raw | UnsetType = UNSET


_PROGRESS = msgspec.json.Decoder(_Progress)
_TOKEN = msgspec.json.Decoder(int | str)
_ENCODER = msgspec.json.Encoder()


class _Beat:
    """One request whose token has been read."""

    __slots__ = ("heard", "ours", "request", "token", "total", "value")

    def __init__(self, request: Request, token: Raw) -> None:
        self.request = request
        self.token = token
        self.heard = request.started
        self.value = 0.0
        self.total: Raw | None = None
        self.ours = False

    def next(self) -> float:
        """The least value above the last one."""
        return self.value + max(_STEP, abs(self.value) * 1e-9)


class Pulse:
    """The requests of one session that carry a progress token.

    Args:
        notify: Sends a notification about a request of the client.

    Attributes:
        beats: The tokens of its requests that carry one.
    """

    __slots__ = ("_by_token", "_known", "_notify", "_timer", "beats")

    def __init__(self, notify: Notify) -> None:
        self._notify = notify
        self.beats: dict[Request, Raw] = {}
        self._known: dict[Request, _Beat] = {}
        self._by_token: dict[int | str, _Beat] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"Pulse({len(self.beats)} watched)"

    def look_at(self, request: Request, params: Raw | None) -> None:
        """Begins to watch a request whose params carry a token."""
        if params is not None and bytes(params).find(TOKEN) >= 0:  # `in` costs an exception
            token = progress_token(members(params).get("_meta"))
            if token is not None:
                self.watch(request, token)

    def watch(self, request: Request, token: Raw) -> None:
        """Begins to watch a request. Its token is looked at when there is something to say: nearly all are
        over before."""
        self.beats[request] = token
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SILENCE_SECONDS, self._look)

    def over(self, request: Request) -> None:
        """Stops to watch a request that is answered or cancelled."""
        if self.beats.pop(request, None) is None or not self._known:
            return
        beat = self._known.pop(request, None)
        if beat is not None and self._by_token.get(token := _TOKEN.decode(beat.token)) is beat:
            del self._by_token[token]

    def _read(self) -> None:
        """Looks at the tokens of those that have come since."""
        for request, token in self.beats.items():
            if request not in self._known:
                self._known[request] = self._by_token[_TOKEN.decode(token)] = _Beat(request, token)

    def heard(self, params: bytes | Raw | None) -> bytes | Raw | None:
        """Progress is on its way to the client: its params, with a value that rises."""
        try:
            told = _PROGRESS.decode(params if params is not None else b"{}")
        except msgspec.MsgspecError:
            return params
        self._read()
        beat = self._by_token.get(told.progress_token)
        if beat is None:
            return params
        beat.heard = asyncio.get_running_loop().time()
        beat.total = None if told.total is UNSET else told.total.copy()
        if told.progress > beat.value or not beat.ours:
            beat.value = told.progress
            return params
        beat.value = beat.next()
        return _ENCODER.encode({**members(params), "progress": beat.value})

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now, due = loop.time(), None
        self._read()
        for beat in self._known.values():
            if now - beat.heard >= SILENCE_SECONDS - _EARLY:
                self._send(beat, now)
            due = beat.heard if due is None else min(due, beat.heard)
        self._timer = None
        if due is not None:
            self._timer = loop.call_at(due + SILENCE_SECONDS, self._look)

    def _send(self, beat: _Beat, now: float) -> None:
        beat.heard, beat.ours = now, True
        params: dict[str, Any] = {"progressToken": beat.token, "progress": beat.next()}
        if beat.total is not None:
            params["total"] = beat.total
        params["message"] = f"still running after {round(now - beat.request.started)} s"
        self._notify(PROGRESS, _ENCODER.encode(params), beat.request.id)
