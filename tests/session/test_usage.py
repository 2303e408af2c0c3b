"""A conversation is counted three ways, by the model that the benchmark of contexts counts by."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from msgspec import Raw

from callmux.plan import Made, Plan, ToolCall
from callmux.protocol.calling import DirectCall
from callmux.protocol.shapes import Result
from callmux.rings.call import Call
from callmux.rings.ring import Job, nobody
from callmux.session.handler import Handler
from callmux.session.request import Request
from callmux.session.session import Session
from callmux.session.usage import AROUND, MOST_SIZES, Course, Usage
from tests.support import context, own_route, route

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))


def direct(arguments: bytes | None = b"{}") -> Job:
    given = None if arguments is None else Raw(arguments)
    where = route()
    asked = DirectCall(spelling=where.bare, arguments=given)
    return Call(context(), where, where.direct, nobody, where.bare, asked, 5.0, 5.0, arguments)


def end(session: Session, job: Job, result: Result, *, others: int = 0) -> Usage:
    """A call of a client has its result, while so many others are under way."""
    request = Request(session, "ended", "tools/call")
    session.peer.in_flight["ended"] = request
    for n in range(others):
        session.peer.in_flight[n] = Request(session, n, "tools/call")
    request.finish(job, result)
    session.peer.in_flight.clear()
    return session.facts.usage


def client() -> Session:
    return Session(cast(Handler[Session], None), lambda line: None)


def meta(asked: int, *sizes: int, in_turns: bool = False, name: str = "callmux_parallel") -> Job:
    plan = Plan(name=name, made=Made(asked, list(sizes), in_turns))
    return Job(context=context(), plan=plan, route=own_route(name))


def answer(size: int, before: int = 0) -> Result:
    return Result(b'"' + b"x" * (size - 2) + b'"', before=before)


def counted(way: Course) -> tuple[int, int, int, int]:
    return way.turns, way.calls, way.new, way.read


def read_by(sizes: Sequence[int]) -> int:
    """What turns read of those before them."""
    return sum(sum(sizes[:n]) for n in range(len(sizes)))


def test_a_direct_call_after_the_other_costs_the_same_every_way() -> None:
    session = client()
    for size in (100, 50, 25):
        end(session, direct(b"{}"), answer(size))
    usage = end(session, direct(None), answer(10))
    usage.settle()
    sizes = [102 + AROUND, 52 + AROUND, 27 + AROUND, 10 + AROUND]
    same = 4, 4, sum(sizes), read_by(sizes)
    assert counted(usage.seen) == counted(usage.apart) == counted(usage.together) == same


def test_calls_that_are_under_way_together_are_one_turn() -> None:
    session = client()
    for others in (0, 1, 0):
        usage = end(session, direct(), answer(100), others=others)
    usage.settle()
    one = 102 + AROUND
    assert counted(usage.seen) == counted(usage.together) == (2, 3, 3 * one, one)
    assert counted(usage.apart) == (3, 3, 3 * one, read_by([one] * 3))
    end(session, direct(), answer(100))
    usage.settle()
    assert counted(usage.seen) == (3, 4, 4 * one, one + 3 * one)


def test_whoever_looks_in_the_middle_of_a_turn_changes_nothing() -> None:
    session = client()
    end(session, direct(), answer(100), others=1).settle()
    usage = end(session, direct(), answer(100))
    one = 102 + AROUND
    assert counted(usage.seen) == counted(usage.together) == (1, 2, 2 * one, 0)
    assert counted(end(session, meta(10, 5), answer(20), others=1).apart) == (
        3,
        3,
        2 * one + 5 + AROUND,
        3 * one,
    )
    usage = end(session, direct(), answer(100))
    assert counted(usage.seen) == (2, 4, 3 * one + 30 + AROUND, 2 * one)
    assert counted(usage.together) == (2, 4, 3 * one + 5 + AROUND, 2 * one)


def test_a_fan_out_is_one_call_as_seen_and_several_without() -> None:
    usage = Usage()
    usage.ended(meta(60, 100, 200), answer(350), alone=True)
    assert counted(usage.seen) == (1, 1, 60 + AROUND + 350, 0)
    both = [100 + AROUND, 200 + AROUND]
    assert counted(usage.apart) == (2, 2, sum(both), both[0])
    assert counted(usage.together) == (1, 2, sum(both), 0)


def test_steps_that_need_each_other_are_turns_of_their_own_without() -> None:
    usage = Usage()
    usage.ended(meta(60, 100, 200, in_turns=True), answer(350), alone=True)
    assert counted(usage.together) == counted(usage.apart) == (2, 2, 300 + 2 * AROUND, 100 + AROUND)
    assert usage.seen.turns == 1


def test_a_search_costs_nothing_without_callmux() -> None:
    usage = Usage()
    usage.ended(meta(20, name="callmux_search_tools"), answer(500), alone=True)
    assert counted(usage.seen) == (1, 1, 520 + AROUND, 0)
    assert counted(usage.apart) == counted(usage.together) == (0, 0, 0, 0)


def test_what_was_shortened_would_have_been_read_whole() -> None:
    usage = Usage()
    usage.ended(direct(), answer(100, before=5000), alone=True)
    assert usage.seen.new == 102 + AROUND
    assert usage.apart.new == usage.together.new == 5002 + AROUND
    job = Job(context=context(), plan=Plan(name="t", calls=(ToolCall(spelling="t", arguments=Raw(b"{}")),)))
    usage = Usage()
    usage.ended(job, answer(100, before=5000), alone=True)
    assert usage.seen.new == 102 + AROUND
    assert usage.apart.new == usage.together.new == 5002 + AROUND


def test_structured_content_that_says_the_same_is_not_read_twice() -> None:
    usage = Usage()
    text = b'{"content":[{"type":"text","text":"abc"}],"structuredContent":{"a":1}}'
    usage.ended(meta(0), Result(text), alone=True)
    assert usage.seen.new == AROUND + text.index(b'"}],"structured')


def test_it_agrees_with_the_benchmark() -> None:
    """The same conversation, counted there in tokens, one for each word."""
    from replay.counting import Turn, cost, tokens

    turns = [["one two"], ["three", "four five six"], ["seven"]]
    told = cost([], [Turn(["ask"] * len(texts), texts) for texts in turns])
    way = Course()
    for texts in turns:
        way.turn(sum(tokens("ask") + tokens(text) for text in texts))
    assert (way.turns, way.new) == (told.turns, told.new)
    assert way.read + way.new == told.read


def test_states_are_told() -> None:
    assert repr(Usage()).startswith("Usage(seen: Course(0 calls in 0 turns")


def test_what_counts_without_a_request_of_a_session_counts_the_same() -> None:
    """Requests without a handshake count by `direct`; those of sessions have its lines in theirs."""
    for others in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (2, 1, 0)):
        session, usage = client(), Usage()
        for number, alone in enumerate(others):
            end(session, direct(), answer(100 + number), others=alone)
            usage.direct(2 + 100 + number, alone=not alone)
        assert [counted(way) for way in shown(usage)] == [counted(way) for way in shown(session.facts.usage)]


def shown(usage: Usage) -> list[Course]:
    usage.settle()
    return [usage.seen, usage.apart, usage.together]


def test_a_turn_of_very_many_calls_keeps_few_sizes() -> None:
    session, usage = client(), Usage()
    many = MOST_SIZES + 10
    for _ in range(many):
        end(session, direct(), answer(98), others=1)
        usage.direct(100, alone=False)
    for kept in (usage, session.facts.usage):
        assert len(kept.sizes) < 10
        kept.end_turn()
        one = 100 + AROUND
        assert counted(kept.seen) == counted(kept.together) == (1, many, many * one, 0)
        assert counted(kept.apart) == (many, many, many * one, read_by([one] * many))


def test_what_is_told_of_a_conversation_grows_within_a_turn() -> None:
    session = client()
    usage = session.facts.usage
    assert usage.told == 0
    first = end(session, direct(b"12"), Result(b"345")).told
    assert first == AROUND + 5
    assert end(session, meta(20, 4, 4), Result(b"7" * 100), others=1).told == first + AROUND + 120
    assert end(session, meta(20, 4, 4), Result(b"7" * 100)).told == first + 2 * (AROUND + 120)
    assert usage.seen.turns == 2
