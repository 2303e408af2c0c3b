"""The servers of all clients, as they are, and what setup would do with each.

Called by `callmux.cli.discover` with what `callmux.setup.scene` has read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from callmux.clients import editing
from callmux.setup.found import Found, how
from callmux.setup.judging import Verdict
from callmux.setup.scene import Scene
from callmux.text import visible

State = Literal["moves", "stays", "off", "needs a yes", "callmux"]
"""`off`: its entry switches it off, and it would move so. `needs a yes`: it is in a project's file."""

_WORDS: dict[State, str] = {
    "moves": "setup can move it",
    "off": "switched off; setup can move it as it is",
    "needs a yes": "of a project: setup moves and starts it only after a yes for its file",
    "callmux": "callmux itself",
}


class FoundServer(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One server.

    Attributes:
        name: As it is called there.
        client: The client.
        path: The file.
        project: The project it is for.
        how: Its command line or address, without secrets.
        env_keys: The names of its variables.
        state: What setup would do with it.
        reason: Why it stays.
    """

    name: str
    client: str
    path: str
    project: str | None = None
    how: str
    env_keys: tuple[str, ...] = ()
    state: State
    reason: str | None = None


def inventory(scene: Scene, receivers: Sequence[str]) -> list[FoundServer]:
    """Every server of every client, in the order of the files."""
    return [_server(scene, verdict) for verdict in scene.verdicts(receivers)]


def _server(scene: Scene, verdict: Verdict) -> FoundServer:
    item = verdict.found
    state = _state(scene, verdict, item)
    return FoundServer(
        name=item.name,
        client=item.file.kind,
        path=item.file.path,
        project=item.project,
        how=how(item),
        env_keys=tuple(sorted(item.entry.env)),
        state=state,
        reason=verdict.reason if state == "stays" else None,
    )


def _state(scene: Scene, verdict: Verdict, item: Found) -> State:
    if item.ours:
        return "callmux"
    if verdict.reason is not None:
        return "stays"
    if scene.is_pending(item):
        return "needs a yes"
    return "off" if item.entry.disabled else "moves"


def inventory_lines(servers: Sequence[FoundServer], problems: Sequence[str], width: int) -> list[str]:
    """The same for people, file by file, no wider than the terminal.

    Args:
        servers: What was found.
        problems: What could not be read.
        width: Columns.
    """
    lines: list[str] = []
    for place in dict.fromkeys((server.client, server.path, server.project) for server in servers):
        client, path, project = place
        here = [server for server in servers if (server.client, server.path, server.project) == place]
        of = f", for {project}" if project is not None and not path.startswith(f"{project}/") else ""
        lines += ["", *_wrapped(f"{editing.title(client)} ({path}{of})", 0, width)]
        for server in here:
            lines += _wrapped(f"{server.name}: {server.how}", 2, width)
            said = _WORDS.get(server.state) or f"stays: {server.reason}"
            lines += _wrapped(said, 4, width)
    lines += ["", *(line for problem in problems for line in _wrapped(f"Not read: {problem}", 0, width))]
    return [*lines[1:], *([""] if problems else []), _sum(servers)]


def _sum(servers: Sequence[FoundServer]) -> str:
    """The result, which stands last."""
    count = len([server for server in servers if server.state != "callmux"])
    if not count:
        return "No client has an MCP server."
    movable = len([server for server in servers if server.state in ("moves", "off")])
    clients = len({server.client for server in servers if server.state != "callmux"})
    return (
        f"{count} server{'s' if count > 1 else ''} in {clients} client{'s' if clients > 1 else ''}."
        f" Setup can move {movable}: callmux setup"
    )


def _wrapped(text: str, indent: int, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(
        visible(text),
        max(width, 40),
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 2),
        break_long_words=False,
        break_on_hyphens=False,
    )
