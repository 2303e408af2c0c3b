"""A stream becomes the same lines however it is cut."""

from __future__ import annotations

import time

import pytest

from callmux.depth import DEEPEST
from callmux.protocol.jsonrpc import HEAD, Malformed, Message, Notification, Response
from callmux.protocol.lines import LONG, TOGETHER, LineBuffer, Long, Oversized, responses_in


def messages(buffer: LineBuffer, data: bytes) -> list[Message]:
    """The messages on the lines that `data` completes."""
    return [buffer.message(line) for line in buffer.feed(data)]


def fed(*chunks: bytes, limit: int = 100) -> list[bytes | Long | Oversized]:
    buffer = LineBuffer(limit)
    return [line for chunk in chunks for line in buffer.feed(chunk)]


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ([b"a\n"], [b"a"]),
        ([b"a"], []),
        ([b"a", b"b", b"\n"], [b"ab"]),
        ([b"a\nb\nc"], [b"a", b"b"]),
        ([b"a\nb", b"c\nd\n"], [b"a", b"bc", b"d"]),
        ([b"", b"\n", b"\n\n", b" \t\r\n", b"x\r\n"], [b"x\r"]),
        ([b"  ", b"  \n"], []),
        ([b"a\n", b"", b"b\n"], [b"a", b"b"]),
    ],
)
def test_lines_end_at_newlines_only(chunks: list[bytes], lines: list[bytes]) -> None:
    """Blank lines are left out."""
    assert fed(*chunks) == lines


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_a_line_beyond_the_limit_leaves_its_head(size: int) -> None:
    """The lines around it are whole, whatever the chunks."""
    stream = b"before\n" + b"x" * 500 + b"\nafter\n"
    chunks = [stream[i : i + size] for i in range(0, len(stream), size)]
    assert fed(*chunks) == [b"before", Oversized(b"x" * 500), b"after"]


@pytest.mark.parametrize("size", [1000, HEAD // 2, HEAD, HEAD + 1, 4 * HEAD])
def test_the_head_is_bounded(size: int) -> None:
    """What comes after the head is not kept."""
    buffer = LineBuffer(2 * HEAD)
    stream = b"y" * HEAD + b"z" * (3 * HEAD)
    for i in range(0, len(stream), size):
        assert buffer.feed(stream[i : i + size]) == []
    if size <= HEAD:
        assert buffer._begun.tell() == HEAD
    assert buffer.feed(b"\nnext\n") == [Oversized(b"y" * HEAD), b"next"]


MESSAGE = b'{"method":"m","params":{"a":[1,2]}}'


@pytest.mark.parametrize("end", [MESSAGE, b"\xef\xbb\xbf" + MESSAGE, b"  " + MESSAGE + b" \r"])
def test_a_last_line_without_an_end_counts_where_it_is_whole(end: bytes) -> None:
    buffer = LineBuffer()
    messages(buffer, b"{}\n" + end[:7])
    messages(buffer, end[7:])
    message = buffer.last()
    assert isinstance(message, Notification)
    assert message.method == "m"
    assert buffer.last() is None


def test_a_long_last_line_counts() -> None:
    buffer = LineBuffer()
    messages(buffer, b'{"method":"m","params":["' + b"x" * LONG)
    messages(buffer, b'"]}')
    assert isinstance(buffer.last(), Notification)


@pytest.mark.parametrize("end", [MESSAGE[:n] for n in range(len(MESSAGE))] + [b" \t\r", b"x" * 2 * LONG])
def test_a_part_of_a_message_is_none(end: bytes) -> None:
    buffer = LineBuffer(LONG)
    messages(buffer, end)
    assert buffer.last() is None


def test_a_line_of_exactly_the_limit_is_kept() -> None:
    assert fed(b"x" * 100 + b"\n") == [b"x" * 100]
    assert fed(b"x" * 50, b"x" * 50, b"\n") == [b"x" * 100]
    assert fed(b"x" * 101 + b"\n") == [Oversized(b"x" * 101)]


def test_a_long_line_in_small_chunks_costs_time_in_proportion() -> None:
    buffer = LineBuffer()
    began = time.process_time()
    for _ in range(100_000):
        buffer.feed(b"x" * 100)
    assert buffer.feed(b"\n") == [Long(b"x" * 10_000_000, is_text=True, is_deep=False)]
    assert time.process_time() - began < 5


@pytest.mark.parametrize("size", [1000, 65_536, 3 * LONG])
def test_a_long_line_is_checked_while_it_comes(size: int) -> None:
    """Its end then costs no more than its parsing."""
    sound = b'{"jsonrpc":"2.0","method":"%s"}' % ("é" * LONG).encode()
    broken = sound.replace("é".encode(), b"\xff", 1)
    for line, is_text in ((sound, True), (broken, False)):
        chunks = [line[i : i + size] for i in range(0, len(line), size)]
        found = fed(b"short\n" + chunks[0], *chunks[1:], b"\nafter\n", limit=10 * LONG)
        assert found == [b"short", Long(line, is_text, is_deep=False), b"after"]


def test_messages_are_read_from_lines_of_any_length() -> None:
    """What is no UTF-8 is replaced, as in a short line; a line beyond the limit is no message."""
    buffer = LineBuffer(3 * LONG)
    note = b'{"jsonrpc":"2.0","method":"%s"}\n'
    assert messages(buffer, note % b"short") == [Notification("short", None)]
    assert messages(buffer, note[:10]) == []
    for text, read in (("é".encode() * LONG, "é" * LONG), (b"\xff" + b"a" * LONG, "\ufffd" + "a" * LONG)):
        assert messages(buffer, (note % text)[10:] + note[:10]) == [Notification(read, None)]
    assert [type(m) for m in messages(buffer, note[10:20] + b"x" * 4 * LONG + b"\n")] == [Malformed]


ANSWER = b'{"jsonrpc":"2.0","id":7,"result":{"n":[1.50,"a\\n"]}}'


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b" \n"])
@pytest.mark.parametrize("count", [1, 2, 16])
def test_lines_of_the_usual_kind_are_read_together(count: int, end: bytes) -> None:
    data = (ANSWER + end) * count
    buffer = LineBuffer()
    found = buffer.together(data, responses_in)
    assert found == messages(buffer, data)
    assert found is not None
    assert bytes(found[-1].result) == b'{"n":[1.50,"a\\n"]}'


