"""What a long-running mode gives its process."""

from __future__ import annotations

import asyncio

from tests.support import python


def test_the_log_goes_to_stderr_and_stdout_stays_free() -> None:
    program = (
        "import logging; from callmux.cli.process import log_to_stderr; log_to_stderr(); "
        "logging.getLogger('callmux.x').info('here'); logging.getLogger('other').info('not here')"
    )
    with python("-c", program) as process:
        output, errors = process.communicate(timeout=20)
    assert (output, errors) == (b"", b"[callmux] here\n")


def test_work_runs_on_a_loop_and_gives_its_exit_code() -> None:
    from callmux.cli.process import run_loop

    async def work() -> int:
        return 3 if asyncio.get_running_loop().is_running() else 0

    assert run_loop(work()) == 3
