"""The figures computed from a trace."""

from __future__ import annotations

from callmux.demo.trace import CALLMUX, ONE_BY_ONE, Message, figures, rows, tokens, tokens_read


def pair(way: str, part: str, began: float, ended: float, size: int, tool: str = "t") -> list[Message]:
    """A call of 10 bytes and its answer of `size` bytes."""
    return [
        Message(
            kind=kind, method="tools/call", tool=tool, part=part, way=way, ms=ms, bytes=999, context_bytes=n
        )
        for kind, ms, n in (("sent", began, 10), ("received", ended, size))
    ]


LISTING = Message(
    kind="received",
    method="tools/list",
    tool=None,
    part=None,
    way=None,
    ms=1,
    bytes=500,
    context_bytes=400,
    own_bytes=100,
)
TRACE = [
    LISTING,
    *pair(ONE_BY_ONE, "read", 10, 15, 90),
    *pair(ONE_BY_ONE, "read", 20, 27, 90),
    *pair(CALLMUX, "read", 30, 36, 190, tool="callmux_parallel"),
    *pair(ONE_BY_ONE, "write", 40, 41, 30),
    *pair(CALLMUX, "write", 50, 52, 30, tool="callmux_batch"),
]


def test_an_agent_waits_from_each_call_to_its_answer() -> None:
    done = figures(m for m in TRACE if m.way == ONE_BY_ONE and m.part == "read")
    assert (done.calls, done.ms, done.bytes, done.tokens) == (2, 12.0, 200, 50)


def test_a_row_a_part_and_the_sum_of_all() -> None:
    read, write, total = rows(TRACE)
    assert (read.part, read.tool, write.tool) == ("read", "callmux_parallel", "callmux_batch")
    assert (total.one_by_one.calls, total.callmux.calls) == (3, 2)
    assert total.callmux.ms == read.callmux.ms + write.callmux.ms == 8.0
    assert total.one_by_one.bytes == read.one_by_one.bytes + write.one_by_one.bytes


def test_what_belongs_to_no_part_is_in_no_row() -> None:
    assert [row.part for row in rows([LISTING])] == ["total"]
    assert rows([LISTING])[0].one_by_one.calls == 0


def test_every_turn_reads_the_listing_and_all_before_it() -> None:
    """One by one, callmux's own tools are not in the listing: 300 bytes of it are left."""
    turns = [300, 400, 500, 540]
    assert tokens_read(TRACE, ONE_BY_ONE) == tokens(sum(turns))
    assert tokens_read(TRACE, CALLMUX) == tokens(400 + 600 + 640)


def test_tokens_are_rounded_up() -> None:
    assert [tokens(n) for n in (0, 1, 4, 5)] == [0, 1, 1, 2]
