"""The helper process: shortens large results, keeps them, and reads pages from them.

Started by `callmux.rings.shield.helper` as `python -m callmux.rings.shield.worker DESCRIPTOR`; does there,
with `.reply` and `.query`, what would hold up every other call here. One job at a time, framed on stdin and
stdout: a line of JSON that ends with the size of the bytes that follow it. What it keeps is in the file that
it inherits (`.spool`), so nothing is lost with it. A job that fails is answered so. It ends when its stdin
does.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import BinaryIO

import msgspec

from callmux.rings.shield.page_query import Query
from callmux.rings.shield.query import Document, PathMissing
from callmux.rings.shield.reply import shorten
from callmux.rings.shield.shortening import Shortening
from callmux.stores.results import Remainder


class WorkerJob(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done.

    Attributes:
        order: Shorten the result that follows, and keep it under the order's ref.
        ref: The kept result that is meant.
        query: Read this page of it; without one, it is not needed any more.
        budget: Bytes of the page.
        at: Where in the file the result is, or is to be.
        kept: Its bytes there, `mark` included.
        size: Bytes that follow.
    """

    order: Shortening | None = None
    ref: str = ""
    query: Query | None = None
    budget: int = 0
    at: int = 0
    kept: int = 0
    size: int = 0


class WorkerAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it.

    Attributes:
        done: Whether there are bytes: a reply or a page. Otherwise the result needs no shortening, or is not
            here.
        missing: Whether the path of the query leads to nothing.
        failed: Why it could not be done.
        size: Bytes that follow.
        remainders: Where the rest of a shortened result goes on.
    """

    done: bool = False
    missing: bool = False
    failed: str = ""
    size: int = 0
    remainders: tuple[Remainder, ...] = ()


_JOB = msgspec.json.Decoder(WorkerJob)
_encode = msgspec.json.Encoder().encode


def mark(ref: str) -> bytes:
    """What stands before a result in the file: nobody is ever given a page of another one."""
    return ref.encode() + b"\n"


class Worker:
    """The jobs.

    Args:
        spool: The file that keeps results.
    """

    def __init__(self, spool: int) -> None:
        self._spool = spool
        self._recent: tuple[str, Document] | None = None

    def do(self, job: WorkerJob, body: bytes) -> tuple[WorkerAnswer, bytes]:
        """Does one job. Whatever goes wrong is this job's alone."""
        try:
            return self._do(job, body)
        except Exception as broken:  # noqa: BLE001 - the root of a job
            self._recent = None
            return WorkerAnswer(failed=repr(broken)[:500] or "unknown"), b""

    def _do(self, job: WorkerJob, body: bytes) -> tuple[WorkerAnswer, bytes]:
        if job.order is not None:
            reply = shorten(body, job.order)
            if reply is None:
                return WorkerAnswer(), b""
            if job.order.ref:
                self._keep(job, body)
            return WorkerAnswer(done=True, size=len(reply.raw), remainders=reply.remainders), reply.raw
        if job.query is not None:
            return self._page(job, job.query)
        if self._recent is not None and self._recent[0] == job.ref:
            self._recent = None
        return WorkerAnswer(), b""

    def _keep(self, job: WorkerJob, body: bytes) -> None:
        assert job.order is not None
        head = mark(job.order.ref)
        at = job.at
        for part in (head, body):
            view = memoryview(part)
            while view:
                written = os.pwrite(self._spool, view, at)
                view, at = view[written:], at + written

    def _read(self, job: WorkerJob) -> bytes | None:
        head = mark(job.ref)
        if os.pread(self._spool, len(head), job.at) != head:
            return None
        found = bytearray()
        at, left = job.at + len(head), job.kept - len(head)
        while left > 0 and (part := os.pread(self._spool, left, at)):
            found += part
            at, left = at + len(part), left - len(part)
        return bytes(found) if left == 0 else None

    def _page(self, job: WorkerJob, query: Query) -> tuple[WorkerAnswer, bytes]:
        if self._recent is None or self._recent[0] != job.ref:
            # Opened, a result takes several times its size: one at a time.
            self._recent = None
            raw = self._read(job)
            if raw is None:
                return WorkerAnswer(), b""
            self._recent = job.ref, Document(raw)
        try:
            page = _encode(self._recent[1].page(query, job.budget))
        except PathMissing:
            return WorkerAnswer(missing=True), b""
        return WorkerAnswer(done=True, size=len(page)), page


def serve(source: BinaryIO, sink: BinaryIO, spool: int) -> None:
    """Does jobs until `source` ends."""
    worker = Worker(spool)
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
    serve(sys.stdin.buffer, sys.stdout.buffer, int(sys.argv[1]))
