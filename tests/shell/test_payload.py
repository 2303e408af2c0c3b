"""Arguments as they are typed."""

from __future__ import annotations

import json

import pytest

from callmux.shell.failure import ShellFailed
from callmux.shell.payload import PayloadEntry, fan_out, read_entry, read_object


@pytest.mark.parametrize(
    "text", ['{"id": 1.10, "big": 12345678901234567890123}', "{}", '{"a": 1e400}', "{\n}", '{"ä": "\\ud83d"}']
)
def test_what_was_typed_is_sent_as_it_stands(text: str) -> None:
    assert read_object(text) == text


def test_a_mark_at_the_beginning_of_a_file_is_no_part_of_it() -> None:
    assert read_object('\ufeff{"a": 1}') == '{"a": 1}'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "{nope",
            "Invalid JSON payload: expecting property name in double quotes at line 1 column 2",
        ),
        ('{"a": 1,\n "b" 2}', "expecting ':' delimiter at line 2 column 6"),
        ('{"a": 1', "it ends too early at line 1 column 8"),
        ("", "it is empty at line 1 column 1"),
        ('{"a": 1} x', "extra data at line 1 column 10"),
        ('{"a": NaN}', "NaN is not allowed in JSON"),
        ('{"a": "\udcff"}', "not UTF-8 at character 8"),
        ("[" * 100_000, "nested deeper than 112 levels"),
        ('{"a": ' + "[" * 200 + "]" * 200 + "}", "nested deeper than 112 levels"),
        ("[1]", "payload must be a JSON object, such as"),
        ("null", "not null"),
        ("5", "not a string or a number"),
        ("true", "not true or false"),
    ],
)
def test_what_is_no_object_is_refused_with_the_place(text: str, says: str) -> None:
    with pytest.raises(ShellFailed) as caught:
        read_object(text)
    assert says in caught.value.message


def test_a_secret_in_a_broken_payload_is_not_shown() -> None:
    with pytest.raises(ShellFailed) as caught:
        read_object('{"password": "hunter2"')
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ('get_item {"id": 1}', PayloadEntry("get_item", '{"id": 1}')),
        ('get_item   {"t": "a b"}', PayloadEntry("get_item", '  {"t": "a b"}')),
        ("fail", PayloadEntry("fail", "{}")),
        ("fail  ", PayloadEntry("fail", "{}")),
    ],
)
def test_a_call_is_split_at_the_first_blank(text: str, entry: PayloadEntry) -> None:
    assert read_entry(text) == entry


@pytest.mark.parametrize(
    ("text", "says"),
    [(' {"id": 1}', "Invalid call"), ("", "Invalid call"), ("a {x", 'Invalid JSON args for tool "a"')],
)
def test_a_call_without_a_tool_or_with_broken_arguments_is_refused(text: str, says: str) -> None:
    with pytest.raises(ShellFailed, match=says):
        read_entry(text)


def test_calls_become_the_arguments_of_the_meta_tool() -> None:
    entries = [PayloadEntry('a"b', '{"n": 1.0}'), PayloadEntry("c", "{}")]
    calls = [{"tool": 'a"b', "arguments": {"n": 1.0}}, {"tool": "c", "arguments": {}}]
    assert json.loads(fan_out("parallel", entries)) == {"calls": calls}
    assert json.loads(fan_out("pipeline", entries)) == {"steps": calls}
    assert json.loads(fan_out("batch", [entries[0], entries[0]])) == {
        "tool": 'a"b',
        "items": [{"arguments": {"n": 1.0}}] * 2,
    }
    assert '"n": 1.0' in fan_out("parallel", entries)


def test_a_batch_of_several_tools_is_refused() -> None:
    with pytest.raises(ShellFailed, match="a batch calls one tool, and these are 2: a, b"):
        fan_out("batch", [PayloadEntry("a", "{}"), PayloadEntry("b", "{}")])
