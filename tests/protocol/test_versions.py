"""Which revision a conversation is held in."""

from __future__ import annotations

import pytest

from callmux.protocol.versions import (
    LATEST_LEGACY,
    LEGACY,
    MODERN,
    MODERN_CODES,
    SUPPORTED,
    Era,
    agree,
    era_of,
    is_supported,
)


@pytest.mark.parametrize("revision", LEGACY)
def test_a_revision_we_speak_is_agreed_on(revision: str) -> None:
    assert agree(revision) == revision
    assert is_supported(revision)


@pytest.mark.parametrize("revision", ["2099-01-01", "", "2025-11-25 ", None, 5, ["2025-11-25"]])
def test_any_other_gets_our_newest(revision: object) -> None:
    """A client may go on with it or leave; a server that offers it is left."""
    assert agree(revision) == LATEST_LEGACY == "2025-11-25"
    assert not is_supported(revision)


def test_revisions_stand_newest_first() -> None:
    assert list(LEGACY) == sorted(LEGACY, reverse=True)
    assert LEGACY[0] == LATEST_LEGACY
    assert list(SUPPORTED) == sorted(SUPPORTED, reverse=True)


def test_a_revision_belongs_to_one_era() -> None:
    assert [era_of(revision) for revision in MODERN] == [Era.MODERN]
    assert {era_of(revision) for revision in LEGACY} == {Era.LEGACY}
    assert era_of("2099-01-01") is era_of(None) is None


def test_codes_of_the_newest_era_are_those_that_the_specification_defines() -> None:
    assert sorted(MODERN_CODES) == [-32022, -32021, -32020]
