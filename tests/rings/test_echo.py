"""A text that says what the structured content says is told from one that does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callmux.rings.echo import repeats, say


def test_long_texts_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callmux.rings.echo.LONGEST_ECHO", 3)
    assert not repeats("long", b'{"content":"long"}')
    assert not say(["long", "l"], b'{"content":["long","l"]}')


@pytest.mark.parametrize(
    ("texts", "content", "said"),
    [
        (["words"], {"result": "words"}, True),
        (["words"], {"result": "others"}, False),
        (["other", '{"a": 1.0}'], {"a": 1}, True),
        (["1", "two", '{"b": 3}'], {"result": [1, "two", {"b": 3}]}, True),
        (["1", "two"], {"result": [1, "three"]}, False),
        (["1", "two"], {"result": [1, "two", 3]}, False),
        (["1", "two"], {"result": [1, "two"], "more": 1}, False),
        (["1", "two"], {"result": "1two"}, False),
        (["1", "two"], {}, False),
        (["1"], [1], False),
        (["1", "2"], 5, False),
        ([], {"a": 1}, False),
    ],
)
def test_texts_say_all_of_it_or_item_by_item(texts: list[str], content: Any, said: bool) -> None:
    assert say(texts, json.dumps(content).encode()) is said
