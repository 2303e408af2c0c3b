"""What is seen while servers are asked."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest

from callmux.cli import waiting
from callmux.cli.waiting import NARROW, SHOWN_SERVERS, cut, watching
from tests.support import play


class Terminal(io.StringIO):
    """Says that it is one."""

    def isatty(self) -> bool:
        return True


def asked(stream: io.StringIO, total: int = 2, seconds: float = 0.0, **more: Any) -> str:
    async def scene() -> None:
        import asyncio

        with watching(total, stream=stream, **more) as progress:
            progress.started("slow")
            progress.heard("slow", "\x1b[32mdownloading model 1/3\x1b[0m")
            await asyncio.sleep(seconds)
            progress.started("quick")
            progress.finished("quick", "1 tool")
            progress.finished("slow", "connect/list-tools failed: " + "x" * 200)

    play(scene())
    return stream.getvalue()


def test_without_a_terminal_each_result_is_a_line() -> None:
    lines = asked(io.StringIO()).splitlines()
    assert lines[0] == "[1/2] quick: 1 tool"
    assert lines[1].startswith("[2/2] slow: connect/list-tools failed: xxx")
    assert len(lines[1]) == NARROW
    assert len(lines) == 2


def test_without_a_terminal_who_takes_long_is_named_now_and_then_with_what_it_said() -> None:
    lines = asked(io.StringIO(), seconds=25).splitlines()
    assert [line.startswith("Waiting for slow: ") for line in lines] == [True, True, False, False]
    assert lines[0].endswith(" s, downloading model 1/3")


def test_a_single_server_has_no_line_of_its_own_result() -> None:
    assert asked(io.StringIO(), total=1) == ""


def test_a_program_that_reads_the_result_sees_nothing() -> None:
    assert asked(Terminal(), quiet=True) == ""


def test_a_terminal_shows_results_as_they_come_and_who_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    shown = asked(Terminal())
    assert "[1/2] quick: 1 tool" in shown
    assert max(len(line) for line in shown.replace("\r", "\n").split("\n") if "xxx" in line) < 80


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert asked(Terminal()).splitlines()[0] == "[1/2] quick: 1 tool"


def test_a_terminal_shows_only_so_many_at_a_time() -> None:
    moving = waiting._Moving(20, 80)
    for number in range(20):
        moving.started(f"s{number}")
    moving.heard("s0", "downloading model 1/3")
    lines = str(moving.shown()).splitlines()
    assert len(lines) == SHOWN_SERVERS + 1
    assert lines[0].endswith("s0: 0 s, downloading model 1/3")
    assert lines[-1].endswith(f"and {20 - SHOWN_SERVERS} more")
    assert moving._state("gone") == ""


def test_rich_is_loaded_for_terminals_only() -> None:
    import subprocess

    code = (
        "import sys, asyncio, callmux.cli.waiting as w\n"
        "async def main():\n"
        "    with w.watching(2) as p: p.started('a'); p.finished('a', 'x')\n"
        "asyncio.run(main()); print('rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("False\n", "[1/2] a: x\n")


def test_lines_are_cut_to_one() -> None:
    assert cut("a\nb  c", 80) == "a b c"
    assert cut("x" * 10, 8) == "xxxxx..."
