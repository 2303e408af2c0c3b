"""What a server listed is there in the next process, and nothing else is."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import stat
import time
from pathlib import Path

import pytest
from msgspec import Raw

from callmux.protocol.shapes import Tool
from callmux.upstream.inventory.listings import FORGOTTEN_AFTER_DAYS, FORMAT, Listing, Listings
from callmux.upstream.inventory.offer import PROMPTS, RESOURCES, TEMPLATES, Item, Offer

TOOLS = tuple(Tool(json.dumps({"name": name, "x": {"n": 12345678901234567890}}).encode()) for name in "ab")
OFFER = Offer(
    capabilities={"tools": Raw(b'{"listChanged":true}')},
    instructions="Read me.",
    server_info=b'{"name":"s","version":"1"}',
    items={
        PROMPTS: (Item("p", b'{"name":"p"}'),),
        TEMPLATES: (Item("a://{b}", b'{"uriTemplate":"a://{b}"}'),),
    },
)
RUN_WITH = ("stdio", "run-me", ("--token", "SECRET-VALUE"))


def kept(directory: Path, facts: object = RUN_WITH, capabilities: bytes = b"{}") -> Listing:
    return Listings(directory).of(facts, capabilities)


def files(directory: Path) -> list[Path]:
    return sorted(directory.iterdir()) if directory.exists() else []


def test_what_was_kept_is_recalled_byte_for_byte(tmp_path: Path) -> None:
    asyncio.run(kept(tmp_path / "state" / "listings").keep(TOOLS, OFFER))
    found = kept(tmp_path / "state" / "listings").recall()
    assert found is not None
    tools, offer = found
    assert [tool.raw for tool in tools] == [tool.raw for tool in TOOLS]
    assert offer.items == OFFER.items
    assert (offer.instructions, offer.server_info) == (OFFER.instructions, OFFER.server_info)
    assert {k: bytes(v) for k, v in offer.capabilities.items()} == {"tools": b'{"listChanged":true}'}


@pytest.mark.parametrize("portable", [True, False])
def test_what_it_listed_anywhere_stands_in_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, portable: bool
) -> None:
    """Resources only where they are the same in any directory."""
    offer = Offer(items={**OFFER.items, RESOURCES: (Item("a://b", b'{"uri":"a://b"}'),)})
    directory = tmp_path / "listings"
    asyncio.run(Listings(directory).of(RUN_WITH, b"{}", portable=portable).keep(TOOLS, offer))
    monkeypatch.chdir(tmp_path)
    listing = Listings(directory).of(RUN_WITH, b'{"sampling":{}}', portable=portable)
    found = listing.recall()
    assert found is not None
    assert [tool.raw for tool in found[0]] == [tool.raw for tool in TOOLS]
    assert (RESOURCES in found[1].items, found[1].items[PROMPTS]) == (portable, OFFER.items[PROMPTS])
    assert listing.recall(exact=True) is None
    assert Listings(directory).of(("stdio", "other"), b"{}", portable=portable).recall() is None


def test_a_command_that_has_looked_at_it_leaves_it_for_the_first_session(tmp_path: Path) -> None:
    asyncio.run(Listings(tmp_path).anywhere(RUN_WITH, portable=True).keep(TOOLS, OFFER))
    found = Listings(tmp_path).of(RUN_WITH, b"{}", portable=True).recall()
    assert found is not None
    assert found[1].instructions == "Read me."


def test_what_another_process_has_kept_is_not_written_again(tmp_path: Path) -> None:
    def listing() -> Listing:
        return Listings(tmp_path).of(RUN_WITH, b"{}", portable=True)

    asyncio.run(listing().keep(TOOLS, OFFER))
    assert len(files(tmp_path)) == 2
    for path in files(tmp_path):
        os.utime(path, (1, 1))
    asyncio.run(listing().keep(TOOLS, OFFER))
    assert {path.stat().st_mtime for path in files(tmp_path)} == {1.0}


@pytest.mark.parametrize(
    ("facts", "capabilities"), [(("stdio", "other"), b"{}"), (RUN_WITH, b'{"sampling":{}}')]
)
def test_another_server_or_client_has_another_listing(
    tmp_path: Path, facts: object, capabilities: bytes
) -> None:
    asyncio.run(kept(tmp_path).keep(TOOLS, OFFER))
    assert kept(tmp_path, facts, capabilities).recall() is None


def test_another_directory_has_another_listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server without `cwd` runs in ours."""
    asyncio.run(kept(tmp_path).keep(TOOLS, OFFER))
    monkeypatch.chdir(tmp_path)
    assert kept(tmp_path).recall() is None


