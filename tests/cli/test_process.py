"""What a long-running mode gives its process."""

from __future__ import annotations

import asyncio
import gc
import re

import pytest

from callmux.cli.process import settle
from tests.support import SECONDS, python


def test_the_log_goes_to_stderr_and_stdout_stays_free() -> None:
    program = (
        "import logging; from callmux.cli.process import log_to_stderr; log_to_stderr(); "
        "logging.getLogger('callmux.x').info('here'); logging.getLogger('other').info('not here')"
    )
    with python("-c", program) as process:
        output, errors = process.communicate(timeout=SECONDS)
    assert (output, errors) == (b"", b"[callmux] here\n")


@pytest.mark.parametrize(("journal", "stamped"), [(None, True), ("8:1", False)])
def test_the_lines_of_a_listener_have_their_time_unless_the_journal_notes_it(
    journal: str | None, stamped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    if journal is not None:
        monkeypatch.setenv("JOURNAL_STREAM", journal)
    program = (
        "import logging; from callmux.cli.process import *; log_to_stderr(); stamp_log(); "
        "logging.getLogger('callmux.x').info('here')"
    )
    with python("-c", program) as process:
        _, errors = process.communicate(timeout=SECONDS)
    pattern = rb"\[callmux\] \d{4}-\d\d-\d\d \d\d:\d\d:\d\d here\n" if stamped else rb"\[callmux\] here\n"
    assert re.fullmatch(pattern, errors)


def test_no_secret_is_in_the_log_or_in_a_crash() -> None:
    program = (
        "import logging; from callmux.cli.process import log_to_stderr; from callmux.config.veil import *\n"
        "log_to_stderr(); EVERYWHERE.learn(Veil(['s3ntinel']))\n"
        "log = logging.getLogger('callmux.x'); log.warning('%s at postgres://al:pw@h', 's3ntinel')\n"
        "try: raise ValueError('s3ntinel')\n"
        "except ValueError: log.exception('broken')\n"
        "raise RuntimeError('s3ntinel')"
    )
    with python("-c", program) as process:
        _, errors = process.communicate(timeout=SECONDS)
    assert b"s3ntinel" not in errors
    assert b"[redacted] at postgres://[redacted]@h" in errors
    assert b"ValueError: [redacted]" in errors
    assert b"RuntimeError: [redacted]" in errors


def test_what_comes_from_elsewhere_begins_no_line_and_does_nothing_to_a_terminal() -> None:
    program = (
        "import logging; from callmux.cli.process import log_to_stderr; log_to_stderr()\n"
        "log = logging.getLogger('callmux.x')\n"
        "log.warning('%s and %r, %d, %s', 'a\\n[callmux] forged \\x1b[2J', 'b\\r', 5, ValueError('c\\nd'))\n"
        "try: raise ValueError('e \\x1b]0;title\\x07')\n"
        "except ValueError: log.exception('broken')\n"
    )
    with python("-c", program) as process:
        _, errors = process.communicate(timeout=SECONDS)
    lines = errors.decode().splitlines()
    assert lines[0] == r"[callmux] a\x0a[callmux] forged \x1b[2J and 'b\\x0d', 5, c\x0ad"
    assert lines[1] == "[callmux] broken"
    assert b"\x1b" not in errors
    assert b"\x07" not in errors


def test_work_runs_on_a_loop_and_gives_its_exit_code() -> None:
    from callmux.cli.process import run_loop

    async def work() -> int:
        return 3 if asyncio.get_running_loop().is_running() else 0

    assert run_loop(work()) == 3


def test_once_a_start_is_over_the_collector_leaves_alone_what_is_there_and_works_again() -> None:
    gc.disable()
    try:
        settle()
        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
        gc.enable()


def test_the_end_waits_for_no_task_that_ignores_it() -> None:
    program = (
        "import asyncio; from callmux.cli import process\n"
        "process.log_to_stderr(); process.LEFT_SECONDS = 0.1\n"
        "async def deaf():\n"
        "    while True:\n"
        "        try: await asyncio.sleep(3600)\n"
        "        except asyncio.CancelledError: pass\n"
        "async def work():\n"
        "    global task\n"
        "    task = asyncio.ensure_future(deaf()); await asyncio.sleep(0); return 3\n"
        "raise SystemExit(process.run_loop(work()))"
    )
    with python("-c", program) as process:
        _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 3
    assert b"gave up a task that does not end" in errors
    assert b"deaf" in errors
