"""`callmux tools list|schema|search`: what tools there are, from a shell.

Called by `callmux.cli.main`; loads what `callmux.cli.call` loads.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from callmux.cli.call import write
from callmux.cli.conversing import child_args, converse
from callmux.cli.grammar.tools import COMMANDS
from callmux.cli.parsing import Given, nearest, read
from callmux.shell.conversation import Conversation
from callmux.shell.failure import ShellFailed
from callmux.shell.message import call_params
from callmux.shell.outcome import read_result
from callmux.shell.rendering import pretty, visible

if TYPE_CHECKING:
    from callmux.cli.unlisted import Unlisted
    from callmux.shell.child import ChildConversation

MAX_DESCRIPTION = 100
"""Characters that are shown of a tool's description."""
MAX_PAGES = 1000
"""Pages of a listing that are read: a listener that has more goes round in circles."""

Tool = dict[str, Any]


def run(args: list[str], config_option: str | None) -> int:
    """Gives the exit code."""
    return show(read(COMMANDS[0], args), config_option)


def show(given: Given, config_option: str | None) -> int:
    """What a command line of `callmux tools` or `callmux list` asks for. Gives the exit code."""
    with converse(given, config_option, "tools/list") as conversation:
        tools = _all(conversation)
        unlisted = _unlisted(conversation, tools)
        if unlisted is not None:
            tools += unlisted.tools
        if not isinstance(conversation, Conversation):
            _name_missing(conversation)
        if given.command.word == "schema":
            tool = _named(given, tools)
            if unlisted is not None and tool in unlisted.tools:
                tool = {**tool, "inputSchema": unlisted.schema(tool["name"])}
    if given.command.word == "schema":
        _schema(given, tool)
    elif given.command.word == "search":
        wanted = given.words[0].lower()
        found = [tool for tool in tools if wanted in f"{tool['name']}\n{_described(tool)}".lower()]
        _list(given, _of_server(given, config_option, found), f'No tool matches "{given.words[0]}".')
    else:
        _list(given, _of_server(given, config_option, tools), "No tools.")
    return 0


def _all(conversation: Conversation | ChildConversation) -> list[Tool]:
    tools: list[Tool] = []
    params = "{}"
    for _ in range(MAX_PAGES):
        page = conversation.ask("tools/list", params)
        listed = page.get("tools")
        if not isinstance(listed, list):
            raise ShellFailed("the listener's answer to tools/list has no tools")
        tools += [tool for tool in listed if isinstance(tool, dict) and isinstance(tool.get("name"), str)]
        cursor = page.get("nextCursor")
        if not isinstance(cursor, str):
            return tools
        params = json.dumps({"cursor": cursor})
    raise ShellFailed(f"the listener's list of tools does not end after {MAX_PAGES} pages")


def _unlisted(conversation: Conversation | ChildConversation, listed: list[Tool]) -> Unlisted | None:
    """The servers' tools, where the listing names only callmux's own; None where it names all there is."""
    names = [tool["name"] for tool in listed]
    if "callmux_search_tools" not in names or not all(name.startswith("callmux_") for name in names):
        return None
    from callmux.cli.unlisted import SearchFailed, Unlisted

    try:
        unlisted = Unlisted(conversation, listed)
    except SearchFailed as failed:
        print(f"Note: the servers' tools cannot be shown: {failed}", file=sys.stderr)
        return None
    if unlisted.left_out:
        print(
            f"Note: {unlisted.left_out} more tools are not shown: callmux_search_tools finds them",
            file=sys.stderr,
        )
    return unlisted


def _name_missing(child: ChildConversation) -> None:
    """Says on stderr which servers were started for this command and are not up: their tools are missing."""
    try:
        status = read_result(child.ask("tools/call", call_params("callmux_status", "{}"))).value
    except ShellFailed:
        # A configuration may have no meta-tools.
        return
    servers = status.get("failedServers") if isinstance(status, dict) else None
    for server in servers if isinstance(servers, list) else ():
        if isinstance(server, dict) and server.get("error"):
            print(f'Note: the server "{server.get("name")}" is not up: {server["error"]}', file=sys.stderr)


def _of_server(given: Given, config_option: str | None, tools: list[Tool]) -> list[Tool]:
    name = given.text("--server")
    if name is None:
        return tools
    if child_args(given, config_option) is not None:
        # Only that server was started, and nothing stands before the names of its tools.
        return [tool for tool in tools if not tool["name"].startswith("callmux_")]
    return [tool for tool in tools if tool["name"] == name or tool["name"].startswith(f"{name}__")]


def _list(given: Given, tools: list[Tool], nothing: str) -> None:
    if given.on("--json"):
        shown = [
            {"name": tool["name"]} | ({"description": d} if (d := short(tool)) else {}) for tool in tools
        ]
        write(pretty({"count": len(tools), "tools": shown}))
    elif tools:
        # In a pipe each line stands for itself; people want columns.
        width = max(len(tool["name"]) for tool in tools) if sys.stdout.isatty() else 0
        lines = [f"{tool['name']:<{min(width, 40)}}  {short(tool)}".rstrip() for tool in tools]
        write(visible("\n".join(lines)))
    elif not given.on("--quiet"):
        print(nothing)


def short(tool: Tool) -> str:
    """The first line of a tool's description, cut."""
    lines = _described(tool).strip().splitlines()
    line = lines[0].strip() if lines else ""
    return line if len(line) <= MAX_DESCRIPTION else f"{line[: MAX_DESCRIPTION - 1]}…"


def _described(tool: Tool) -> str:
    described = tool.get("description")
    return described if isinstance(described, str) else ""


def _named(given: Given, tools: list[Tool]) -> Tool:
    """The tool that the command line names.

    Raises:
        ShellFailed: There is none.
    """
    name, server = given.words[0], given.text("--server")
    # A server that was started alone lists its tools without its name in front.
    spelled = {name, name.removeprefix(f"{server}__")}
    found = next((tool for tool in tools if tool["name"] in spelled), None)
    if found is None:
        names = [tool["name"] for tool in tools]
        whole = [known for known in names if known.endswith(f"__{name}")]
        hint = f' (did you mean "{whole[0]}"?)' if whole else nearest(name, names)
        raise ShellFailed(f'tool "{name}" not found{hint}. callmux tools list names them all')
    return found


def _schema(given: Given, found: Tool) -> None:
    if given.on("--json"):
        write(pretty(found))
        return
    described = _described(found)
    title = f"{given.words[0]} — {described}" if described else given.words[0]
    write(visible(f"{title}\n\n{pretty(found.get('inputSchema') or {})}"))