def test_only_the_user_can_read_it_and_no_secret_is_in_it(tmp_path: Path) -> None:
    directory = tmp_path / "callmux" / "listings"
    asyncio.run(kept(directory).keep(TOOLS, OFFER))
    (file,) = files(directory)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (file, directory, directory.parent)]
    assert modes == [0o600, 0o700, 0o700]
    assert b"SECRET" not in file.read_bytes() + str(file).encode()


NAMELESS = b'{"tools":[{}],"items":{},"capabilities":{}}'


@pytest.mark.parametrize("content", [b"", b"{", NAMELESS, b"\xff\xfe", b"[]"])
def test_a_broken_file_is_ignored_with_a_word_and_written_anew(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    asyncio.run(kept(tmp_path).keep(TOOLS, OFFER))
    files(tmp_path)[0].write_bytes(content)
    listing = kept(tmp_path)
    assert listing.recall() is None
    assert "could not read the kept listing" in caplog.text
    asyncio.run(listing.keep(TOOLS, OFFER))
    assert kept(tmp_path).recall() is not None


def test_an_unchanged_listing_is_not_written_again(tmp_path: Path) -> None:
    asyncio.run(kept(tmp_path).keep(TOOLS, OFFER))
    before = files(tmp_path)[0].stat().st_ino
    listing = kept(tmp_path)
    assert listing.recall() is not None
    asyncio.run(listing.keep(TOOLS, OFFER))
    assert files(tmp_path)[0].stat().st_ino == before
    asyncio.run(listing.keep(TOOLS[:1], OFFER))
    assert files(tmp_path)[0].stat().st_ino != before


def test_what_cannot_be_written_is_no_failure(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    blocked = tmp_path / "file"
    blocked.write_text("")
    asyncio.run(kept(blocked / "listings").keep(TOOLS, OFFER))
    assert "could not keep a listing" in caplog.text


def test_what_nobody_reads_any_more_is_removed(tmp_path: Path) -> None:
    asyncio.run(kept(tmp_path).keep(TOOLS, OFFER))
    asyncio.run(kept(tmp_path, "in use").keep(TOOLS, OFFER))
    long_ago = time.time() - (FORGOTTEN_AFTER_DAYS + 1) * 86400
    for file in files(tmp_path):
        os.utime(file, (long_ago, long_ago))
    assert kept(tmp_path, "in use").recall() is not None
    asyncio.run(kept(tmp_path, "new").keep(TOOLS, OFFER))
    assert len(files(tmp_path)) == 2
    assert kept(tmp_path).recall() is None


def test_what_the_version_before_has_kept_is_read_and_kept_anew(tmp_path: Path) -> None:
    """Its own version stood in the name of its file."""
    asyncio.run(kept(tmp_path).keep(TOOLS, OFFER))
    (file,) = files(tmp_path)
    known = repr((FORMAT, "0.1.0", RUN_WITH, os.getcwd(), b"{}")).encode()
    older = file.rename(file.with_name(f"{hashlib.sha256(known).hexdigest()[:40]}.json"))
    listing = kept(tmp_path)
    found = listing.recall()
    assert found is not None
    assert [tool.raw for tool in found[0]] == [tool.raw for tool in TOOLS]
    asyncio.run(listing.keep(TOOLS, OFFER))
    assert sorted(files(tmp_path)) == sorted([older, file])
