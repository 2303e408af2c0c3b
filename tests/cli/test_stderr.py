"""A log that nobody reads holds nobody up, and says what it lost."""

from __future__ import annotations

import os
import sys

import pytest

from callmux.cli.stderr import Stderr

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")


def test_lines_go_out_whole_and_a_begun_one_when_it_is_flushed() -> None:
    source, sink = os.pipe()
    stderr = Stderr(sink)
    print("one", 1, file=stderr)
    stderr.write("two\nthr")
    stderr.outlet.flush(20)
    assert os.read(source, 100) == b"one 1\ntwo\n"
    stderr.write("ee \udcff")
    stderr.finish(20)
    assert os.read(source, 100) == b"three \\udcff"
    assert (stderr.fileno(), stderr.writable(), stderr.isatty()) == (sink, True, False)
    os.close(source)
    os.close(sink)


def test_what_does_not_fit_is_dropped_counted_and_told() -> None:
    """In its place, once there is room again; what comes after that is shown as always."""
    source, sink = os.pipe()
    stderr = Stderr(sink, most=100_000)
    for n in range(2000):
        print(f"{n:09} " + "x" * 89, file=stderr)
    seen = b""
    while b"dropped" not in seen:
        seen += os.read(source, 1 << 20)
    print("later", file=stderr)
    stderr.finish(20)
    seen += os.read(source, 1 << 20)
    *lines, told, later = seen.decode().splitlines()
    assert [int(line[:9]) for line in lines] == list(range(len(lines)))
    assert told == f"[callmux] {2000 - len(lines)} lines were dropped here: nobody read stderr"
    assert later == "later"
    assert 900 < len(lines) < 1700
    os.close(source)
    os.close(sink)
