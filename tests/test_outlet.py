"""Who writes never waits, and everything is written in its order."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from callmux.outlet import Outlet
from tests.support import eventually

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")


def read_all(descriptor: int, count: int) -> bytes:
    data = b""
    while len(data) < count:
        data += os.read(descriptor, 1 << 20)
    return data


def test_what_is_written_comes_in_its_order() -> None:
    source, sink = os.pipe()
    outlet = Outlet(sink)
    parts = [b"%d\n" % n for n in range(1000)]
    for part in parts:
        outlet.write(part)
    assert read_all(source, sum(map(len, parts))) == b"".join(parts)
    assert outlet.flush(20)
    assert outlet.size == 0
    os.close(source)
    os.close(sink)


@pytest.mark.parametrize("blocking", [True, False])
def test_nobody_waits_for_a_reader_that_comes_late(blocking: bool) -> None:
    """Nor is anything lost: a megabyte is much more than a pipe takes."""
    source, sink = os.pipe()
    os.set_blocking(sink, blocking)
    written = threading.Event()
    outlet = Outlet(sink, written.set)
    data = os.urandom(1 << 20)
    outlet.write(data[: 1 << 19])
    outlet.write(data[1 << 19 :])
    assert not outlet.flush(0.01)
    assert outlet.size > 0
    assert read_all(source, len(data)) == data
    assert written.wait(20)
    assert outlet.flush(20)
    os.close(source)
    os.close(sink)


def test_a_reader_that_has_left_costs_nothing() -> None:
    source, sink = os.pipe()
    os.close(source)
    told = threading.Event()
    outlet = Outlet(sink, told.set)
    outlet.write(b"x")
    assert told.wait(20)
    outlet.write(b"y")
    assert (outlet.broken, outlet.size, outlet.flush(20)) == (True, 0, True)
    assert repr(outlet) == f"Outlet({sink}, 0 bytes wait, broken)"
    os.close(sink)


def test_a_closed_outlet_writes_what_it_has_and_takes_no_more() -> None:
    source, sink = os.pipe()
    outlet = Outlet(sink)
    outlet.write(b"last")
    outlet.close()
    outlet.write(b"late")
    assert outlet.flush(20)
    thread = outlet._thread
    assert thread is not None
    eventually(lambda: not thread.is_alive(), "the end of the thread")
    os.close(sink)
    assert read_all(source, 4) + os.read(source, 10) == b"last"
    os.close(source)
