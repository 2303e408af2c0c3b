"""What the helper process does, without a process."""

from __future__ import annotations

import io
import json
import tempfile
from typing import Any

import msgspec
import pytest

from callmux.rings.shield import worker
from callmux.rings.shield.compact import Limits
from callmux.rings.shield.page_query import Query
from callmux.rings.shield.shortening import Shortening
from callmux.rings.shield.worker import WorkerAnswer, WorkerJob, mark, serve

LIMITS = Limits(65536, 8192, 50)
LARGE = json.dumps({"content": [{"type": "text", "text": json.dumps(list(range(9000)))}]}).encode()


def order(ref: str) -> Shortening:
    return Shortening(limits=LIMITS, tool="t", server="s", ref=ref)


def converse(*jobs: tuple[WorkerJob, bytes]) -> list[tuple[WorkerAnswer, Any]]:
    """The answers to a series of jobs, in one life of the process."""
    source = io.BytesIO(b"".join(msgspec.json.encode(job) + b"\n" + body for job, body in jobs))
    sink = io.BytesIO()
    with tempfile.TemporaryFile() as spool:
        serve(source, sink, spool.fileno())
    sink.seek(0)
    found = []
    while line := sink.readline():
        answer = msgspec.json.decode(line, type=WorkerAnswer)
        found.append((answer, json.loads(sink.read(answer.size) or b"null")))
    return found


def page(ref: str, query: Query, body: bytes = LARGE, at: int = 0) -> WorkerJob:
    return WorkerJob(ref=ref, query=query, budget=1000, at=at, kept=len(mark(ref)) + len(body))


def test_it_shortens_keeps_pages_and_forgets() -> None:
    found = converse(
        (WorkerJob(order=order("r_1"), size=len(LARGE), at=7), LARGE),
        (page("r_1", Query(offset=100, limit=2), at=7), b""),
        (page("r_1", Query(path="a.b"), at=7), b""),
        (WorkerJob(ref="r_1"), b""),
        (WorkerJob(ref="r_never"), b""),
        (page("r_never", Query(), at=7), b""),
    )
    assert "r_1" in found[0][1]["content"][0]["text"]
    assert found[1][1]["data"] == [100, 101]
    assert [answer.missing for answer, _ in found] == [False, False, True, False, False, False]
    assert [answer.done for answer, _ in found] == [True, True, False, False, False, False]


def test_what_needs_no_shortening_is_not_kept() -> None:
    small = b'{"content":[]}'
    ((answer, _),) = converse((WorkerJob(order=order("r_1"), size=len(small)), small))
    assert not answer.done


def test_one_without_a_ref_is_not_kept() -> None:
    ((answer, value),) = converse((WorkerJob(order=order(""), size=len(LARGE)), LARGE))
    assert answer.done
    assert json.loads(value["content"][0]["text"])["_callmux"]["retained"] is False


def test_it_ends_when_its_input_does() -> None:
    assert converse((WorkerJob(order=order("r_1"), size=len(LARGE)), LARGE[:100])) == []


def test_a_page_of_another_result_is_never_given() -> None:
    """Whatever stands where one was: the mark before it tells."""
    other = LARGE.replace(b"8999", b"9998")
    found = converse(
        (WorkerJob(order=order("r_1"), size=len(LARGE)), LARGE),
        (WorkerJob(order=order("r_2"), size=len(other)), other),
        (page("r_1", Query(limit=1)), b""),
        (page("r_2", Query(limit=1), body=LARGE * 2), b""),
        (page("r_2", Query(limit=1)), b""),
    )
    assert [answer.done for answer, _ in found] == [True, True, False, False, True]


def test_a_job_that_fails_is_answered_and_the_next_one_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it fails with."""
    errors: list[BaseException] = [MemoryError(), RecursionError(), KeyError("x"), UnicodeError("no")]

    def fail(*given: object) -> None:
        raise errors.pop()

    monkeypatch.setattr(worker, "Document", fail)
    jobs = [(page("r_1", Query()), b"")] * len(errors)
    found = converse(
        (WorkerJob(order=order("r_1"), size=len(LARGE)), LARGE), *jobs, (WorkerJob(ref="r_1"), b"")
    )
    assert [bool(answer.failed) for answer, _ in found] == [False, True, True, True, True, False]
    assert "UnicodeError" in found[1][0].failed
