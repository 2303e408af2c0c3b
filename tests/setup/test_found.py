"""The servers in clients' files."""

from __future__ import annotations

import json

from callmux.clients.entry import Entry
from callmux.setup.found import ClientFile, find_servers, how


def file(kind: str, document: object, project: str | None = None) -> ClientFile:
    text = document if isinstance(document, str) else json.dumps(document)
    return ClientFile(kind=kind, path=f"/{kind}", text=text, project=project)


def test_every_client_and_every_project_is_looked_into() -> None:
    """The original reads three files, and of Claude Code's the top level only.

    Weak spot C6 of callmux (npm).
    """
    found, problems = find_servers(
        [
            file(
                "claude",
                {
                    "mcpServers": {"a": {"command": "a"}},
                    "projects": {"/p": {"mcpServers": {"b": {"command": "b"}}}},
                },
            ),
            file("claude", {"mcpServers": {"c": {"url": "http://c"}}}, project="/q"),
            file("codex", '[mcp_servers.d]\nurl = "http://d"\nbearer_token_env_var = "T"\n'),
            file("vscode", '{"servers": {"e": {"command": "e"}, } } // mine'),
            file("windsurf", {"mcpServers": {"f": {"serverUrl": "http://f"}}}),
        ],
        "/home/al",
    )
    assert problems == []
    assert [(item.name, item.place) for item in found] == [
        ("a", "Claude Code"),
        ("b", "Claude Code, /p"),
        ("c", "Claude Code, /q"),
        ("d", "Codex"),
        ("e", "VS Code"),
        ("f", "Windsurf"),
    ]
    assert found[3].entry == Entry(url="http://d", headers={"Authorization": "Bearer ${T}"})


def test_callmux_itself_is_not_offered() -> None:
    """It would call itself. Weak spot C6 of callmux (npm)."""
    found, _ = find_servers(
        [
            file(
                "claude",
                {
                    "mcpServers": {
                        "callmux": {"command": "callmux"},
                        "mux": {"command": "npx", "args": ["callmux"]},
                        "shared": {"url": "http://127.0.0.1:4860/mcp"},
                        "other": {"url": "http://127.0.0.1:9/mcp"},
                    }
                },
            )
        ],
        "/h",
    )
    assert [item.ours for item in found] == [True, True, True, False]
    assert [item.node for item in found] == [False, True, False, False]


def test_what_cannot_be_read_is_told() -> None:
    """The original collects it and says nothing. Weak spot C6 of callmux (npm)."""
    found, problems = find_servers(
        [
            file("claude", "{"),
            file(
                "cursor",
                {"mcpServers": {"x": {}, "y": {"command": "c", "args": "no"}, "z": {"command": "z"}}},
            ),
            file("codex", "mcp_servers = 1"),
        ],
        "/h",
    )
    assert [item.name for item in found] == ["z"]
    assert [problem.partition(":")[0] for problem in problems] == ["/claude", "/cursor", "/cursor", "/codex"]


def test_variables_of_clients_become_ours() -> None:
    found, _ = find_servers(
        [
            file(
                "vscode",
                {
                    "servers": {
                        "a": {
                            "command": "${userHome}/bin/a",
                            "args": ["${env:X}", "${workspaceFolder}"],
                            "env": {"KEY": "${input:api-key}"},
                        }
                    }
                },
            ),
            file("codex", '[mcp_servers.b]\ncommand = "sh"\nargs = ["${HOME}"]\nenv_vars = ["V"]\n'),
            file("claude", {"mcpServers": {"c": {"command": "c", "args": ["${A:-b}"]}}}),
        ],
        "/home/al",
    )
    a, b, c = found
    assert a.entry.command == "/home/al/bin/a"
    assert a.entry.args[0] == "${X}"
    assert a.entry.env == {"KEY": "${API_KEY}"}
    assert a.obstacle is not None
    assert "API_KEY" in a.notes[0]
    assert (b.entry.args, b.entry.env) == (("$${HOME}",), {"V": "${V:-}"})
    assert c.entry.args == ("${A:-b}",)


def test_an_env_file_counts_from_the_project_or_from_nowhere_that_we_know() -> None:
    server = {"mcpServers": {"a": {"command": "a", "envFile": "../secrets.env"}}}
    (here,), _ = find_servers([file("cursor", server, project="/work/shop")], "/home/al")
    assert (here.entry.env_file, here.obstacle) == ("/work/secrets.env", None)
    (nowhere,), _ = find_servers([file("cursor", server)], "/home/al")
    assert nowhere.obstacle == 'its envFile "../secrets.env" counts from the directory of the client'


def test_plain_variables_of_gemini_become_ours() -> None:
    server = {"mcpServers": {"a": {"command": "a", "args": ["$TOKEN", "${OTHER}"]}}}
    (found,), _ = find_servers([file("gemini", server)], "/home/al")
    assert found.entry.args == ("${TOKEN}", "${OTHER}")


def test_each_server_has_a_key_of_its_own() -> None:
    document = {
        "mcpServers": {"a": {"command": "a"}},
        "projects": {"/p": {"mcpServers": {"a": {"command": "a"}}}},
    }
    found, _ = find_servers(
        [file("claude", document), file("cursor", {"mcpServers": {"a": {"command": "a"}}})], "/h"
    )
    assert len({item.key for item in found}) == 3
    assert [item.is_of_a_project_file for item in found] == [False, False, False]
    (shared,), _ = find_servers([file("claude", {"mcpServers": {"a": {"command": "a"}}}, project="/q")], "/h")
    assert shared.is_of_a_project_file


def test_how_a_server_is_reached_is_shown_without_its_secrets() -> None:
    servers = {
        "a": {"command": "run", "args": ["--token", "hunter2"]},
        "b": {"url": "https://al:hunter2@h/mcp"},
    }
    found, _ = find_servers([file("claude", {"mcpServers": servers})], "/h")
    assert [how(item) for item in found] == ["run --token [redacted]", "https://[redacted]@h/mcp"]
