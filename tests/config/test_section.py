"""The base of all sections."""

from __future__ import annotations

import msgspec
import pytest

from callmux.config.section import Section, by_mode


class Sample(Section, frozen=True, kw_only=True):
    """A section."""

    some_key: int = 1


def test_sections_are_frozen_and_written_in_camel_case_without_defaults() -> None:
    assert msgspec.json.encode(Sample(some_key=2)) == b'{"someKey":2}'
    assert msgspec.json.encode(Sample()) == b"{}"
    with pytest.raises(AttributeError):
        Sample().some_key = 5  # type: ignore[misc]


def test_a_section_has_no_rules_of_its_own() -> None:
    assert list(Sample.conflicts({"anything": 1})) == []


def test_a_mode_chooses_the_section() -> None:
    choice = by_mode(("a", Sample), ("b", Sample))
    assert choice.choose({"mode": "a"}) is Sample
    assert choice.choose({"mode": "c"}) == choice.choose({"mode": []}) == ("mode", 'must be "a" or "b"')


def test_a_section_has_no_remarks_of_its_own() -> None:
    assert list(Sample.remarks({"anything": 1})) == []
