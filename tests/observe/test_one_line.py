"""JSON that stays one line wherever it is read."""

from __future__ import annotations

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from callmux.observe.one_line import one_line


def test_plain_json_gets_a_line_end_and_nothing_else() -> None:
    assert one_line(b'{"a":"b"}') == b'{"a":"b"}\n'


@given(st.text())
def test_any_text_reads_the_same_from_one_line(text: str) -> None:
    line = one_line(msgspec.json.encode(text)).decode()
    assert line.splitlines() == [line[:-1]]
    assert json.loads(line) == text


def test_what_moves_or_turns_a_text_is_escaped() -> None:
    assert one_line(msgspec.json.encode("\x7f\x9b\u2028\u202e")) == b'"\\u007f\\u009b\\u2028\\u202e"\n'
