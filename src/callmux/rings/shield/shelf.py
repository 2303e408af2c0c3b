"""The kept results of this process: shortens what is too large, gives out pages of it.

Held by `callmux.process.stores`, so it survives a reload. Called by `callmux.rings.shield.stage` and by
`callmux_get_result`. Small work is done here, large work in the helper process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from callmux.errors import ResultNotFound, ResultPathNotFound, ResultUnreadable, StoreUnavailable
from callmux.observe.bus import Bus
from callmux.observe.facts import ResultShortened
from callmux.protocol.shapes import Result
from callmux.rings.shield.helper import Helper, HelperLost
from callmux.rings.shield.page_query import Query
from callmux.rings.shield.query import Document, PathMissing, after, going_on
from callmux.rings.shield.reply import shorten
from callmux.rings.shield.shortening import Shortening, ShortReply
from callmux.rings.shield.worker import WorkerAnswer, WorkerJob, mark
from callmux.stores.border import Border
from callmux.stores.memory import MemoryResults
from callmux.stores.results import Remainder, Results, Sources, Stored, StoreLimits
from callmux.tasks import TaskSet, to_the_end

log = logging.getLogger(__name__)

LARGE = 1_000_000
"""Bytes from which a result goes to the helper process: about ten milliseconds' work."""
PAGE_FRAME = 400
"""Bytes of a page beside its data, at most."""

_MEMBERS = msgspec.json.Decoder(dict[str, Raw])


