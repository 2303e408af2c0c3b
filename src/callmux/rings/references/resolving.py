"""The references of a call, resolved: what stands in its arguments afterwards is plain JSON.

Called by the preparing stage (`callmux.rings.preparing`), for execution and for previews alike. Decides what
may be read, reads in threads, a few files at a time, and gives up when the call does.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from threading import Event

from callmux.context import CallContext
from callmux.errors import ArgumentResolutionFailed
from callmux.rings.call import Call
from callmux.rings.references.files import MOST_BYTES, ReferenceRoots, Source, Unreadable, find, load
from callmux.rings.references.recognition import FileReference, Malformed, recognise
from callmux.tasks import at_once

log = logging.getLogger(__name__)

READS = 4
"""Files that are read at a time, for all calls together."""


class References:
    """Resolves references.

    Args:
        roots: The only directories whose files may be read. None: those of this machine's user may be read
            by this machine's user, and none by anybody else.
    """

    def __init__(self, roots: Sequence[str] | None = None) -> None:
        self._roots = roots
        self._reads = asyncio.Semaphore(READS)
        for root in roots or ():
            if not os.path.isdir(root):
                log.warning('fileReferenceRoots: there is no directory "%s"; no file in it can be read', root)

    async def resolve(self, call: Call, arguments: bytes, context: CallContext) -> bytes:
        """The arguments without references; the same object where there are none.

        Raises:
            ArgumentResolutionFailed: A reference is malformed, or its file cannot be used.
        """
        try:
            pieces = recognise(arguments, call.asked.opaque)
            if pieces is None:
                return arguments
            references = [piece for piece in pieces if isinstance(piece, FileReference)]
            found = await self._load(references, call, context) if references else {}
            return b"".join(p if isinstance(p, bytes) else found[p.where] for p in pieces)
        except (Malformed, Unreadable) as problem:
            raise failed(call, str(problem)) from None
        except TimeoutError:
            raise failed(call, "the files it refers to could not be read in the time the call has") from None

    async def _load(
        self, references: Sequence[FileReference], call: Call, context: CallContext
    ) -> dict[str, bytes]:
        """What each file says, by the place of its reference."""
        if context.remote and self._roots is None:
            first = references[0]
            raise Unreadable(
                f"{first.where}: {first.form} is disabled for listener calls: the operator has configured no "
                "fileReferenceRoots. Send the content itself"
            )
        base = call.asked.cwd
        if base is None and (found := await context.directory()) is not None:
            base = found.path
        base = base or os.getcwd()
        place = ReferenceRoots(base, self._roots, strict=context.remote)
        async with asyncio.timeout_at(call.deadline):
            sources = await asyncio.to_thread(find, references, place)
            loads = [at_once(self._read(source)) for source in sources]
            try:
                loaded = await asyncio.gather(*loads)
            finally:
                for task in loads:
                    task.cancel()
        total = sum(size * len(source.references) for source, (size, _) in zip(sources, loaded, strict=True))
        if total > MOST_BYTES:
            raise Unreadable(f"arguments: the files of one call exceed {MOST_BYTES} bytes together")
        return {
            reference.where: shown[reference.form]
            for source, (_, shown) in zip(sources, loaded, strict=True)
            for reference in source.references
        }

    async def _read(self, source: Source) -> tuple[int, dict[str, bytes]]:
        async with self._reads:
            stopped = Event()
            try:
                return await asyncio.to_thread(load, source, stopped.is_set)
            finally:
                stopped.set()


def failed(call: Call, problem: str) -> ArgumentResolutionFailed:
    """The error for a reference that does not work."""
    return ArgumentResolutionFailed(problem, tool=call.asked.spelling, server=call.asked.server)
