"""What a client's settings forbid its agent to do with a server, beside the server's own entry. Pure.

Called by `callmux.setup.judging` with what `callmux.clients.settings_files` read. What is denied by the exact
name of a tool can be kept behind callmux (`denyTools`); everything else is a reason to leave the server where
it is, because a rule on the server's old name says nothing about callmux.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from callmux.clients.admission import claude_admission, codex_admission, gemini_admission, vscode_admission
from callmux.clients.entry import DEFAULT_NAME, Entry

Role = Literal["state", "managed", "exclusive", "user", "project", "override", "switches", "policy"]


@dataclass(frozen=True, slots=True)
class Settings:
    """One file.

    Attributes:
        kind: The client it belongs to.
        role: What it is: the client's own notes (`state`), rules of the organization (`managed`), a list of
            servers that replaces all others (`exclusive`), settings of the user or of a project, a list that
            changes single servers (`override`), switched-off servers (`switches`), or rules for
            tools (`policy`).
        path: Where it is.
        project: The project it is for; None for all.
        document: What it says.
        problem: Why it cannot be read; None where it can.
    """

    kind: str
    role: Role
    path: str
    project: str | None = None
    document: Mapping[str, Any] | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What is forbidden.

    Attributes:
        denied: Tools, by the names that the server gives them.
        denied_as_shown: Tools, by the names under which Claude Code shows them: characters other than
            letters, digits, `_` and `-` are `_`.
        denied_if_there: Names that are denied whichever server has them, if it has them.
        reasons: Why the server has to stay where it is.
        allowed: Rules that allow its tools without a question, and name it: they lose their effect.
    """

    denied: frozenset[str] = frozenset()
    denied_as_shown: frozenset[str] = frozenset()
    denied_if_there: frozenset[str] = frozenset()
    reasons: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()


