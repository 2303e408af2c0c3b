"""The helper process starts when it is needed, is replaced when it dies, and takes nothing with it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import psutil
import pytest

from callmux.rings.shield import helper as helper_module
from callmux.rings.shield.helper import PIECE, Helper, HelperLost
from callmux.rings.shield.page_query import Query
from callmux.rings.shield.worker import WorkerJob, mark
from tests.rings.shield.test_worker import LARGE, order
from tests.support import real_loop


@real_loop()
async def test_it_starts_when_it_is_needed_and_ends_with_us() -> None:
    helper = Helper()
    assert helper.pid is None
    answer, reply = await helper.do(WorkerJob(order=order("r_1"), size=len(LARGE)), LARGE)
    pid = helper.pid
    assert answer.done
    assert b"r_1" in reply
    kept = len(mark("r_1")) + len(LARGE)
    _, page = await helper.do(WorkerJob(ref="r_1", query=Query(limit=1), budget=1000, kept=kept))
    assert b'"data":[0]' in page
    assert helper.pid == pid
    await helper.close()
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(HelperLost):
        await helper.do(WorkerJob(ref="r_1"))


@real_loop()
async def test_it_takes_large_results_in_pieces_between_which_others_run() -> None:
    """No time is asserted: turns of the loop are counted."""

    helper = Helper()
    body = LARGE + b" " * (20 * PIECE)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    task = asyncio.get_running_loop().create_task(others())
    await helper.do(WorkerJob(order=order("r_1"), size=len(body)), body)
    task.cancel()
    assert turns > 20
    await helper.close()


@real_loop()
async def test_one_that_dies_is_replaced_and_nothing_is_lost() -> None:
    """Between two jobs nobody notices; what it had kept is there for the next one."""

    helper = Helper()
    await helper.do(WorkerJob(order=order("r_1"), size=len(LARGE)), LARGE)
    first = helper.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    kept = len(mark("r_1")) + len(LARGE)
    answer, page = await helper.do(WorkerJob(ref="r_1", query=Query(limit=1), budget=1000, kept=kept))
    assert answer.done
    assert b'"data":[0]' in page
    assert helper.pid != first
    await helper.close()


DEADLY = """
import sys
while line := sys.stdin.buffer.readline():
    if b"deadly" in line:
        {end}
    print('{{}}', flush=True)
"""


@real_loop()
@pytest.mark.parametrize(
    "end", ["sys.exit(3)", "import time; time.sleep(60)", "print('nonsense', flush=True)"]
)
async def test_a_job_that_ends_it_fails_and_the_others_are_done(
    end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(helper_module, "LAST_WORDS_SECONDS", 0.1)

    helper = Helper([sys.executable, "-c", DEADLY.format(end=end)])
    ask = asyncio.get_running_loop().create_task
    await asyncio.gather(*(helper.do(WorkerJob(ref=ref)) for ref in ("a", "b")))
    with monkeypatch.context() as short:
        if "sleep" in end:
            # Only for the job that begins now: the others start a process, which may take long.
            short.setattr(helper_module, "JOB_SECONDS", 0.1)
        jobs = [ask(helper.do(WorkerJob(ref=ref))) for ref in ("deadly", "c", "d")]
        await asyncio.sleep(0)
    found = await asyncio.gather(*jobs, return_exceptions=True)
    assert [type(one) for one in found] == [HelperLost, tuple, tuple]
    await helper.close()


@real_loop()
async def test_one_that_floods_its_output_is_lost_and_ends() -> None:
    """It has ended only once its output is read, which nobody wants any more."""
    flood = "import sys; sys.stdin.buffer.readline(); print('x' * 10_000_000, end='', flush=True)"
    helper = Helper([sys.executable, "-c", flood])
    with pytest.raises(HelperLost):
        await helper.do(WorkerJob(ref="none"))
    assert helper.pid is None
    await helper.close()


@real_loop()
async def test_one_whose_start_is_given_up_is_not_left() -> None:
    """Whenever that is: nobody knows of it yet."""
    # Those of other tests may end meanwhile.
    before = set(psutil.Process().children())
    for turns in range(1, 12):
        helper = Helper([sys.executable, "-c", "import sys; sys.stdin.read()"])
        job = asyncio.get_running_loop().create_task(helper.do(WorkerJob(ref="none")))
        for _ in range(turns):
            await asyncio.sleep(0)
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        await helper.close()
        assert before.issuperset(psutil.Process().children())


@real_loop()
@pytest.mark.parametrize("command", [["/nonexistent/python"], [sys.executable, "-c", "print('what')"]])
async def test_one_that_cannot_work_is_lost(command: list[str]) -> None:
    helper = Helper(command)
    with pytest.raises(HelperLost):
        await helper.do(WorkerJob(ref="none"))
    await helper.close()


SLOW = """
import sys
for line in sys.stdin.buffer:
    if b"slow" in line:
        print('{"size": 3}', flush=True)
        sys.stdin.buffer.readline()
        print('one', end='', flush=True)
    print('{"size": 3}', flush=True)
    print('two', end='', flush=True)
"""


@real_loop()
async def test_what_is_left_of_a_job_that_was_given_up_is_no_answer_to_the_next() -> None:
    """It may be another client's."""
    helper = Helper([sys.executable, "-c", SLOW])
    _, ready = await helper.do(WorkerJob(ref="a"))
    assert ready == b"two"
    job = asyncio.get_running_loop().create_task(helper.do(WorkerJob(ref="slow")))
    for _ in range(5):
        await asyncio.sleep(0)
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert (await helper.do(WorkerJob(ref="b")))[1] == b"two"
    await helper.close()


@real_loop()
async def test_its_file_is_closed_where_nobody_waits_for_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    helper = Helper([sys.executable, "-c", "import time; print('{}', flush=True); time.sleep(60)"])
    await helper.do(WorkerJob(ref="a"))
    closed: list[bool] = []
    monkeypatch.setattr(helper.spool, "close", lambda: closed.append(True))
    ending = asyncio.get_running_loop().create_task(helper.close())
    await asyncio.sleep(0)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert closed == [True]
