"""The file of large results: parts that are nobody else's, and no more room than they take."""

from __future__ import annotations

import itertools
import os
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.rings.shield.spool import Spool


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 50)), max_size=40))
def test_parts_never_overlap(steps: list[tuple[str, int]]) -> None:
    """Each step takes a part, or gives back the one that this name has."""
    spool = Spool()
    for ref, size in steps:
        if spool.find(ref) is None:
            spool.reserve(ref, size)
        else:
            spool.release(ref)
        parts = sorted(part for name in "abcdef" if (part := spool.find(name)) is not None)
        assert all(at + taken <= after for (at, taken), (after, _) in itertools.pairwise(parts))
        assert all(at >= 0 for at, _ in parts)


def test_a_gap_is_used_before_the_end() -> None:
    spool = Spool()
    assert [spool.reserve(ref, 10) for ref in "abc"] == [0, 10, 20]
    spool.release("b")
    assert spool.reserve("d", 11) == 30
    assert spool.reserve("e", 10) == 10
    assert (spool.find("e"), spool.find("b")) == ((10, 10), None)


@pytest.mark.parametrize("in_memory", [True, False])
def test_room_at_the_end_is_given_back(in_memory: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not in_memory:
        monkeypatch.delattr(os, "memfd_create", raising=False)
        monkeypatch.setattr(tempfile, "tempdir", None)
    spool = Spool()
    for ref in "ab":
        os.pwrite(spool.descriptor, b"x" * 10, spool.reserve(ref, 10))
    assert os.fstat(spool.descriptor).st_size == 20
    spool.release("a")
    assert os.fstat(spool.descriptor).st_size == 20
    spool.release("b")
    spool.release("never")
    assert os.fstat(spool.descriptor).st_size == 0
    descriptor = spool.descriptor
    spool.close()
    spool.close()
    with pytest.raises(OSError):
        os.fstat(descriptor)