def shown(name: str) -> str:
    """A server's or tool's name as Claude Code and Gemini CLI show it."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)


def admission(kind: str, name: str, entry: Entry, settings: Sequence[Settings]) -> str | None:
    """Why a client does not start a server of that name at all; None where it does."""
    own = [item for item in settings if item.kind == kind]
    documents = [(item.role, item.document) for item in own if item.document is not None]
    if kind == "claude":
        return claude_admission(name, entry, documents)
    if kind == "codex":
        return codex_admission(name, entry, documents)
    if kind == "gemini":
        return gemini_admission(name, documents)
    if kind == "vscode":
        return vscode_admission(documents)
    return None


def limits(
    kind: str,
    name: str,
    entry: Entry,
    settings: Sequence[Settings],
    project: str | None = None,
    from_mcp_json: bool = False,
) -> Limits:
    """What a client's settings forbid.

    Args:
        kind: The client.
        name: What the server is called there.
        entry: The server.
        settings: Everything that was read.
        project: The project the server is for; None for a server of all projects.
        from_mcp_json: Whether it stands in a project's `.mcp.json`, which Claude Code asks about.
    """
    own = [item for item in settings if item.kind == kind]
    reasons = [f"{item.path} cannot be read: {item.problem}" for item in own if item.problem is not None]
    refused = admission(kind, name, entry, settings)
    reasons += [refused] if refused is not None else []
    found = Limits()
    if kind == "claude":
        found = _of_claude(name, own, project, from_mcp_json)
    elif kind == "cursor":
        found = _of_cursor(name, own)
    elif kind == "gemini":
        found = Limits(reasons=tuple(_of_gemini(name, own)), denied_if_there=_bare_exclusions(own))
    elif kind == "codex":
        found = Limits(reasons=tuple(_of_codex(name, own)))
    every = tuple(dict.fromkeys([*reasons, *found.reasons]))
    return replace(found, reasons=every)


def _of_claude(name: str, own: Iterable[Settings], project: str | None, from_mcp_json: bool) -> Limits:
    everywhere: set[str] = set()
    somewhere: dict[str, str] = {}
    reasons: list[str] = []
    allowed: list[str] = []
    for item in own:
        document = item.document or {}
        permissions = _object(document.get("permissions"))
        applies = item.project is None or item.project == project
        for rule in _strings(permissions.get("deny")):
            tool = _denied_tool(rule, shown(name))
            if tool is None:
                continue
            if tool == "" or not applies:
                where = "" if item.project is None else f" in {item.project}"
                if tool == "":
                    reasons.append(f'Claude Code denies it: "{rule}"{where}')
                else:
                    somewhere[tool] = f'Claude Code denies "{tool}"{where} only'
            else:
                everywhere.add(tool)
        for rule in _strings(permissions.get("ask")):
            if _denied_tool(rule, shown(name)) is not None:
                reasons.append(f'Claude Code asks before its calls: "{rule}"')
        for rule in _strings(permissions.get("allow")):
            if rule.startswith(f"mcp__{shown(name)}") and _denied_tool(rule, shown(name)) is not None:
                allowed.append(rule)
        if any(_watches(matcher, f"mcp__{shown(name)}") for matcher in _hooked(document)):
            reasons.append(f"a hook of Claude Code watches its calls ({item.path})")
        reasons += _switched_off(name, item, project, from_mcp_json)
    reasons += [text for tool, text in somewhere.items() if tool not in everywhere]
    return Limits(
        denied_as_shown=frozenset(everywhere), reasons=tuple(reasons), allowed=tuple(dict.fromkeys(allowed))
    )


def _switched_off(name: str, item: Settings, project: str | None, from_mcp_json: bool) -> Iterator[str]:
    document = item.document or {}
    scopes = {item.project: document}
    if item.role == "state":
        projects = _object(document.get("projects"))
        scopes = {str(path): _object(scope) for path, scope in projects.items()}
    for path, scope in scopes.items():
        if name in _strings(scope.get("disabledMcpServers")):
            yield f"it is switched off in Claude Code for {path or 'all projects'} (disabledMcpServers)"
        rejected = name in _strings(scope.get("disabledMcpjsonServers"))
        if rejected and from_mcp_json and path in (None, project):
            yield "you rejected it in Claude Code (disabledMcpjsonServers)"


def _denied_tool(rule: str, server: str) -> str | None:
    """The tool of a server that a rule names; empty where it may mean more than one; None where none."""
    text, bracket, _ = rule.partition("(")
    text = text.strip()
    start = f"mcp__{server}"
    if text in (start, f"{start}__", f"{start}__*"):
        return ""
    if text.startswith(f"{start}__"):
        rest = text[len(start) + 2 :]
        return "" if bracket or re.search(r"[*?\[]", rest) else rest
    head, star, _ = text.partition("*")
    return "" if star and head.startswith("mcp__") and f"{start}__".startswith(head) else None


def _hooked(document: Mapping[str, Any]) -> Iterator[str]:
    for groups in _object(document.get("hooks")).values():
        for group in groups if isinstance(groups, list) else ():
            if isinstance(group, Mapping) and isinstance(group.get("matcher"), str):
                yield group["matcher"]


def _watches(matcher: str, start: str) -> bool:
    """Whether a hook, which is a pattern, may be about a server's tools and not about callmux as well."""
    if start in matcher:
        return True
    try:
        if matcher in ("", "*") or re.fullmatch(matcher, f"mcp__{DEFAULT_NAME}__callmux_call"):
            return False
    except re.error:
        pass
    return any(_may_begin(part.strip("()^$"), f"{start}__") for part in matcher.split("|"))


def _may_begin(pattern: str, start: str) -> bool:
    """Whether a pattern with a wildcard may match a name that begins so."""
    literal = re.match(r"[A-Za-z0-9_-]*", pattern)
    fixed = "" if literal is None else literal[0]
    return fixed != pattern and (start.startswith(fixed) or fixed.startswith(start))


_CURSOR_RULE = re.compile(r"\s*Mcp\(\s*([^:)]*?)\s*(?::\s*([^)]*?)\s*)?\)\s*", re.IGNORECASE)


