"""Whether a client starts a server at all."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.clients.admission import claude_admission, codex_admission, gemini_admission, vscode_admission
from callmux.clients.entry import Entry

LOCAL = Entry(command="npx", args=("-y", "git"))
REMOTE = Entry(url="https://mcp.example.com/a?x=1")


@pytest.mark.parametrize(
    ("document", "entry", "passes"),
    [
        ({}, LOCAL, True),
        ({"deniedMcpServers": [{"serverName": "git"}]}, LOCAL, False),
        ({"deniedMcpServers": [{"serverName": "other"}]}, LOCAL, True),
        ({"deniedMcpServers": [{"serverCommand": ["npx", "-y", "git"]}]}, LOCAL, False),
        ({"deniedMcpServers": [{"serverCommand": ["npx", "git"]}]}, LOCAL, True),
        ({"deniedMcpServers": [{"serverUrl": "https://*.example.com/*"}]}, REMOTE, False),
        ({"deniedMcpServers": [{"serverUrl": "https://mcp.example.com/a"}]}, REMOTE, False),
        ({"deniedMcpServers": [{"serverUrl": "https://other.example/*"}]}, REMOTE, True),
        ({"allowedMcpServers": []}, LOCAL, False),
        ({"allowedMcpServers": [{"serverName": "git"}]}, LOCAL, True),
        ({"allowedMcpServers": [{"serverName": "git"}, {"serverCommand": ["x"]}]}, LOCAL, False),
        ({"allowedMcpServers": [{"serverName": "git"}, {"serverUrl": "https://x/*"}]}, LOCAL, True),
        ({"allowedMcpServers": [{"serverName": "git"}, {"serverUrl": "https://x/*"}]}, REMOTE, False),
        ({"allowedMcpServers": [{"serverUrl": "https://mcp.example.com/*"}]}, REMOTE, True),
        (
            {"allowedMcpServers": [{"serverName": "git"}], "deniedMcpServers": [{"serverName": "git"}]},
            LOCAL,
            False,
        ),
    ],
)
@pytest.mark.parametrize("role", ["managed", "user", "project"])
def test_claude_codes_lists(role: str, document: dict[str, Any], entry: Entry, passes: bool) -> None:
    assert (claude_admission("git", entry, [(role, document)]) is None) is passes


def test_only_the_organizations_list_counts_where_it_says_so() -> None:
    own = ("user", {"allowedMcpServers": [{"serverName": "git"}]})
    managed = {"allowManagedMcpServersOnly": True, "allowedMcpServers": [{"serverName": "x"}]}
    assert claude_admission("git", LOCAL, [own, ("managed", managed)]) is not None
    assert claude_admission("git", LOCAL, [own, ("managed", {"allowManagedMcpServersOnly": True})]) is None


def test_a_list_of_the_organization_replaces_all_servers_of_claude_code() -> None:
    reason = claude_admission("git", LOCAL, [("exclusive", {"mcpServers": {}})])
    assert reason is not None
    assert "managed-mcp.json" in reason


def test_codex_starts_what_the_requirements_list_by_name_and_identity() -> None:
    def listed(servers: Any) -> str | None:
        return codex_admission("git", LOCAL, [("managed", {"mcp_servers": servers})])

    assert codex_admission("git", LOCAL, [("managed", {"allowed_approval_policies": []})]) is None
    assert listed({"git": {"identity": {"command": "npx"}}}) is None
    refused: list[Any] = [{}, {"other": {"identity": {"command": "npx"}}}, {"git": {}}]
    for servers in refused:
        assert listed(servers) is not None
    assert "another server" in (listed({"git": {"identity": {"command": "uvx"}}}) or "")
    remote = {"mcp_servers": {"git": {"identity": {"url": REMOTE.url}}}}
    assert codex_admission("git", REMOTE, [("managed", remote)]) is None


@pytest.mark.parametrize(
    ("role", "document", "word"),
    [
        ("user", {"mcp": {"excluded": ["GIT "]}}, "mcp.excluded"),
        ("managed", {"mcp": {"excluded": ["git"]}}, "mcp.excluded"),
        ("user", {"excludeMCPServers": ["git"]}, "mcp.excluded"),
        ("user", {"mcp": {"allowed": ["other"]}}, "mcp.allowed"),
        ("user", {"allowMCPServers": []}, "mcp.allowed"),
        ("switches", {"Git": {"enabled": False}}, "enablement"),
        ("managed", {"admin": {"mcp": {"enabled": False}}}, "admin.mcp"),
        ("managed", {"admin": {"mcp": {"config": {"other": {}}}}}, "admin.mcp.config"),
    ],
)
def test_gemini_cli_says_which_servers_it_starts(role: str, document: dict[str, Any], word: str) -> None:
    assert word in (gemini_admission("git", [(role, document)]) or "")
    assert gemini_admission("git", [(role, {"mcp": {"allowed": ["git"]}, "git": {"enabled": True}})]) is None


def test_vs_code_may_use_none() -> None:
    for document in ({"chat.mcp.access": "none"}, {"ChatMCP": "registryOnly"}, {"chat.mcp.enabled": False}):
        assert vscode_admission([("user", document)]) is not None
    assert vscode_admission([("user", {"chat.mcp.access": "all"})]) is None


def test_a_policy_of_gemini_stops_no_server() -> None:
    """It says what is asked before a call: `callmux.clients.limits` reads it."""
    assert gemini_admission("git", [("policy", {"mcp": {"excluded": ["git"]}})]) is None
