"""Notices connections that carry nothing any more though nobody has closed them.

The machine between may be gone, or a proxy may have forgotten the connection: no error ever comes. A listener
that can resume answers says something every few seconds on every open stream, so silence means loss. Used by
`callmux.bridge.link`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from callmux.bridge.stream import Stream

NO_HEAD_SECONDS = 5.0
"""How long a listener that opens a stream for each slow answer may take to do so."""
STREAM_SECONDS = 12.0
"""How long an open stream of an answer may bring nothing: a listener says something every five seconds."""
OWN_SECONDS = 40.0
"""The same for the listener's own stream, which says something every fifteen."""
LOOK_SECONDS = 1.0


class Silence:
    """Watches streams.

    Args:
        reading: Whether what comes is read at all: else it is we who do not listen.
    """

    def __init__(self, reading: Callable[[], bool]) -> None:
        self._reading = reading
        self._loop = asyncio.get_running_loop()
        self._streams: dict[Stream, bool] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"Silence({len(self._streams)} watched)"

    def watch(self, stream: Stream, *, own: bool = False) -> None:
        """Ends `stream` as if it had broken, once it has been silent for too long.

        Args:
            own: Whether it is the listener's own stream.
        """
        self._streams[stream] = own
        if self._timer is None:
            self._timer = self._loop.call_later(LOOK_SECONDS, self._look)

    def forget(self, stream: Stream) -> None:
        """Nobody waits for it any more."""
        self._streams.pop(stream, None)

    def close(self) -> None:
        """Watches nothing any more."""
        self._streams.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        for stream, own in list(self._streams.items()):
            if not self._reading():
                stream.heard_at = now
            if stream.finished:
                del self._streams[stream]
            elif now - stream.heard_at > _patience(stream, own):
                del self._streams[stream]
                stream.fell_silent()
        if self._streams and self._timer is None:
            self._timer = self._loop.call_later(LOOK_SECONDS, self._look)


def _patience(stream: Stream, own: bool) -> float:
    if own:
        return OWN_SECONDS
    return STREAM_SECONDS if stream.status else NO_HEAD_SECONDS