def _of_cursor(name: str, own: Iterable[Settings]) -> Limits:
    denied: set[str] = set()
    reasons: list[str] = []
    for item in own:
        for rule in _strings(_object((item.document or {}).get("permissions")).get("deny")):
            match = _CURSOR_RULE.fullmatch(rule)
            if match is None or not fnmatchcase(name, match[1] or "*"):
                continue
            tool = match[2] or "*"
            if item.project is not None or re.search(r"[*?\[]", tool):
                reasons.append(f'Cursor denies it: "{rule}"')
            else:
                denied.add(tool)
    return Limits(frozenset(denied), reasons=tuple(reasons))


def _of_gemini(name: str, own: Iterable[Settings]) -> Iterator[str]:
    starts = (f"mcp_{shown(name)}_", f"{shown(name)}__", f"{name}__")
    for item in own:
        document = item.document or {}
        if item.role == "policy":
            for rule in _list(document.get("rule")):
                if isinstance(rule, Mapping) and str(rule.get("decision", "")).lower() in (
                    "deny",
                    "ask_user",
                ):
                    tools = _strings([rule.get("toolName")]) or _strings(rule.get("toolName"))
                    if _is_about(rule.get("mcpName"), name, tools, starts):
                        yield f"a rule of Gemini CLI is about it ({item.path})"
            continue
        for tool in _exclusions(document):
            if tool.startswith(starts):
                yield f'Gemini CLI excludes its tool "{tool}" ({item.path})'
        other = _object(document.get("mcpServers")).get(name)
        if other is not None and item.role == "managed":
            yield f"your organization defines it ({item.path})"
        elif isinstance(other, Mapping) and item.role == "project" and not _leads(other):
            yield f"{item.project} changes it (.gemini/settings.json)"


def _is_about(server: Any, name: str, tools: Sequence[str], starts: Sequence[str]) -> bool:
    """Whether a rule is about a server, and not in the same way about callmux in its place."""
    if server == name or any(tool.startswith(tuple(starts)) for tool in tools):
        return True
    if server == "*":
        return any(tool != "*" for tool in tools)
    return any(tool != "*" and _may_begin(tool, start) for tool in tools for start in starts)


_BUILT_IN = frozenset(
    {
        "run_shell_command",
        "write_file",
        "replace",
        "web_fetch",
        "google_web_search",
        "read_file",
        "read_many_files",
        "glob",
        "search_file_content",
        "grep_search",
        "list_directory",
        "save_memory",
        "write_todos",
        "ask_user",
        "activate_skill",
        "ShellTool",
        "EditTool",
        "WriteFileTool",
        "ReadFileTool",
        "ReadManyFilesTool",
        "GlobTool",
        "GrepTool",
        "LSTool",
        "WebFetchTool",
        "WebSearchTool",
        "MemoryTool",
    }
)
"""Gemini CLI's own tools."""


def _bare_exclusions(own: Iterable[Settings]) -> frozenset[str]:
    """Tools that Gemini CLI excludes by a name without a server, whichever server has them."""
    names = {
        tool.partition("(")[0].strip()
        for item in own
        if item.role != "policy"
        for tool in _exclusions(item.document or {})
    }
    return frozenset(name for name in names - _BUILT_IN if "__" not in name and not name.startswith("mcp_"))


def _exclusions(document: Mapping[str, Any]) -> list[str]:
    nested = _object(document.get("tools")).get("exclude")
    return [*_strings(document.get("excludeTools")), *_strings(nested)]


def _of_codex(name: str, own: Iterable[Settings]) -> Iterator[str]:
    for item in own:
        other = _object((item.document or {}).get("mcp_servers")).get(name)
        if other is not None and item.role == "override":
            yield f"your organization defines it ({item.path})"
        elif isinstance(other, Mapping) and item.role == "project" and not _leads(other):
            yield f"{item.path} changes it"


def _leads(raw: Mapping[str, Any]) -> bool:
    return any(isinstance(raw.get(key), str) for key in ("command", "url", "httpUrl"))


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _strings(value: Any) -> list[str]:
    return [item for item in _list(value) if isinstance(item, str)]
