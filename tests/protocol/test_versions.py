"""Which revision a conversation is held in."""

from __future__ import annotations

import pytest

from callmux.protocol.versions import LATEST_LEGACY, LEGACY, agree, is_supported


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
