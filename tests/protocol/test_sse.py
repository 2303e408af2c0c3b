"""Event streams, cut anywhere: the same events come out, and nothing that arrives breaks the reader."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from callmux.protocol import sse
from callmux.protocol.sse import Event, EventBuffer, event, request_stream


def read(*chunks: bytes) -> list[tuple[str, bytes, str]]:
    """Name, data and id of every event in `chunks`."""
    buffer = EventBuffer()
    return [(e.name, e.data, e.id) for chunk in chunks for e in buffer.feed(chunk)]


def data(*chunks: bytes) -> list[bytes]:
    return [e[1] for e in read(*chunks)]


FIELDS = [b"data", b"event", b"id", b"retry", b"", b"dat", b"data x", b"\xff", b"DATA"]
line = st.builds(
    lambda field, colon, value: field + colon + value,
    st.sampled_from(FIELDS),
    st.sampled_from([b"", b":", b": ", b":  "]),
    st.one_of(
        st.binary(max_size=12), st.sampled_from([b"{}", b"7", b"9" * 5000, b"\0", b"1\r2", b"\xef\xbb\xbf"])
    ),
)
stream = st.lists(st.tuples(line | st.just(b""), st.sampled_from([b"\n", b"\r\n", b"\r"])), max_size=20).map(
    lambda lines: b"".join(text + end for text, end in lines)
)
streams = st.one_of(
    st.tuples(st.sampled_from([b"", b"\xef\xbb\xbf", b"\xef", b"\xef\xbb"]), stream).map(b"".join),
    st.binary(max_size=200),
)


def cut(whole: bytes, places: list[int]) -> list[bytes]:
    at = sorted({min(place, len(whole)) for place in places})
    return [whole[a:b] for a, b in zip([0, *at], [*at, len(whole)], strict=True)]


class TestFormat:
    def test_a_blank_line_ends_an_event(self) -> None:
        assert read(b"data: {}\n\ndata: []\n\n") == [("message", b"{}", ""), ("message", b"[]", "")]

    def test_without_a_blank_line_there_is_no_event_yet(self) -> None:
        assert data(b"data: {}\n") == []

    def test_a_name_holds_for_its_own_event_only(self) -> None:
        assert [e[0] for e in read(b"event: endpoint\ndata: /x\n\ndata: {}\n\n")] == ["endpoint", "message"]

    def test_several_lines_of_data_are_joined_by_newlines(self) -> None:
        assert data(b"data: {\ndata:  1\ndata: }\n\n") == [b"{\n 1\n}"]

    def test_one_space_after_the_colon_is_not_part_of_the_value(self) -> None:
        assert data(b"data:x\n\n", b"data: x\n\n", b"data:  x\n\n") == [b"x", b"x", b" x"]

    def test_a_field_without_a_colon_has_an_empty_value(self) -> None:
        assert data(b"data\n\n") == [b""]

    def test_comments_and_unknown_fields_mean_nothing(self) -> None:
        assert data(b": ping\n\nretrying: 1\nfoo\ndata: {}\n: more\n\n") == [b"{}"]

    @pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
    def test_lines_end_in_any_of_three_ways(self, end: bytes) -> None:
        text = end.join([b"id: 1", b"data: a", b"", b"data: b", b"", b""])
        assert read(text) == [("message", b"a", "1"), ("message", b"b", "1")]

    def test_an_event_that_ends_in_a_cr_is_not_held_back(self) -> None:
        """The server may wait for an answer to it before it writes anything else."""
        buffer = EventBuffer()
        assert [e.data for e in buffer.feed(b"data: 1\r\r")] == [b"1"]
        assert buffer.feed(b"\ndata: 2\r") == []
        assert [e.data for e in buffer.feed(b"\n\r\n")] == [b"2"]

    @pytest.mark.parametrize("at", range(4))
    def test_a_byte_order_mark_may_come_in_pieces(self, at: int) -> None:
        text = b"\xef\xbb\xbfdata: {}\n\n"
        assert data(text[:at], text[at:]) == [b"{}"]

    def test_only_the_first_bytes_can_be_a_byte_order_mark(self) -> None:
        assert data(b"data: 1\n\n\xef\xbb\xbfdata: 2\n\n") == [b"1"]


class TestIdsAndTimes:
    def test_an_id_holds_until_the_next_one(self) -> None:
        events = read(b"id: a\ndata: 1\n\ndata: 2\n\nid\ndata: 3\n\n")
        assert [e[2] for e in events] == ["a", "a", ""]

    def test_an_id_with_a_nul_is_none(self) -> None:
        assert read(b"id: a\nid: b\0\ndata: 1\n\n") == [("message", b"1", "a")]

    def test_an_event_without_data_still_sets_the_id(self) -> None:
        """A server primes a stream this way (MCP 2025-11-25, SSE polling)."""
        buffer = EventBuffer()
        assert buffer.feed(b"id: 1\n\n") == []
        assert buffer.last_id == "1"

    def test_the_id_of_an_event_that_broke_off_does_not_count(self) -> None:
        """Otherwise the server would go on after it, and it would be lost."""
        buffer = EventBuffer()
        buffer.feed(b"id: 1\ndata: {}\n\nid: 2\ndata: {")
        assert buffer.last_id == "1"

    def test_a_new_stream_begins_afresh_but_remembers_where(self) -> None:
        buffer = EventBuffer()
        buffer.feed(b"retry: 7\nid: 1\ndata: {}\n\nevent: x\nid: 2\ndata: {")
        buffer.restart()
        (again,) = buffer.feed(b"\xef\xbb\xbfdata: []\n\n")
        assert again == Event("message", b"[]", "1", 7)

    @pytest.mark.parametrize(
        ("value", "expected"),
        [(b"250", 250), (b"0", 0), (b"-1", None), (b"1.5", None), (b"", None), (b"\xb2", None)],
    )
    def test_a_reconnection_time_is_digits(self, value: bytes, expected: int | None) -> None:
        buffer = EventBuffer()
        buffer.feed(b"retry: " + value + b"\n\n")
        assert buffer.retry_ms == expected

    def test_an_endless_reconnection_time_is_a_day(self) -> None:
        buffer = EventBuffer()
        buffer.feed(b"retry: " + b"9" * 10_000 + b"\n\n")
        assert buffer.retry_ms == sse.LONGEST_RETRY_MS


class TestSize:
    def test_a_line_without_end_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sse, "MAX_EVENT", 100)
        buffer = EventBuffer()
        buffer.feed(b"x" * 60)
        with pytest.raises(ValueError, match="larger than 100 bytes"):
            buffer.feed(b"x" * 60)

    def test_an_event_without_end_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sse, "MAX_EVENT", 100)
        buffer = EventBuffer()
        buffer.feed(b"data: 1234567890\n" * 10)
        with pytest.raises(ValueError, match="larger than 100 bytes"):
            buffer.feed(b"data: 1\n")

    def test_a_large_event_in_small_pieces_takes_time_in_proportion(self) -> None:
        text = b"data: " + b"x" * 2_000_000 + b"\n\n"
        (event,) = data(*(text[n : n + 1000] for n in range(0, len(text), 1000)))
        assert len(event) == 2_000_000


class TestWriting:
    @given(st.binary().filter(lambda b: b"\n" not in b and b"\r" not in b))
    def test_what_is_written_is_read_again(self, body: bytes) -> None:
        assert read(event(body, name="endpoint", id="7")) == [("endpoint", body, "7")]

    def test_an_id_is_written_only_where_there_is_one(self) -> None:
        assert event(b"{}") == b"event: message\ndata: {}\n\n"
        assert event(b"{}", id="1") == b"id: 1\nevent: message\ndata: {}\n\n"


class TestFuzz:
    @given(streams, st.lists(st.integers(0, 250), max_size=10))
    @example(b"data: a\r\n\r\n", [8, 10])
    @example(b"\xef\xbb\xbfdata: a\n\n", [1, 2])
    @example(b"data: a\r\rdata: b\r\r", [8, 9])
    @example(b"\r\n\r\n", [1, 2, 3])
    def test_where_a_stream_is_cut_makes_no_difference(self, whole: bytes, places: list[int]) -> None:
        chunks = cut(whole, places)
        one, many = EventBuffer(), EventBuffer()
        assert one.feed(whole) == [e for chunk in chunks for e in many.feed(chunk)]
        assert (one.last_id, one.retry_ms) == (many.last_id, many.retry_ms)

    @given(streams, stream)
    def test_a_new_stream_is_read_as_by_a_new_reader(self, before: bytes, after: bytes) -> None:
        used, fresh = EventBuffer(), EventBuffer()
        used.feed(before)
        used.restart()
        fresh.feed(b"")
        assert [(e.name, e.data) for e in used.feed(after)] == [(e.name, e.data) for e in fresh.feed(after)]

    @given(st.lists(st.binary(max_size=50), max_size=20))
    def test_nothing_that_arrives_breaks_the_reader(self, chunks: list[bytes]) -> None:
        buffer = EventBuffer()
        for chunk in chunks:
            for found in buffer.feed(chunk):
                assert b"\r" not in found.data
                assert "\0" not in found.id


def test_streams_of_answers_have_names_that_fit_a_header() -> None:
    assert (request_stream(5), request_stream(-1)) == ("r5", "r-1")
    names = {request_stream(id) for id in ("5", "a\nb", "ü" * 1000)}
    assert len(names) == 3
    assert all(name.isascii() and name.isalnum() and len(name) < 30 for name in names)
