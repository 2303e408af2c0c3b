"""A file is written like a pipe: in order, with a pause where too much waits."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from callmux.transport.file_writer import HIGH, FileWriter
from tests.support import real_loop, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")


class Watcher:
    def __init__(self) -> None:
        self.told: list[str] = []

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append("end")


@real_loop()
async def test_it_pauses_goes_on_and_ends() -> None:
    """Here the file is a pipe, which can be full."""

    source, sink = os.pipe()
    watcher = Watcher()
    writer = FileWriter(sink, watcher)
    lines = [b"x" * 1000] * (2 * HIGH // 1000)
    writer.writelines(lines[:1000])
    writer.writelines(lines[1000:])
    writer.writelines([b"y"])
    assert watcher.told == ["pause"]
    size = sum(map(len, lines)) + 1
    got = 0
    while got < size:
        got += len(await asyncio.to_thread(os.read, source, 1 << 20))
    await until(lambda: watcher.told == ["pause", "resume"], "the resumption")
    assert not writer.is_closing()
    writer.close()
    await until(lambda: watcher.told[-1] == "end", "the end")
    writer.abort()
    assert (watcher.told.count("end"), writer.is_closing()) == (1, True)
    os.close(source)
    os.close(sink)


@real_loop()
async def test_a_file_that_takes_nothing_is_given_up() -> None:
    source, sink = os.pipe()
    os.close(source)
    watcher = Watcher()
    writer = FileWriter(sink, watcher)
    writer.writelines([b"x"])
    await until(lambda: watcher.told == ["end"], "the end")
    assert writer.is_closing()
    os.close(sink)


@real_loop()
async def test_the_end_can_be_had_at_once() -> None:
    source, sink = os.pipe()
    watcher = Watcher()
    writer = FileWriter(sink, watcher)
    writer.writelines([b"x" * HIGH])
    writer.close()
    assert watcher.told == []
    writer.abort()
    assert watcher.told == ["end"]
    os.close(source)
    os.close(sink)
