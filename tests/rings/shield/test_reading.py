"""What a result says is found whatever its form."""

from __future__ import annotations

import json
from typing import Any

from msgspec import Raw

from callmux.rings.shield.reading import embeds_text, read, text_in


def result(**members: Any) -> bytes:
    return json.dumps(members).encode()


def test_structured_content_is_the_data() -> None:
    found = read(result(content=[{"type": "text", "text": "x"}], structuredContent={"a": 1}))
    assert found is not None
    assert json.loads(found.data()) == {"a": 1}


def test_the_json_in_the_only_text_is_the_data() -> None:
    found = read(b'{"content":[{"type":"text","text":"[ 12345678901234567890123 ]"}]}')
    assert found is not None
    assert found.data() == b"[12345678901234567890123]"


def test_the_only_text_is_the_data() -> None:
    found = read(result(content=[{"type": "text", "text": "not json {"}]))
    assert found is not None
    assert found.data() == b'"not json {"'


def test_several_texts_are_the_whole_result() -> None:
    raw = result(
        content=[{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], structuredContent=None
    )
    found = read(raw)
    assert found is not None
    assert found.data() is raw


def test_media_are_counted_apart() -> None:
    picture = {"type": "image", "mimeType": "image/png", "data": "A" * 1000}
    page = {"type": "resource", "resource": {"uri": "a://b", "text": "words"}}
    found = read(result(content=[picture, page, {"type": 7}], isError=True, _meta={"k": 1}))
    assert found is not None
    assert found.media_bytes > 1000
    assert found.long_texts == ["words"]
    assert len(found.others) == 3
    assert (found.places, found.other_places) == ([], [0, 1, 2])
    assert found.is_error
    assert found.meta == b'{"k": 1}'


def test_what_is_no_result_of_a_tool_is_left_alone() -> None:
    assert read(b'{"task":{"taskId":"1"}}') is None


def test_what_stands_in_it_twice_is_given_once() -> None:
    found = read(result(content=[{"type": "text", "text": "x" * 900}], structuredContent={"a": "x" * 900}))
    assert found is not None
    assert 900 < found.given < 950
    found = read(raw := result(content=[{"type": "text", "text": "x" * 900}]))
    assert found is not None
    assert found.given == len(raw)


def test_the_text_of_an_item() -> None:
    assert text_in(Raw(b'{"type":"text","text":"a"}')) == "a"
    for other in (b'{"type":"image","data":""}', b'{"type":"text"}', b"7"):
        assert text_in(Raw(other)) is None


def test_a_text_that_is_embedded() -> None:
    assert embeds_text(Raw(b'{"type":"resource","resource":{"uri":"a://b","text":"a"}}'))
    for other in (b'{"type":"resource","resource":{"uri":"text","blob":"text"}}', b'{"text":"a"}', b"7"):
        assert not embeds_text(Raw(other))
