"""What the helper process does, without a process."""

from __future__ import annotations

import io
import json
from typing import Any

import msgspec

from callmux.rings.shield.compact import Limits
from callmux.rings.shield.query import Query
from callmux.rings.shield.reply import Order
from callmux.rings.shield.worker import Answer, Job, serve

LIMITS = Limits(65536, 8192, 50)
LARGE = json.dumps({"content": [{"type": "text", "text": json.dumps(list(range(9000)))}]}).encode()


def order(ref: str) -> Order:
    return Order(limits=LIMITS, tool="t", server="s", ref=ref)


def converse(*jobs: tuple[Job, bytes]) -> list[tuple[Answer, Any]]:
    """The answers to a series of jobs, in one life of the process."""
    source = io.BytesIO(b"".join(msgspec.json.encode(job) + b"\n" + body for job, body in jobs))
    sink = io.BytesIO()
    serve(source, sink)
    sink.seek(0)
    found = []
    while line := sink.readline():
        answer = msgspec.json.decode(line, type=Answer)
        found.append((answer, json.loads(sink.read(answer.size) or b"null")))
    return found


def test_it_shortens_keeps_pages_and_forgets() -> None:
    found = converse(
        (Job(order=order("r_1"), size=len(LARGE)), LARGE),
        (Job(ref="r_1", query=Query(offset=100, limit=2), budget=1000), b""),
        (Job(ref="r_1", query=Query(path="a.b"), budget=1000), b""),
        (Job(ref="r_1"), b""),
        (Job(ref="r_never"), b""),
        (Job(ref="r_never", query=Query(), budget=1000), b""),
    )
    assert "r_1" in found[0][1]["content"][0]["text"]
    assert found[1][1]["data"] == [100, 101]
    assert [answer.missing for answer, _ in found] == [False, False, True, False, False, False]
    assert [answer.done for answer, _ in found] == [True, True, False, False, False, False]


def test_what_needs_no_shortening_is_not_kept() -> None:
    small = b'{"content":[]}'
    ((answer, _),) = converse((Job(order=order("r_1"), size=len(small)), small))
    assert not answer.done


def test_one_without_a_ref_is_not_kept() -> None:
    ((answer, value),) = converse((Job(order=order(""), size=len(LARGE)), LARGE))
    assert answer.done
    assert json.loads(value["content"][0]["text"])["_callmux"]["retained"] is False


def test_it_ends_when_its_input_does() -> None:
    assert converse((Job(order=order("r_1"), size=len(LARGE)), LARGE[:100])) == []
