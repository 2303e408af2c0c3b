"""The tools of servers behind a listing that names only callmux's own (`metaOnly`), for `callmux tools`.

Called by `callmux.cli.tools`, which imports it where it is needed; asks `callmux_search_tools`, and
`callmux_status` where there are more tools than one search gives: what this client may see, and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from callmux.shell.conversation import Conversation
from callmux.shell.failure import ShellFailed
from callmux.shell.message import Digits, call_params
from callmux.shell.outcome import read_result

if TYPE_CHECKING:
    from callmux.shell.child import ChildConversation

SEARCH = "callmux_search_tools"
STATUS = "callmux_status"
MOST = 50
"""Tools that one search gives."""

Tool = dict[str, Any]


class SearchFailed(Exception):
    """A meta-tool answered that it failed."""


class Unlisted:
    """The servers' tools, found by searches.

    Args:
        conversation: With a listener, or with a callmux that was started for it.
        listed: What its listing names.

    Attributes:
        tools: Their names and descriptions, sorted by name.
        left_out: How many tools there are beside them.

    Raises:
        SearchFailed: A search failed.
        ShellFailed: There was no answer to one.
    """

    def __init__(self, conversation: Conversation | ChildConversation, listed: Sequence[Tool]) -> None:
        self._conversation = conversation
        self._homes: dict[str, str] = {}
        self.left_out = 0
        found: dict[str, Tool] = {}
        answer = self._search("", MOST)
        self._take(answer, found)
        if _number(answer.get("found")) > len(found):
            if any(tool["name"] == STATUS for tool in listed):
                self._look_at_each(found)
            self.left_out = max(0, _number(answer.get("found")) - len(found))
        self.tools = [found[name] for name in sorted(found)]

    def schema(self, name: str) -> Any:
        """The input schema of one of `tools`.

        Raises:
            ShellFailed: The listener does not show it.
        """
        for limit in (1, MOST):
            try:
                answer = self._search(name, limit, server=self._homes[name], includeInputSchema=True)
            except SearchFailed as refused:
                raise ShellFailed(str(refused)) from None
            for result in _results(answer):
                if result["tool"] == name and "inputSchema" in result:
                    return result["inputSchema"]
        raise ShellFailed(
            f'the schema of tool "{name}" was not in the answers of {SEARCH}. '
            f"callmux call {SEARCH} with includeInputSchema and other words may show it"
        )

    def _look_at_each(self, found: dict[str, Tool]) -> None:
        """Adds what is in the status of each server, under the names that searches give its other tools."""
        asked = {"descriptions": True, "descriptionMaxLength": 0, "recommendations": False}
        for server in _objects(self._call(STATUS, asked).get("servers"), "name"):
            tools = _objects(server.get("tools"), "name")
            if not tools:
                continue
            home = server["name"]
            results = self._take(self._search("", MOST, server=home), found)
            if not results:
                continue
            known = {result.get("name") for result in results}
            prefix = _prefix(results, home)
            for tool in tools:
                if tool["name"] not in known:
                    self._add({**tool, "tool": f"{prefix}{tool['name']}", "server": home}, found)

    def _take(self, answer: dict[str, Any], found: dict[str, Tool]) -> list[Tool]:
        results = _results(answer)
        for result in results:
            self._add(result, found)
        return results

    def _add(self, result: Tool, found: dict[str, Tool]) -> None:
        name = result["tool"]
        described = result.get("description")
        found[name] = {"name": name} | ({"description": described} if isinstance(described, str) else {})
        self._homes[name] = str(result.get("server", ""))

    def _search(self, query: str, limit: int, **more: Any) -> dict[str, Any]:
        return self._call(SEARCH, {"query": query, "limit": limit, "descriptionMaxLength": 0, **more})

    def _call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        params = call_params(tool, json.dumps({**arguments, "outputFormat": "json"}))
        outcome = read_result(self._conversation.ask("tools/call", params))
        if outcome.is_error or not isinstance(outcome.value, dict):
            raise SearchFailed(f"{tool} failed: {' '.join(outcome.texts) or 'its answer is no JSON object'}")
        return outcome.value


def _results(answer: dict[str, Any]) -> list[Tool]:
    return _objects(answer.get("results"), "tool")


def _objects(value: Any, key: str) -> list[dict[str, Any]]:
    """The objects in a list that have a text at `key`."""
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, dict) and isinstance(item.get(key), str)]


def _prefix(results: Sequence[Tool], server: str) -> str:
    """What stands before the names of a server's tools: nothing, where it is alone."""
    for result in results:
        whole, name = result["tool"], result.get("name")
        if isinstance(name, str) and whole.endswith(name):
            return str(whole.removesuffix(name))
    return f"{server}__"


def _number(value: Any) -> int:
    return int(value) if isinstance(value, Digits) and value.isdigit() else 0
