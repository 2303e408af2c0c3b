"""Work on files that may hang, such as those of a network drive: in a thread of its own, for a bounded time.

Called by `callmux.cli.listen` for state files. Unlike the threads of the event loop, this one keeps nobody
from ending: neither the loop nor the process waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def aside(work: Callable[[], T], seconds: float) -> T:
    """What `work` gives, or raises. What is there when the time is up counts, however late that is noticed:
    the loop may have been busy.

    Raises:
        TimeoutError: It takes longer than `seconds`; it goes on, and nobody hears of it.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def settle(give: Callable[[], None]) -> None:
        if not outcome.done():
            give()

    def run() -> None:
        give: Callable[[], None]
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - raised where it is awaited
            failure = error
            give = lambda: outcome.set_exception(failure)  # noqa: E731
        else:
            give = lambda: outcome.set_result(result)  # noqa: E731
        with contextlib.suppress(RuntimeError):
            # The loop may have ended meanwhile.
            loop.call_soon_threadsafe(settle, give)

    threading.Thread(target=run, name="aside", daemon=True).start()
    try:
        await asyncio.wait({outcome}, timeout=seconds)
        if not outcome.done():
            raise TimeoutError
        return outcome.result()
    finally:
        outcome.cancel()
