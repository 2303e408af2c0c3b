"""The helper process: keeps large results, shortens them and reads pages from them.

Started by `callmux.rings.shield.helper` as `python -m callmux.rings.shield.worker`; does there, with `.reply`
and `.query`, what would hold up every other call here. One job at a time, framed on stdin and stdout: a line
of JSON that ends with the size of the bytes that follow it. It ends when its stdin does.
"""

from __future__ import annotations

import signal
import sys
from typing import BinaryIO

import msgspec

from callmux.rings.shield.query import Document, PathMissing, Query
from callmux.rings.shield.reply import Order, shorten


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done.

    Attributes:
        order: Shorten the result that follows, and keep it under the order's ref.
        ref: The kept result that is meant.
        query: Read this page of it; without one, forget it.
        budget: Bytes of the page.
        size: Bytes that follow.
    """

    order: Order | None = None
    ref: str = ""
    query: Query | None = None
    budget: int = 0
    size: int = 0


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it.

    Attributes:
        done: There are bytes: a reply or a page. Otherwise the result needs no shortening, or is not here.
        missing: The path of the query leads to nothing.
        size: Bytes that follow.
    """

    done: bool = False
    missing: bool = False
    size: int = 0


_JOB = msgspec.json.Decoder(Job)
_encode = msgspec.json.Encoder().encode


class Worker:
    """The kept results, and the jobs on them."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}
        self._recent: tuple[str, Document] | None = None

    def do(self, job: Job, body: bytes) -> tuple[Answer, bytes]:
        """Does one job."""
        if job.order is not None:
            reply = shorten(body, job.order)
            if reply is None:
                return Answer(), b""
            if job.order.ref:
                self._kept[job.order.ref] = body
            return Answer(done=True, size=len(reply)), reply
        if job.query is not None:
            return self._page(job.ref, job.query, job.budget)
        self._kept.pop(job.ref, None)
        if self._recent is not None and self._recent[0] == job.ref:
            self._recent = None
        return Answer(), b""

    def _page(self, ref: str, query: Query, budget: int) -> tuple[Answer, bytes]:
        if ref not in self._kept:
            return Answer(), b""
        if self._recent is None or self._recent[0] != ref:
            # Opened, a result takes several times its size: one at a time.
            self._recent = None
            self._recent = ref, Document(self._kept[ref])
        try:
            page = _encode(self._recent[1].page(query, budget))
        except PathMissing:
            return Answer(missing=True), b""
        return Answer(done=True, size=len(page)), page


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Does jobs until `source` ends."""
    worker = Worker()
    while line := source.readline():
        job = _JOB.decode(line)
        body = source.read(job.size) if job.size else b""
        if len(body) < job.size:
            return
        answer, data = worker.do(job, body)
        sink.write(_encode(answer) + b"\n" + data)
        sink.flush()


if __name__ == "__main__":
    # Our parent decides when we end, not the terminal's Ctrl-C.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(sys.stdin.buffer, sys.stdout.buffer)
