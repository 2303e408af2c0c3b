"""Whether what a server lists or answers changes with its directory: tried in two empty ones.

Called by `callmux.cli.setup_steps`, `callmux.cli.doctor` and `callmux.cli.server_processes`. The server is
started in one empty temporary directory after the other (`callmux.upstream.directory_probe`), and what it
showed is compared.
"""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec import Raw

from callmux.clients.dependence import Compared
from callmux.config.load import LoadedConfig
from callmux.config.servers import StdioServer
from callmux.errors import CallmuxError
from callmux.protocol.params import members
from callmux.upstream.directory_probe import SeenThere, look_there
from callmux.upstream.failures import CallFailure
from callmux.upstream.probe import Seen

_WORDS = re.compile(
    r"(?<![a-z])(?:path|file|filename|filepath|dir|directory|directories|folder|cwd|repo|repository"
    r"|repositories|workspace|project|codebase|root|git|branch|commit|diff|build|compile|lint|test"
    r"|script|shell|terminal|command|exec|execute|bash|install|package|dependency|dependencies|symbol"
    r"|index|memory|memories|note|todo|task)s?(?![a-z])"
)
"""Words of what stands in directories, or is kept in them."""
_SAYING = ("name", "title", "description", "inputSchema")
"""The members of a tool that say what it is about."""
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Compare(Protocol):
    """Tries one server in two directories; `heard` takes each line that it writes to its stderr."""

    async def __call__(
        self,
        name: str,
        server: StdioServer,
        *,
        seconds: float,
        base_dir: Path,
        heard: Callable[[str], None] = ...,
    ) -> Compared: ...


async def compare(
    name: str,
    server: StdioServer,
    *,
    seconds: float,
    base_dir: Path,
    heard: Callable[[str], None] = lambda line: None,
) -> Compared:
    """Starts a server in two empty directories, one after the other, and compares what it shows; where that
    differs, once more in the second one, since it may differ at each start.

    Args:
        seconds: For all of it.
        base_dir: Where relative `file:` references start.
    """

    async def look(place: Path) -> SeenThere:
        return await look_there(name, server, place, seconds=seconds, base_dir=base_dir, heard=heard)

    try:
        async with asyncio.timeout(seconds):
            with _empty_directories() as places:
                one, other = await look(places[0]), await look(places[1])
                changes = difference(one, other)
                if changes is not None and difference(other, again := await look(places[1])) is not None:
                    changes = difference(one, _steady(other, again))
                left = sorted(name for place in places for name in os.listdir(place))
    except TimeoutError:
        return Compared(problem=f"no answer within {seconds:g} s")
    except (OSError, CallFailure, CallmuxError) as error:
        return Compared(problem=str(error))
    except msgspec.MsgspecError as error:
        return Compared(problem=f"it lists what cannot be read: {error}")
    return Compared(
        changes=f'it writes "{left[0]}" into its directory' if left else changes,
        asks_for_roots=one.asked_for_roots or other.asked_for_roots,
        speaks_of=speaks_of(one.seen),
    )


@contextmanager
def _empty_directories() -> Iterator[tuple[Path, Path]]:
    """Two of them, for as long as they are used; a server may still write there while it ends."""
    with (
        tempfile.TemporaryDirectory(prefix="callmux-", ignore_cleanup_errors=True) as first,
        tempfile.TemporaryDirectory(prefix="callmux-", ignore_cleanup_errors=True) as second,
    ):
        yield Path(first).resolve(), Path(second).resolve()


def trial_of(loaded: LoadedConfig) -> Callable[[str, StdioServer], Awaitable[Compared]]:
    """What tries a server of a configuration; it has as long as to connect, twice."""

    async def trial(name: str, server: StdioServer) -> Compared:
        seconds = 2 * loaded.config.connect_milliseconds(name) / 1000
        return await compare(name, server, seconds=seconds, base_dir=loaded.base_dir)

    return trial


def difference(one: SeenThere, other: SeenThere) -> str | None:
    """What a server showed otherwise in another directory, as the end of a sentence; None for nothing."""
    if {tool.name: tool.raw for tool in one.seen.tools} != {t.name: t.raw for t in other.seen.tools}:
        return "its tools change with the directory"
    if one.seen.offer.items != other.seen.offer.items:
        return "its resources or prompts change with the directory"
    if one.seen.offer.instructions != other.seen.offer.instructions:
        return "its instructions change with the directory"
    for what in sorted(one.answers.keys() & other.answers.keys()):
        if one.answers[what] != other.answers[what]:
            return f"its answer of {what} changes with the directory"
    return None


def _steady(there: SeenThere, again: SeenThere) -> SeenThere:
    """What a server showed in one directory, without answers that were others at its next start there."""
    kept = {what: answer for what, answer in there.answers.items() if again.answers.get(what) == answer}
    return msgspec.structs.replace(there, answers=kept)


def speaks_of(seen: Seen) -> str | None:
    """A word by which a server speaks of what stands in directories, in its tools, resources, prompts or
    instructions; None where there is none."""
    definitions = [members(Raw(tool.raw)) for tool in seen.tools]
    texts = [bytes(said[key]) for said in definitions for key in _SAYING if key in said]
    texts += [item.raw for items in seen.offer.items.values() for item in items]
    texts.append((seen.offer.instructions or "").encode())
    for text in texts:
        words = _HUMPS.sub(" ", text.decode("utf-8", "replace"))
        if found := _WORDS.search(words.lower().replace("_", " ")):
            return found[0]
    return None
