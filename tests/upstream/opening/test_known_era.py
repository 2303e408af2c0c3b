"""What one process finds out of a server, the next one knows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from msgspec import Raw

from callmux.protocol.upstream_peer import InitializeResult
from callmux.protocol.versions import Era
from callmux.upstream.inventory.listings import write
from callmux.upstream.opening.known_era import KnownEra
from tests.support import real_loop

ONE = InitializeResult("2025-11-25", server_info=Raw(b'{"version":"1"}'))
TWO = InitializeResult("2025-11-25", server_info=Raw(b'{"version":"2"}'))


@pytest.mark.parametrize(
    ("revision", "era"), [("2025-06-18", Era.LEGACY), ("2026-07-28", Era.MODERN), (None, Era.MODERN)]
)
def test_a_server_is_taken_for_what_its_client_speaks(revision: str | None, era: Era) -> None:
    assert KnownEra().choose(revision) is era


def test_what_it_lacks_it_is_not_asked_for() -> None:
    known = KnownEra()
    known.missed(Era.MODERN)
    assert {known.choose(revision) for revision in ("2025-06-18", "2026-07-28", None)} == {Era.LEGACY}
    known.found(Era.MODERN, ONE)
    assert known.choose("2026-07-28") is Era.MODERN


def test_one_that_has_only_one_way_is_spoken_to_so() -> None:
    assert KnownEra(only=Era.LEGACY).choose("2026-07-28") is Era.LEGACY


@pytest.mark.parametrize("main", list(Era))
def test_beside_a_connection_only_what_is_worth_another_one_is_tried(main: Era) -> None:
    known = KnownEra()
    assert known.beside(None, main) is main
    assert known.beside("2025-11-25", main) is Era.LEGACY
    assert known.beside("2026-07-28", main) is main
    known.found(Era.MODERN, ONE)
    assert known.beside("2026-07-28", main) is Era.MODERN
    known.missed(Era.LEGACY)
    assert known.beside("2025-11-25", Era.MODERN) is Era.MODERN


@real_loop()
async def test_the_next_process_knows(tmp_path: Path) -> None:
    first = KnownEra(tmp_path / "a" / "era.json")
    first.missed(Era.MODERN)
    first.found(Era.LEGACY, ONE)
    await first.keep()
    written = (tmp_path / "a" / "era.json").stat().st_mtime_ns
    await first.keep()
    assert (tmp_path / "a" / "era.json").stat().st_mtime_ns == written
    second = KnownEra(tmp_path / "a" / "era.json")
    assert second.choose("2026-07-28") is Era.LEGACY
    assert second.has(Era.LEGACY)
    assert repr(second) == "KnownEra(has ['LEGACY'], lacks ['MODERN'])"


@real_loop()
async def test_what_is_read_is_not_removed_as_forgotten(tmp_path: Path) -> None:
    file = tmp_path / "era.json"
    first = KnownEra(file)
    first.found(Era.LEGACY, ONE)
    await first.keep()
    os.utime(file, (0, 0))
    assert KnownEra(file).has(Era.LEGACY)
    write(tmp_path / "other.json", b"{}")
    assert file.exists()


@real_loop()
async def test_another_version_is_asked_again(tmp_path: Path) -> None:
    first, second = KnownEra(tmp_path / "era.json"), KnownEra(tmp_path / "era.json")
    first.missed(Era.MODERN)
    first.found(Era.LEGACY, ONE)
    await first.keep()
    second.found(Era.LEGACY, TWO)
    await second.keep()
    assert KnownEra(tmp_path / "era.json").choose(None) is Era.MODERN
    second.missed(Era.MODERN)
    await second.keep()
    assert KnownEra(tmp_path / "era.json").choose(None) is Era.LEGACY


@real_loop()
async def test_a_server_that_is_replaced_in_this_process_is_asked_again(tmp_path: Path) -> None:
    known = KnownEra(tmp_path / "era.json")
    known.missed(Era.MODERN)
    known.found(Era.LEGACY, ONE)
    await known.keep()
    known.found(Era.LEGACY, TWO)
    assert known.choose("2026-07-28") is Era.MODERN
    await known.keep()
    assert KnownEra(tmp_path / "era.json").choose("2026-07-28") is Era.MODERN
    known.missed(Era.MODERN)
    known.found(Era.LEGACY, ONE)
    assert known.choose("2026-07-28") is Era.LEGACY, "this one was asked"


def test_what_one_that_was_replaced_had_is_not_expected_of_the_next() -> None:
    known = KnownEra()
    known.found(Era.MODERN, ONE)
    known.found(Era.LEGACY, ONE)
    known.found(Era.LEGACY, TWO)
    assert not known.has(Era.MODERN)


def test_a_server_may_say_something_else_of_itself_in_each_era() -> None:
    known = KnownEra()
    for _ in range(2):
        known.found(Era.MODERN, ONE)
        known.found(Era.LEGACY, TWO)
    assert known.has(Era.MODERN)
    assert known.has(Era.LEGACY)


@real_loop()
async def test_what_cannot_be_read_or_kept_is_found_out_again(tmp_path: Path) -> None:
    (tmp_path / "era.json").write_text("{")
    known = KnownEra(tmp_path / "era.json")
    assert known.choose(None) is Era.MODERN
    (tmp_path / "file").write_text("")
    lost = KnownEra(tmp_path / "file" / "deeper" / "era.json")
    lost.found(Era.MODERN, ONE)
    await lost.keep()
    await KnownEra().keep()
