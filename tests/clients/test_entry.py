"""Which entries are callmux."""

from __future__ import annotations

import pytest

from callmux.clients.entry import Entry, flavour, looks_like_listener, own_arguments, strings


def words(line: str) -> Entry:
    command, *args = line.split()
    return Entry(command=command, args=tuple(args))


@pytest.mark.parametrize(
    ("line", "whose", "args"),
    [
        ("callmux", "python", ""),
        ("/home/al/.local/bin/callmux --config /x", "python", "--config /x"),
        (r"C:\Tools\callmux.exe bridge", "python", "bridge"),
        ("/usr/bin/python3.12 -m callmux --config x", "python", "--config x"),
        ("uvx callmux bridge", "python", "bridge"),
        ("uvx --from callmux callmux --config x", "python", "--config x"),
        ("uvx callmux@0.1.0", "python", ""),
        ("uv tool run callmux", "python", ""),
        ("pipx run callmux --config x", "python", "--config x"),
        ("npx callmux", "node", ""),
        ("npx -y callmux@latest --config /x", "node", "--config /x"),
        ("npx -y -- callmux", "node", ""),
        ("npx -p callmux callmux --url x", "node", "--url x"),
        ("/opt/node/bin/npx --yes callmux bridge --url u", "node", "bridge --url u"),
        ("cmd /c npx -y callmux", "node", ""),
        ("npx.cmd -y callmux", "node", ""),
        ("npm exec -y callmux -- --config x", "node", "--config x"),
        ("pnpm dlx callmux", "node", ""),
        ("bunx callmux@0.24.3", "node", ""),
        ("bun x callmux", "node", ""),
        ("node /usr/lib/node_modules/callmux/dist/bin/callmux.js --config x", "node", "--config x"),
        ("node --enable-source-maps /x/callmux/dist/bin/callmux.js", "node", ""),
    ],
)
def test_the_ways_to_start_callmux_are_told_apart(line: str, whose: str, args: str) -> None:
    """Whose callmux it is, and what that callmux is told."""
    assert own_arguments(words(line)) == (whose, tuple(args.split()))


@pytest.mark.parametrize(
    "line",
    [
        *("npx -y callmux-server", "npx", "npx -y @acme/callmux", "uvx mcp-server-git", "node server.js"),
        *("python -m other callmux", "node", "node /x/notcallmux.js", "pnpm add callmux", "/opt/mycallmux"),
        *("cmd /c", "uv run callmux", "echo callmux"),
    ],
)
def test_what_only_sounds_like_callmux_is_somebody_elses(line: str) -> None:
    assert flavour(words(line)) is None


def test_an_address_is_no_program() -> None:
    assert flavour(Entry(url="http://callmux/mcp")) is None


@pytest.mark.parametrize(
    ("name", "url", "ours"),
    [
        ("callmux", "http://localhost:9000/mcp", True),
        ("callmux", "http://127.0.0.1:4860/", True),
        ("mux", "http://[::1]:4860/sse", True),
        ("figma", "http://127.0.0.1:3845/mcp", False),
        ("callmux", "https://mcp.example.com/mcp", False),
        ("callmux", "http://localhost:9000/other", False),
        ("callmux", "http://[bad", False),
    ],
)
def test_a_listener_on_this_machine_is_known_by_name_or_port(name: str, url: str, ours: bool) -> None:
    assert looks_like_listener(name, Entry(url=url)) is ours


def test_variables_become_text_and_what_cannot_be_is_left_out() -> None:
    assert strings({"A": "x", "B": 1, "C": True, "D": None, "E": []}) == {"A": "x", "B": "1", "C": "true"}
    assert strings(["A"]) == {}
