"""What is known of servers before they run."""

from __future__ import annotations

import pytest

from callmux.clients.dependence import (
    IMAGES,
    OTHERS,
    PROGRAMS,
    SAME,
    Dependence,
    keeps_nothing,
    known_dependence,
)
from callmux.clients.registry import KNOWN


def of(line: str, cwd: str | None = None, **env: str) -> Dependence | None:
    command, *args = line.split()
    return known_dependence(command, args, env, cwd)


def mode(line: str, cwd: str | None = None, **env: str) -> str | None:
    found = of(line, cwd, **env)
    return None if found is None else found.mode


def test_every_server_of_the_list_is_known_with_and_without_a_runner() -> None:
    """The list says why each directory needs a process, or that one does for all."""
    for known in KNOWN.values():
        if known.command:
            found = known_dependence(known.command[0], known.command[1:])
            wanted = ("session", known.directory) if known.directory else ("global", SAME)
            assert found is not None
            assert (found.mode, found.reason) == wanted
            assert keeps_nothing(known.command[0], known.command[1:]) is not bool(known.keeps)
    assert {KNOWN[name].command != () for name in (*PROGRAMS.values(), *IMAGES.values())} == {True}
    assert all(known_dependence("npx", ["-y", name]) is not None for name in OTHERS)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("npx -y @modelcontextprotocol/server-memory@1", "global"),
        ("mcp-server-memory", "global"),
        ("docker run -i --rm -v /data:/data mcp/memory", "global"),
        ("docker run -i --rm -v ./data:/data mcp/memory", "session"),
        ("sudo docker run -i --rm -v ./data:/data mcp/memory", "session"),
        ("docker run -i --rm -v ${PWD}:/data mcp/memory", "session"),
        ("docker run -i --rm mcp/filesystem /x", "session"),
        ("npx -y @modelcontextprotocol/server-filesystem /srv", "session"),
        ("python -m mcp_server_time --local-timezone=Europe/Vienna", "session"),
        ("uvx mcp-server-time --log ../x", "session"),
        ("uvx mcp-server-time --log /var/x", "global"),
        ("npx mcp-remote https://far.example/mcp", "global"),
        ("ssh far mcp-server", "global"),
        ("./server", "session"),
        ("bin/server", "session"),
        ("python server.py", "session"),
        ("node dist/index.js", "session"),
        ("node --enable-source-maps ./index.js", "session"),
        ("uv run server.py", "session"),
        ("deno run main.ts", "session"),
        ("deno run -A /x/main.ts", None),
        ("uv run server", None),
        ("node /x/index.js", None),
        ("node", None),
        ("python -m server", None),
        ("python -c server.py", None),
        ("some-server --root .", None),
        ("npx -y some-server", None),
        ("uv --directory /x run server.py", "global"),
        ("uv run --directory=/x server.py", "global"),
        ("uv --directory . run server.py", None),
        ("uv run some-server --directory /x", None),
        ("uv run --with mcp server.py", None),
        ("uv", None),
    ],
)
def test_a_command_line_tells_whether_the_directory_matters(line: str, wanted: str | None) -> None:
    assert mode(line) == wanted


def test_a_directory_that_is_always_the_same_is_no_reason_unless_it_asks_for_roots() -> None:
    found = known_dependence("bash", ["-lc", "cd '/x' && exec node server.js"])
    assert found == Dependence("global", "it works in /x, whoever calls it", unless_roots=True)
    assert known_dependence("bash", ["-c", "cd $HERE; node server.js"]) is None
    assert known_dependence("bash", ["-c", "node server.js"]) is None
    assert of("npx some-server", cwd="/x") == found
    assert of("npx some-server", cwd="sub") is None
    assert of("uvx mcp-server-time", cwd="/x") == Dependence("global", "it works in /x, whoever calls it")
    assert mode("uvx mcp-server-git", cwd="/x") == "session"


def test_variables_may_name_a_path_that_counts_from_the_directory() -> None:
    memory = "npx -y @modelcontextprotocol/server-memory"
    found = of(memory, MEMORY_FILE_PATH="graph.json")
    assert found == Dependence(
        "session", "it is given a path in MEMORY_FILE_PATH, which counts from the directory"
    )
    for env in (
        {"MEMORY_FILE_PATH": "/x/graph.json"},
        {"MEMORY_FILE_PATH": "${HOME}/graph.json"},
        {"MEMORY_FILE_PATH": "C:\\graph.json"},
        {"MEMORY_FILE_PATH": ""},
        {"DB": "postgres://h/db"},
        {"LEVEL": "debug"},
    ):
        assert mode(memory, **env) == "global"
    assert mode(memory, DATA="${PWD}/graph.json") == "session"


def test_what_may_be_a_secret_is_not_shown() -> None:
    found = of("npx -y tavily-mcp --key abc/hunter2")
    assert found is not None
    assert found.reason == "it is given a path, which counts from the directory"
    found = of("npx -y tavily-mcp --log ./x")
    assert found is not None
    assert found.reason == 'it is given "./x", which counts from the directory'


def test_only_what_is_known_to_keep_nothing_may_be_stopped() -> None:
    assert keeps_nothing("uvx", ["mcp-server-time"])
    assert not keeps_nothing("npx", ["-y", "@playwright/mcp@latest"])
    assert not keeps_nothing("npx", ["-y", "some-server"])
    assert not keeps_nothing("npx", ["-y", "chrome-devtools-mcp"])
