"""Several processes begin with what takes longest."""

from __future__ import annotations

from pathlib import Path

from tests.longest import LONGEST, rank, turned

HERE = Path(__file__).parent


def test_every_file_that_is_named_is_there_once() -> None:
    assert [name for name in LONGEST if not (HERE / name).is_file()] == []
    assert len(set(LONGEST)) == len(LONGEST)


def test_the_longest_begin_then_live_ones_then_the_rest_by_their_paths() -> None:
    names = ["test_b.py", "a/test_a.py", "live/test_z.py", LONGEST[1], LONGEST[0]]
    found = sorted(
        [HERE / name for name in names] + [Path("/elsewhere/test_x.py")], key=lambda p: rank(p, HERE)
    )
    assert found == [
        HERE / LONGEST[0],
        HERE / LONGEST[1],
        HERE / "live/test_z.py",
        Path("/elsewhere/test_x.py"),
        HERE / "a/test_a.py",
        HERE / "test_b.py",
    ]


def test_each_process_begins_to_read_elsewhere_and_reads_all() -> None:
    found = ["a", "b", "c", "d", "e"]
    assert [turned(found, number, 3) for number in range(3)] == [
        ["a", "b", "c", "d", "e"],
        ["b", "c", "d", "e", "a"],
        ["d", "e", "a", "b", "c"],
    ]
    assert turned([], 1, 3) == []