class Shelf:
    """Results that went out shortened.

    Args:
        helper: The helper process; it is started when it is needed.
        store: Where the whole results are kept; None for this process.
        bus: Who hears of results that went out shortened.
    """

    def __init__(
        self, helper: Helper | None = None, store: Results | None = None, bus: Bus | None = None
    ) -> None:
        self._bus = bus or Bus()
        self._store: Results = MemoryResults() if store is None else store
        self._border = Border("the store of results")
        self._rejected = 0
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
        self._forget(self._store.configure(limits))

    def facts(self) -> dict[str, Any]:
        """The block `responseStore` of `callmux_status`."""
        return {**self._store.facts(), "rejectedOversize": self._rejected}

    async def shorten(self, result: Result, order: Shortening, owner: str, sources: Sources = ()) -> Result:
        """The reply to send for `result`, which is then kept; `result` itself where that is better, or
        where it could not be kept.

        Args:
            result: It may be over a limit.
            order: How to shorten it; its ref is filled in here.
            owner: Who may read the rest; empty for anybody.
            sources: The tools it is from, where rules apply: whoever reads the rest must be allowed them.
        """
        raw = result.raw
        retained = self._store.takes(len(raw))
        order = msgspec.structs.replace(order, ref=f"r_{uuid.uuid4()}" if retained else "")
        if len(raw) < LARGE:
            reply = shorten(raw, order)
            if reply is not None and not await self._keep(order, owner, raw, sources, reply.remainders):
                return result
        else:
            # A caller that gives up must not leave half a result in the pipe.
            reply = await asyncio.shield(self._tasks.spawn(self._shorten_there(raw, order, owner, sources)))
        if reply is None:
            return result
        if self._bus.hears(ResultShortened):
            about = {"how": "shield", "server": order.server or "", "tool": order.tool}
            self._bus.publish(ResultShortened(**about, before=len(raw), after=len(reply.raw)))
        return Result(reply.raw, code=result.code, told=result.told, before=len(raw))

    async def page(
        self, ref: str, query: Query, owner: str, check: Callable[[Sources], None] = lambda sources: None
    ) -> dict[str, Any]:
        """A page: `ref`, `tool` and what `Document.page` gives.

        Args:
            check: Raises where whoever asks may not use one of the tools that it is from.

        Raises:
            ResultNotFound: There is no such result, or it is somebody else's.
            ResultPathNotFound: The path leads to nothing in it.
            ResultUnreadable: It cannot be read in this way.
            StoreUnavailable: It may be there; the store does not answer.
        """
        found = self._store.get(ref, owner)
        stored = found if found is None or isinstance(found, Stored) else await self._border.answered(found)
        if stored is None:
            raise _missing(ref)
        check(stored.sources)
        if stored.elsewhere:
            raise _missing(ref, "is kept by another listener alone, because it is over 8 MB")
        # Where reading goes on, what stands twice in an answer counts once: a model is shown one of them.
        budget = 2 * self.page_bytes - PAGE_FRAME if stored.remainders else self.page_bytes
        query = going_on(query, stored.remainders)
        try:
            if stored.raw is not None and self._helper.spool.find(ref) is None:
                page = Document(stored.raw).page(query, budget)
            else:
                page = await asyncio.shield(self._tasks.spawn(self._page_there(ref, query, budget)))
        except PathMissing:
            raise ResultPathNotFound(
                f'path "{query.path}" leads to nothing in this result: its shape names what is there',
                ref=ref,
                path=query.path,
            ) from None
        except (msgspec.MsgspecError, ValueError, RecursionError, MemoryError) as error:
            raise _unreadable(ref, repr(error)) from None
        ended = page["hasMore"] in (False, Raw(b"false"))
        if ended and (following := after(query, stored.remainders)) is not None:
            page["next"] = {"path": following.path, "offset": following.offset}
        return {"ref": ref, "tool": stored.tool, **page}

    async def close(self) -> None:
        """Ends the helper process."""
        await to_the_end(self._helper.close, self._tasks.cancel)

    async def _shorten_there(
        self, raw: bytes, order: Shortening, owner: str, sources: Sources
    ) -> ShortReply | None:
        spool = self._helper.spool
        kept = len(mark(order.ref)) + len(raw)
        at = spool.reserve(order.ref, kept) if order.ref else 0
        try:
            answer, reply = await self._helper.do(WorkerJob(order=order, size=len(raw), at=at), raw)
        except HelperLost:
            answer = WorkerAnswer()
        if answer.failed:
            log.warning("could not shorten a result of %s: %s", order.tool, answer.failed)
        if not answer.done:
            spool.release(order.ref)
            return None
        if not await self._keep(order, owner, raw, sources, answer.remainders, spooled=True):
            self._release(order.ref)
            return None
        return ShortReply(reply, answer.remainders)

    async def _page_there(self, ref: str, query: Query, budget: int) -> dict[str, Any]:
        part = self._helper.spool.find(ref)
        if part is None:
            raise _missing(ref)
        at, kept = part
        job = WorkerJob(ref=ref, query=query, budget=budget, at=at, kept=kept)
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

    async def _keep(
        self,
        order: Shortening,
        owner: str,
        raw: bytes,
        sources: Sources,
        remainders: tuple[Remainder, ...] = (),
        spooled: bool = False,
    ) -> bool:
        """Keeps a result that goes out shortened; gives whether the store took it. If not, it must not go out
        so."""
        if not order.ref:
            self._rejected += 1
            return True
        stored = Stored(
            ref=order.ref,
            tool=order.tool,
            owner=owner,
            size=len(raw),
            raw=raw,
            spooled=spooled,
            sources=sources,
            remainders=remainders,
        )
        put = self._store.put(stored)
        try:
            gone = put if isinstance(put, Sequence) else await self._border.answered(put)
        except StoreUnavailable:
            return False
        self._forget(gone)
        return True

    def _forget(self, gone: Sequence[str]) -> None:
        for ref in gone:
            self._release(ref)

    def _release(self, ref: str) -> None:
        """Keeps a result no more; gives up its place in the file, where it has one."""
        spool = self._helper.spool
        if spool.find(ref) is not None:
            # Whoever reads it just now has asked before anybody can be given its place.
            spool.release(ref)
            if self._helper.pid is not None:
                self._tasks.spawn(self._forget_there(ref))

    async def _forget_there(self, ref: str) -> None:
        with contextlib.suppress(HelperLost):
            await self._helper.do(WorkerJob(ref=ref))


def _unreadable(ref: str, why: str) -> ResultUnreadable:
    from callmux.failures.registry import message

    what = f'result "{ref}" cannot be read in this way ({why})'
    return ResultUnreadable(message("result_unreadable", what, {}), ref=ref)


def _missing(ref: str, why: str = "is not kept here (any more)") -> ResultNotFound:
    from callmux.failures.registry import message

    what = f'result "{ref}" {why}'
    return ResultNotFound(message("result_not_found", what, {}), ref=ref)
