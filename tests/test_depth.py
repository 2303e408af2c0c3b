"""The one bound on how deep JSON may nest, against a plain count, and in everything that reads JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from callmux.bridge.link import Link
from callmux.clients import codex, json_files
from callmux.clients.dialects import DIALECTS
from callmux.clients.entry import ClientFileError
from callmux.config.json_text import JsonTextError, parse_json
from callmux.config.load import read_document
from callmux.depth import DEEPEST, ROOM, DepthCheck, is_deeper, is_value_deeper, sounding, too_deep
from callmux.errors import CallmuxError, ConfigError
from callmux.metatools.values import unwrapping
from callmux.portions import PIECE, finished
from callmux.protocol import jsonrpc
from callmux.protocol.jsonrpc import Malformed, Request, Response
from callmux.protocol.lines import LONG, LineBuffer
from callmux.protocol.shapes import Result, json_in
from callmux.rings.coercion import compile_shaping
from callmux.shell import message as shell_message
from callmux.shell import payload
from callmux.yaml import YamlProblem, to_json

VALUES = st.recursive(
    st.none() | st.integers() | st.text(alphabet='[]{}"\\a\n', max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(alphabet='[{"\\', max_size=2), inner, max_size=3)
    ),
    max_leaves=40,
)


def counted(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(counted, value), default=0) if isinstance(value, list) else 0


def nested(levels: int, kind: str = "[") -> str:
    """JSON of that many levels."""
    opening, closing = {"[": ("[", "]"), "{": ('{"a":', "}"), "mixed": ('[0,{"]":', "}]")}[kind]
    half = levels // 2 if kind == "mixed" else levels
    return opening * half + ("[]" if kind == "mixed" and levels % 2 else "1") + closing * half


@given(VALUES, st.integers(0, 6), st.booleans())
def test_the_depth_is_what_a_reader_finds(value: Any, limit: int, spaced: bool) -> None:
    data = json.dumps(value, separators=None if spaced else (",", ":")).encode()
    assert is_deeper(data, limit) == is_value_deeper(value, limit) == (counted(value) > limit)


@given(VALUES, st.lists(st.integers(0, 200)), st.integers(0, 6))
def test_it_does_not_matter_where_a_text_is_cut(value: Any, cuts: list[int], limit: int) -> None:
    data = json.dumps(value).encode()
    check = DepthCheck(limit)
    places = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    for start, end in pairwise(places):
        check.feed(data[start:end])
    assert check.failed == (counted(value) > limit)


@pytest.mark.parametrize("kind", ["[", "{", "mixed"])
@pytest.mark.parametrize(
    "before", ["", '"' + "[" * 500 + '"', json.dumps([[1]] * 40_000), json.dumps('\\"[' * 30_000)]
)
def test_the_bound_is_exact_in_long_texts_too(kind: str, before: str) -> None:
    def inside(levels: int) -> bytes:
        return f"[{before or 0},{nested(levels - 1, kind)}]".encode()

    assert not is_deeper(inside(DEEPEST))
    assert is_deeper(inside(DEEPEST + 1))


@pytest.mark.parametrize("kind", ["[", "{", "mixed"])
@pytest.mark.parametrize("member", ["params", "result"])
@pytest.mark.parametrize("long", [False, True])
def test_a_message_may_have_that_many_levels_and_no_more(kind: str, member: str, long: bool) -> None:
    """Whoever waits for the refused one is told, by whichever way its line came."""

    def read(levels: int) -> Any:
        own = '"method":"m",' if member == "params" else ""
        blank = " " * LONG if long else ""
        line = f'{{"id":7,{own}"{member}":{blank}{nested(levels - 1, kind)}}}\n'.encode()
        buffer = LineBuffer()
        lines = [one for n in range(0, len(line), 60_000) for one in buffer.feed(line[n : n + 60_000])]
        (message,) = [buffer.message(one) for one in lines]
        return message

    assert isinstance(read(DEEPEST), Request if member == "params" else Response)
    for levels in (DEEPEST + 1, 900, 5000, 50_000):
        assert read(levels) == Malformed(
            7, member == "result", jsonrpc.INVALID_REQUEST, "the message is nested deeper than 128 levels"
        )


@pytest.mark.parametrize("levels", [DEEPEST + 1, 400])
def test_a_batch_loses_only_the_message_that_is_too_deep(levels: int) -> None:
    parts = jsonrpc.parse(
        b'[{"id":1,"method":"a"},{"id":2,"method":"b","params":%b}]' % nested(levels).encode()
    )
    assert isinstance(parts, jsonrpc.Batch)
    first, second = parts.messages
    assert isinstance(first, Request)
    assert isinstance(second, Malformed)
    assert second.id == 2


def test_a_message_with_half_a_character_has_the_same_bound() -> None:
    """It takes the slow path."""
    for levels, kind in ((DEEPEST, Response), (DEEPEST + 1, Malformed)):
        line = b'{"id":1,"result":["\\ud800",%b]}' % nested(levels - 2).encode()
        assert isinstance(jsonrpc.parse(line), kind)


def test_the_bridge_takes_what_a_listener_has_put_around_the_deepest_result() -> None:
    taken: list[Any] = []
    link = Link.__new__(Link)
    link._took = lambda message, about=None: taken.append(message)  # type: ignore[method-assign]
    for levels in (DEEPEST + ROOM, DEEPEST + ROOM + 1):
        link.take(b'{"id":1,"result":%b}' % nested(levels - 1).encode(), None, alone=True)
    assert [type(each) for each in taken] == [Response, Malformed]


def a_file(tmp_path: Path, text: str, name: str) -> Path:
    path = tmp_path / name
    path.write_text(text, "utf-8")
    return path


def _config(name: str) -> Callable[[str, Path], object]:
    return lambda text, tmp_path: read_document(a_file(tmp_path, text, name))


READERS: dict[str, tuple[Callable[[str, Path], object], int, type[Exception]]] = {
    "a configuration": (_config("c.json"), DEEPEST, ConfigError),
    "a configuration with comments": (
        lambda text, tmp_path: read_document(a_file(tmp_path, f"// a\n{text}", "c.json")),
        DEEPEST,
        ConfigError,
    ),
    "a configuration in YAML": (_config("c.yaml"), DEEPEST - ROOM, ConfigError),
    "YAML of a reference": (lambda text, _: to_json(text, 10**6), DEEPEST - ROOM, YamlProblem),
    "JSON that is edited": (lambda text, _: parse_json(text), DEEPEST, JsonTextError),
    "a client's JSON": (
        lambda text, _: json_files.read_servers(DIALECTS["cursor"], f'{{"a":{text}}}'),
        DEEPEST - 1,
        ClientFileError,
    ),
    "a client's TOML": (lambda text, _: codex.read_servers(f"a = {text}"), DEEPEST - 1, ClientFileError),
    "an answer in a shell": (lambda text, _: shell_message.parse(text), DEEPEST + ROOM, ValueError),
    "a payload in a shell": (
        lambda text, _: payload.read_object(f'{{"a":{text}}}'),
        DEEPEST - ROOM - 1,
        CallmuxError,
    ),
}


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_has_its_bound_by_name(reader: str, tmp_path: Path) -> None:
    """At the bound it reads, one level further it says so, however much deeper it gets."""
    read, limit, error = READERS[reader]
    read(nested(limit), tmp_path)
    for levels in (limit + 1, 700, 20_000):
        with pytest.raises(error, match=r"nested deeper than \d+ levels"):
            read(nested(levels), tmp_path)


def test_a_text_of_a_result_is_a_value_up_to_the_bound() -> None:
    limit = DEEPEST - ROOM
    assert json_in(nested(limit)) is not None
    assert json_in(nested(limit + 1)) is None


def test_a_result_too_deep_to_stand_inside_another_becomes_text() -> None:
    def result(levels: int) -> bytes:
        return b'{"content":[],"structuredContent":%b}' % nested(levels - 1, "{").encode()

    limit = DEEPEST - ROOM
    assert bytes(finished(unwrapping(Result(result(limit))))) == result(limit)
    assert msgspec.json.decode(finished(unwrapping(Result(result(limit + 1))))) == result(limit + 1).decode()


def test_arguments_with_a_file_of_the_full_depth_inside_are_still_shaped() -> None:
    """What passes the bound must not break a later step: arguments and a file together have twice as many."""
    schema = {"properties": {"n": {"type": "integer"}}}
    arguments = b'{"n":"5","a":%b}' % nested(2 * DEEPEST).encode()
    shape = compile_shaping(schema)
    assert shape is not None
    assert shape(arguments).startswith(b'{"n":5')


def test_the_sentence_names_the_bound() -> None:
    assert too_deep() == f"is nested deeper than {DEEPEST} levels"
    assert bytes(Raw(nested(2).encode())) == b"[[1]]"


def test_a_text_that_is_too_deep_at_its_beginning_is_looked_at_no_further(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fed: list[int] = []
    feed = DepthCheck.feed

    def counted(check: DepthCheck, data: bytes) -> None:
        fed.append(len(data))
        feed(check, data)

    monkeypatch.setattr(DepthCheck, "feed", counted)
    assert is_deeper(b"[" * 10_000_000)
    assert sum(fed) <= PIECE
    fed.clear()
    half = b'"' + b"x" * PIECE + b'",' + b'{"a":[1,2]},' * PIECE
    assert not is_deeper(b"[" + half + b"1]")
    assert sum(fed) == len(half) + 3
    assert is_deeper(b"[" + half + b"[" * DEEPEST)


@pytest.mark.parametrize("middle", [b"[" * 9, b'\\"[' * 9])
def test_brackets_in_a_string_that_spans_many_pieces_are_text(middle: bytes) -> None:
    check = DepthCheck(2)
    for piece in (b'["', middle, middle, b'",[1'):
        check.feed(piece)
    assert not check.failed
    check.feed(b",[")
    assert check.failed


@pytest.mark.parametrize(
    "pieces",
    [
        (b'["\\', b'"[[[', b'",[1'),
        (b'["\\\\', b'",[1'),
        (b'["\\', b"\\", b'",[1'),
    ],
)
def test_an_escape_that_is_cut_in_two_escapes_what_comes_next(pieces: tuple[bytes, ...]) -> None:
    check = DepthCheck(2)
    for piece in pieces:
        check.feed(piece)
    assert not check.failed
    check.feed(b",[")
    assert check.failed
    check.feed(b"]]]")
    assert check.failed


def test_a_short_text_is_sounded_in_one_portion_and_found_deeper_only_past_the_limit() -> None:
    for data, deeper in ((b"[[]]", False), (b"[[],[]]", False), (b"[[[]]]", True)):
        with pytest.raises(StopIteration) as end:
            next(sounding(data, 2))
        assert end.value.value is deeper
