"""docs/design.md lists the functions that a plain call passes: those that a real one does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def frames(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import frames

    yield frames
    for name in ("frames", "paths"):
        sys.modules.pop(name, None)


def test_the_way_of_a_call_is_the_one_that_the_page_shows(frames: ModuleType) -> None:
    shown = frames.way_in(frames.DESIGN.read_text("utf-8"))
    assert shown == frames.way_of_a_call(), "write it anew: python benchmarks/frames.py --way"


def test_what_is_written_is_what_is_read(frames: ModuleType) -> None:
    page = f"before\n\n{frames.BEGIN}\nold.py:old\n```\n\nbehind\n"
    way = ["a.py:A.b", "c.py:d"]
    written = frames.with_way(page, way)
    assert written == f"before\n\n{frames.BEGIN}\na.py:A.b\nc.py:d\n```\n\nbehind\n"
    assert frames.way_in(written) == way


def test_a_page_without_the_list_is_no_page_without_a_way(frames: ModuleType) -> None:
    with pytest.raises(ValueError, match="has no block"):
        frames.way_in("nothing")
