"""Whether a client starts a server at all: lists of allowed and denied servers, and switched-off ones. Pure.

Called by `callmux.clients.limits`. A server that may not run in a client may not run behind callmux for that
client, either; and where callmux itself may not run, its servers must not be moved.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from callmux.clients.entry import Entry

Documents = Sequence[tuple[str, Mapping[str, Any]]]
"""What a client's files say, each with its role."""


def claude_admission(name: str, entry: Entry, documents: Documents) -> str | None:
    """For Claude Code: `managed-mcp.json`, `deniedMcpServers`, `allowedMcpServers`."""
    if any(role == "exclusive" for role, _ in documents):
        return "your organization lists the servers of Claude Code (managed-mcp.json)"
    denied = [rule for _, document in documents for rule in _rules(document, "deniedMcpServers") or ()]
    if any(_fits(rule, name, entry) for rule in denied):
        return "Claude Code may not use it (deniedMcpServers)"
    only = any(d.get("allowManagedMcpServersOnly") is True for role, d in documents if role == "managed")
    lists = [
        rules
        for role, document in documents
        if (role == "managed" or not only) and (rules := _rules(document, "allowedMcpServers")) is not None
    ]
    if only and not lists:
        return None
    if lists and not _allowed([rule for rules in lists for rule in rules], name, entry):
        return "Claude Code may not use it (it is not among allowedMcpServers)"
    return None


def _rules(document: Mapping[str, Any], key: str) -> list[Mapping[str, Any]] | None:
    value = document.get(key)
    return [rule for rule in value if isinstance(rule, Mapping)] if isinstance(value, list) else None


def _allowed(rules: Sequence[Mapping[str, Any]], name: str, entry: Entry) -> bool:
    """Whether a server passes. Where a list has commands or addresses, a name alone does not."""
    key = "serverCommand" if entry.command is not None else "serverUrl"
    strict = [rule for rule in rules if key in rule]
    return any(_fits(rule, name, entry) for rule in strict or rules)


def _fits(rule: Mapping[str, Any], name: str, entry: Entry) -> bool:
    if rule.get("serverName") == name:
        return True
    command = rule.get("serverCommand")
    if isinstance(command, list) and entry.command is not None and command == [entry.command, *entry.args]:
        return True
    url = rule.get("serverUrl")
    return isinstance(url, str) and entry.url is not None and _matches(url, entry.url)


def _matches(pattern: str, url: str) -> bool:
    text = ".*".join(map(re.escape, pattern.split("*")))
    return re.fullmatch(rf"{text}/?(?:\?.*)?", url, re.IGNORECASE) is not None


def codex_admission(name: str, entry: Entry, documents: Documents) -> str | None:
    """For Codex: `mcp_servers` of `requirements.toml`, which lists the servers that may run."""
    for role, document in documents:
        listed = document.get("mcp_servers")
        if role != "managed" or not isinstance(listed, Mapping):
            continue
        rule = listed.get(name)
        identity = rule.get("identity") if isinstance(rule, Mapping) else None
        if not isinstance(identity, Mapping):
            return "your organization does not list it for Codex (requirements.toml)"
        if identity.get("command") != entry.command or identity.get("url") != entry.url:
            return "your organization lists another server of that name for Codex (requirements.toml)"
    return None


def gemini_admission(name: str, documents: Documents) -> str | None:
    """For Gemini CLI: `admin.mcp`, `mcp.allowed`, `mcp.excluded`, and servers that were switched off."""
    plain = name.strip().lower()
    for role, document in documents:
        if role == "policy":
            continue
        if role == "switches":
            states = {key.strip().lower(): state for key, state in document.items()}
            state = states.get(plain)
            if isinstance(state, Mapping) and state.get("enabled") is False:
                return "it is switched off in Gemini CLI (mcp-server-enablement.json)"
            continue
        admin = _object(_object(document.get("admin")).get("mcp"))
        if admin.get("enabled") is False:
            return "your organization switches servers off in Gemini CLI (admin.mcp)"
        if isinstance(admin.get("config"), Mapping) and plain not in map(str.lower, admin["config"]):
            return "your organization does not list it for Gemini CLI (admin.mcp.config)"
        mcp = _object(document.get("mcp"))
        for listed in (mcp.get("excluded"), document.get("excludeMCPServers")):
            if plain in _lower(listed):
                return "it is switched off in Gemini CLI (mcp.excluded)"
        for listed in (mcp.get("allowed"), document.get("allowMCPServers")):
            if isinstance(listed, list) and plain not in _lower(listed):
                return "it is not among the servers that Gemini CLI starts (mcp.allowed)"
    return None


def vscode_admission(documents: Documents) -> str | None:
    """For VS Code: `chat.mcp.access`, and the policy of the machine."""
    for _, document in documents:
        access = document.get("chat.mcp.access", document.get("ChatMCP"))
        if access in ("none", "registry", "registryOnly") or access is False:
            return "VS Code may not use it (chat.mcp.access)"
        if document.get("chat.mcp.enabled") is False:
            return "servers are switched off in VS Code (chat.mcp.enabled)"
    return None


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _lower(value: Any) -> list[str]:
    names = value if isinstance(value, list) else []
    return [item.strip().lower() for item in names if isinstance(item, str)]
