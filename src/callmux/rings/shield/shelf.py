"""The kept results of this process: shortens what is too large, gives out pages of it.

Held by `callmux.process.stores`, so it survives a reload. Called by `callmux.rings.shield.stage` and by
`callmux_get_result`. Small work is done here, large work in the helper process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from typing import Any

import msgspec
from msgspec import Raw

from callmux.errors import ResultNotFound, ResultPathNotFound, ResultUnreadable
from callmux.protocol.shapes import Result
from callmux.rings.shield.helper import Helper, HelperLost
from callmux.rings.shield.query import Document, PathMissing, Query
from callmux.rings.shield.reply import Order, shorten
from callmux.rings.shield.store import ResultStore, Stored, StoreLimits
from callmux.rings.shield.worker import Answer, Job, mark
from callmux.tasks import TaskSet

log = logging.getLogger(__name__)

LARGE = 1_000_000
"""Bytes from which a result goes to the helper process: about ten milliseconds' work."""

_MEMBERS = msgspec.json.Decoder(dict[str, Raw])


class Shelf:
    """Results that went out shortened.

    Args:
        helper: The helper process; it is started when it is needed.
    """

    def __init__(self, helper: Helper | None = None) -> None:
        self.store = ResultStore()
        self.page_bytes = 32 * 1024
        self._helper = helper or Helper()
        self._tasks = TaskSet("kept results")

    def configure(self, limits: StoreLimits, page_bytes: int) -> None:
        """Applies the bounds of a configuration.

        Args:
            limits: The store's.
            page_bytes: What the data of one page may take.
        """
        self.page_bytes = page_bytes
        self._forget(self.store.resize(limits))

    async def shorten(self, result: Result, order: Order, owner: str) -> Result:
        """The reply to send for `result`, which is then kept; `result` itself where that is better.

        Args:
            result: It may be over a limit.
            order: How to shorten it; its ref is filled in here.
            owner: Who may read the rest; empty for anybody.
        """
        raw = result.raw
        retained = self.store.takes(len(raw))
        order = msgspec.structs.replace(order, ref=f"r_{uuid.uuid4()}" if retained else "")
        if len(raw) < LARGE:
            reply = shorten(raw, order)
            if reply is not None:
                self._keep(order, owner, len(raw), raw)
        else:
            # A caller that gives up must not leave half a result in the pipe.
            reply = await asyncio.shield(self._tasks.spawn(self._shorten_there(raw, order, owner)))
        return result if reply is None else Result(reply)

    async def page(self, ref: str, query: Query, owner: str) -> dict[str, Any]:
        """A page: `ref`, `tool` and what `Document.page` gives.

        Raises:
            ResultNotFound: There is no such result, or it is somebody else's.
            ResultPathNotFound: The path leads to nothing in it.
            ResultUnreadable: It cannot be read in this way.
        """
        stored = self.store.get(ref, owner)
        if stored is None:
            raise _missing(ref)
        try:
            if stored.raw is not None:
                page = Document(stored.raw).page(query, self.page_bytes)
            else:
                page = await asyncio.shield(self._tasks.spawn(self._page_there(ref, query)))
        except PathMissing:
            raise ResultPathNotFound(
                f'path "{query.path}" leads to nothing in this result: its shape names what is there',
                ref=ref,
                path=query.path,
            ) from None
        except (msgspec.MsgspecError, ValueError, RecursionError, MemoryError) as error:
            raise _unreadable(ref, repr(error)) from None
        return {"ref": ref, "tool": stored.tool, **page}

    async def close(self) -> None:
        """Ends the helper process."""
        await self._helper.close()
        await self._tasks.cancel()

    async def _shorten_there(self, raw: bytes, order: Order, owner: str) -> bytes | None:
        spool = self._helper.spool
        kept = len(mark(order.ref)) + len(raw)
        at = spool.reserve(order.ref, kept) if order.ref else 0
        try:
            answer, reply = await self._helper.do(Job(order=order, size=len(raw), at=at), raw)
        except HelperLost:
            answer = Answer()
        if answer.failed:
            log.warning("a result of %s could not be shortened: %s", order.tool, answer.failed)
        if not answer.done:
            spool.release(order.ref)
            return None
        self._keep(order, owner, len(raw), None)
        return reply

    async def _page_there(self, ref: str, query: Query) -> dict[str, Any]:
        part = self._helper.spool.find(ref)
        if part is None:
            raise _missing(ref)
        at, kept = part
        job = Job(ref=ref, query=query, budget=self.page_bytes, at=at, kept=kept)
        try:
            answer, page = await self._helper.do(job)
        except HelperLost as lost:
            raise _unreadable(ref, f"the helper process ended over it: {lost}") from None
        if answer.failed:
            raise _unreadable(ref, answer.failed)
        if answer.missing:
            raise PathMissing(query.path)
        if not answer.done:
            raise _missing(ref)
        return dict(_MEMBERS.decode(page))

    def _keep(self, order: Order, owner: str, size: int, raw: bytes | None) -> None:
        if not order.ref:
            self.store.reject()
            return
        stored = Stored(ref=order.ref, tool=order.tool, owner=owner, size=size, raw=raw)
        self._forget(self.store.add(stored))

    def _forget(self, gone: list[Stored]) -> None:
        for stored in gone:
            if stored.raw is None:
                # Whoever reads it just now has asked before anybody can be given its place.
                self._helper.spool.release(stored.ref)
                if self._helper.pid is not None:
                    self._tasks.spawn(self._forget_there(stored.ref))

    async def _forget_there(self, ref: str) -> None:
        with contextlib.suppress(HelperLost):
            await self._helper.do(Job(ref=ref))


def _unreadable(ref: str, why: str) -> ResultUnreadable:
    from callmux.failures.registry import message

    what = f'result "{ref}" cannot be read in this way ({why})'
    return ResultUnreadable(message("result_unreadable", what, {}), ref=ref)


def _missing(ref: str) -> ResultNotFound:
    from callmux.failures.registry import message

    what = f'result "{ref}" is not kept here (any more)'
    return ResultNotFound(message("result_not_found", what, {}), ref=ref)