def test_so_are_lines_in_any_script() -> None:
    data = ANSWER + b"\n" + ANSWER.replace(b"a", "\u00e4\u2028\U0001f600".encode()) + b"\n"
    buffer = LineBuffer()
    found = buffer.together(data, responses_in)
    assert found is not None
    assert found == messages(buffer, data)


def deep(levels: int) -> bytes:
    return b'{"id":1,"result":{"a":' + b"[" * levels + b"]" * levels + b"}}\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        ANSWER,
        ANSWER + b"\n" + ANSWER,
        ANSWER + b"\n\n",
        b"\n" + ANSWER + b"\n",
        ANSWER + b"\n\n" + ANSWER + b"\n",
        ANSWER + b"," + ANSWER + b"\n",
        ANSWER + ANSWER + b"\n",
        b'{"id":1,\n"result":{}}\n',
        b'{"id":1\n"result":{}}\n',
        b'{"id":1,"result":{"a":\n1}}\n',
        b'{"id":1,"result":"a\nb"}\n',
        b'{"id":1,"result":[\n]}\n',
        b'{"id":1,"result":[1\n2]}\n',
        ANSWER + b"\n" + b'{"method":"m"}\n',
        b"[" + ANSWER + b"]\n",
        ANSWER + b"]\n[" + ANSWER + b"\n",
        b'{"id":7.0,"result":{}}\n',
        b'{"id":1,"result":{"a":"\xed\xa0\xbd"}}\n',
        b'{"id":1,"result":{"a":"\xc3"}}\n{"id":2,"result":{"a":"\xa4"}}\n',
        b"\xef\xbb\xbf" + ANSWER + b"\n",
        b'{"id":1,"result":{"a":"\xff"}}\n',
        b'{"id":1,"result":{"a":"' + b"x" * TOGETHER + b'"}}\n',
        deep(DEEPEST),
        deep(DEEPEST // 2) + deep(DEEPEST // 2),
    ],
)
def test_everything_else_is_read_line_by_line(data: bytes) -> None:
    assert LineBuffer().together(data, responses_in) is None


def test_a_line_that_has_begun_is_read_with_its_beginning() -> None:
    buffer = LineBuffer()
    assert messages(buffer, ANSWER[:9]) == []
    assert buffer.together(ANSWER[9:] + b"\n", responses_in) is None
    assert [type(one) for one in messages(buffer, ANSWER[9:] + b"\n")] == [Response]


def test_no_message_that_was_read_together_holds_a_line_end() -> None:
    """Two messages on one line and a line end inside of another one make up for each other."""
    data = ANSWER + b"," + b'{"id":1,"result":{"a":%s}}\n'
    for inside in (b"\n{}", b'{"a":\n1}', b"[1\n,2]", b"[1,\n2]", b'"\n"'):
        found = LineBuffer().together(data % inside, responses_in)
        assert found is None or not any(b"\n" in bytes(one.result) for one in found)


def test_a_chunk_beyond_the_limit_is_read_line_by_line() -> None:
    assert LineBuffer(len(ANSWER)).together(ANSWER + b"\n", responses_in) is None
    assert LineBuffer(len(ANSWER) + 1).together(ANSWER + b"\n", responses_in) is not None
