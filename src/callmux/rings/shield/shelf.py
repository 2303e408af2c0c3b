"""The kept results of this process: shortens what is too large, gives out pages of it.

Held by `callmux.stores`, so it survives a reload. Called by `callmux.rings.shield.stage` and by
`callmux_get_result`. Small work is done here, large work in the helper process.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import Any

import msgspec
from msgspec import Raw

from callmux.errors import ResultNotFound, ResultPathNotFound
from callmux.protocol.shapes import Result
from callmux.rings.shield.helper import Helper, HelperLost
from callmux.rings.shield.query import Document, PathMissing, Query
from callmux.rings.shield.reply import Order, shorten
from callmux.rings.shield.store import ResultStore, Stored, StoreLimits
from callmux.rings.shield.worker import Job
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
        return {"ref": ref, "tool": stored.tool, **page}

    async def close(self) -> None:
        """Ends the helper process."""
        await self._helper.close()
        await self._tasks.cancel()

    async def _shorten_there(self, raw: bytes, order: Order, owner: str) -> bytes | None:
        job = Job(order=order, size=len(raw))
        try:
            answer, reply = await self._helper.do(job, raw)
        except HelperLost:
            self.store.lose_remote()
            return None
        if not answer.done:
            return None
        self._keep(order, owner, len(raw), None)
        return reply

    async def _page_there(self, ref: str, query: Query) -> dict[str, Any]:
        try:
            answer, page = await self._helper.do(Job(ref=ref, query=query, budget=self.page_bytes))
        except HelperLost:
            self.store.lose_remote()
            raise _missing(ref) from None
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
                self._tasks.spawn(self._forget_there(stored.ref))

    async def _forget_there(self, ref: str) -> None:
        try:
            await self._helper.do(Job(ref=ref))
        except HelperLost:
            self.store.lose_remote()


def _missing(ref: str) -> ResultNotFound:
    return ResultNotFound(
        f'result "{ref}" is not kept here (any more): call the tool again for a new one', ref=ref
    )
