"""Head and body of an answer in one packet: what is written in one turn of the loop goes out together.

Used by `callmux.transport.http.narrow`, whose server writes them one after the other. As two packets they
would wake the client twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from callmux.batch_writer import BatchWriter


class GatheringTransport:
    """A transport in front of another one; all but writing and closing is the other's.

    Args:
        transport: What carries the bytes.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._writer = BatchWriter(self._write)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Sends `data` at the end of this turn at the latest."""
        # Python 3.12 and 3.13 keep an empty part of a `writelines` for ever, and never close behind it.
        if data:
            self._writer.send(data)

    def write_now(self, data: bytes) -> None:
        """Sends a whole answer."""
        if self._writer.lines:
            self._writer.flush()
        self._transport.write(data)

    def _write(self, lines: Sequence[bytes]) -> None:
        # Between a write and the end of its turn the client may have gone.
        if not self._transport.is_closing():
            self._transport.writelines(lines)

    def flush(self) -> None:
        """Sends what was written so far."""
        self._writer.flush()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def write_eof(self) -> None:
        self.flush()
        self._transport.write_eof()

    def close(self) -> None:
        self.flush()
        self._transport.close()
