"""`${VAR}` in server entries."""

from __future__ import annotations

import pytest

from callmux.config.references import Reference
from callmux.config.servers import HttpServer, StdioServer
from callmux.config.variables import expand_server, expand_text, note_references
from callmux.errors import SecretError

ENV = {"HOME": "/home/al", "EMPTY": "", "TOKEN": "t$1"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("${HOME}/x", "/home/al/x"),
        ("a${HOME}${TOKEN}", "a/home/alt$1"),
        ("${NO:-default}", "default"),
        ("${NO:-}", ""),
        ("${EMPTY}", ""),
        ("${EMPTY:-d}", "d"),
        ("${HOME:-d}", "/home/al"),
        ("$${HOME}", "${HOME}"),
        ("$HOME ${1} ${A-b} ${A:+b} ${", "$HOME ${1} ${A-b} ${A:+b} ${"),
    ],
)
def test_fills_in(text: str, expected: str) -> None:
    """Only the two forms of `.mcp.json`; everything else stays as it is."""
    server = expand_server(StdioServer(command="c", args=(text,), env={"K": text}), "servers.a", ENV)
    assert isinstance(server, StdioServer)
    assert (server.args, server.env, server.problem) == ((expected,), {"K": expected}, None)


def test_remote_servers_too() -> None:
    server = expand_server(
        HttpServer(url="https://${HOST:-h}/mcp", headers={"A": "Bearer ${TOKEN}"}), "servers.a", ENV
    )
    assert isinstance(server, HttpServer)
    assert (server.url, server.headers) == ("https://h/mcp", {"A": "Bearer t$1"})


def test_every_missing_variable_is_named_with_its_key() -> None:
    """The entry stays as written, so that nothing half filled in is ever started."""
    written = StdioServer(command="${C}", args=("x", "${A}"), env={"K": "${E}"})
    server = expand_server(written, "mcpServers.a", ENV)
    assert isinstance(server, StdioServer)
    problem = server.problem or ""
    assert "mcpServers.a.command uses ${C}, but the environment variable C is not set" in problem
    assert "mcpServers.a.args[1] uses ${A}" in problem
    assert "mcpServers.a.env.K uses ${E}" in problem
    assert server.command == "${C}"


def test_the_script_of_a_shell_is_left_to_the_shell() -> None:
    """It has the server's own variables, and a value with blanks or quotes must not become code."""
    written = StdioServer(command="/bin/sh", args=("-ec", "run ${TOKEN} ${NO}", "${HOME}"))
    server = expand_server(written, "servers.a", ENV)
    assert isinstance(server, StdioServer)
    assert server.args == ("-ec", "run ${TOKEN} ${NO}", "/home/al")


def test_a_command_or_url_that_ends_up_empty_is_a_problem() -> None:
    """It concerns this server only: the file itself is right."""
    assert "servers.a.command is empty" in (
        expand_server(StdioServer(command="${EMPTY}"), "servers.a", ENV).problem or ""
    )
    assert "servers.a.url is empty" in (
        expand_server(HttpServer(url="${NO:-}"), "servers.a", ENV).problem or ""
    )


def test_files_hold_secrets_wherever_they_are_needed() -> None:
    """c17: the original has references for variables of a process only."""
    files = {"secrets/a": "hunter2"}

    def read_file(path: str) -> str:
        if path not in files:
            raise SecretError(f'could not read secret file "{path}"')
        return files[path]

    server = StdioServer(command="c", args=("--token=${file:secrets/a}", "$${file:x}", "${env:HOME}"))
    found = expand_server(server, "servers.a", ENV, read_file)
    assert isinstance(found, StdioServer)
    assert found.args == ("--token=hunter2", "${file:x}", "/home/al")
    remote = expand_server(
        HttpServer(url="u", headers={"A": "Bearer ${file:none}"}), "servers.a", ENV, read_file
    )
    assert remote.problem == 'servers.a.headers.A could not read secret file "none"'
    assert expand_server(server, "servers.a", ENV).problem is not None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("~", "/home/al"),
        ("~/shop", "/home/al/shop"),
        ("${HOME}/shop", "/home/al/shop"),
        ("~bob/shop", "~bob/shop"),
        ("a~/b", "a~/b"),
        ("/abs", "/abs"),
    ],
)
def test_directory_and_command_may_begin_with_the_home_directory(text: str, expected: str) -> None:
    server = expand_server(StdioServer(command=text, cwd=text), "servers.a", ENV)
    assert isinstance(server, StdioServer)
    assert (server.command, server.cwd, server.problem) == (expected, expected, None)


def test_a_variable_of_the_directory_that_is_not_set_is_named() -> None:
    server = expand_server(StdioServer(command="c", cwd="${NO}/shop"), "servers.a", ENV)
    assert "servers.a.cwd uses ${NO}" in (server.problem or "")


def test_without_a_home_directory_the_tilde_stays() -> None:
    server = expand_server(StdioServer(command="~/c"), "servers.a", {})
    assert isinstance(server, StdioServer)
    assert server.command == "~/c"


def test_references_are_noted_and_stay_as_they_are_written() -> None:
    written = StdioServer(
        command="c",
        args=("--token", "env:TOKEN", "literal:env:TOKEN", "env:TOKENS"),
        env={"A": "file:${HOME}/x", "B": "${HOME}${cmd:op read x}", "C": "plain:${HOME}"},
    )
    server = expand_server(written, "servers.a", ENV)
    assert isinstance(server, StdioServer)
    assert server.args == ("--token", "env:TOKEN", "env:TOKEN", "env:TOKENS")
    assert server.env == {"A": "file:${HOME}/x", "B": "${HOME}${cmd:op read x}", "C": "plain:/home/al"}
    assert server.templates == {
        "args[1]": (Reference("env", "TOKEN"),),
        "args[3]": (Reference("env", "TOKENS"),),
        "env.A": (Reference("file", "/home/al/x"),),
        "env.B": ("/home/al", Reference("cmd", "op read x")),
    }


def test_what_a_variable_holds_is_never_a_reference() -> None:
    """Else whoever sets a variable could run a command."""
    env = {**ENV, "EVIL": "cmd:touch /tmp/x", "INNER": "${cmd:touch /tmp/x}"}
    written = HttpServer(
        url="http://h", headers={"A": "${EVIL}", "B": "${INNER}", "C": "${INNER}${keyring:k}"}
    )
    server = expand_server(written, "servers.a", env)
    assert isinstance(server, HttpServer)
    assert server.headers["A"] == "cmd:touch /tmp/x"
    assert server.templates == {"headers.C": ("${cmd:touch /tmp/x}", Reference("keyring", "k"))}


def test_a_variable_beside_a_reference_that_is_missing_is_the_problem() -> None:
    server = expand_server(HttpServer(url="http://h", headers={"A": "${NO} ${keyring:k}"}), "servers.a", ENV)
    assert "servers.a.headers.A uses ${NO}" in (server.problem or "")


def test_the_script_of_a_shell_has_no_references() -> None:
    """`${cmd:0:3}` is a part of a variable there."""
    server = expand_server(StdioServer(command="bash", args=("-c", "${cmd:0:3}")), "servers.a", ENV)
    assert server.templates == {}


def test_a_command_line_has_references_in_its_flags_only() -> None:
    server = note_references(
        StdioServer(command="npm", args=("run", "env:TOKEN"), env={"A": "env:TOKEN", "B": "literal:cmd:x"}),
        ENV,
    )
    assert isinstance(server, StdioServer)
    assert (server.templates, server.env["B"]) == ({"env.A": (Reference("env", "TOKEN"),)}, "cmd:x")
    remote = note_references(HttpServer(url="u", headers={"A": "keyring:x", "B": "b"}), ENV)
    assert remote.templates == {"headers.A": (Reference("keyring", "x"),)}


def test_a_variable_that_is_no_text_is_a_problem_of_its_server() -> None:
    """The bytes of an environment may be anything."""
    server = expand_server(StdioServer(command="c", args=("${BAD}",)), "servers.a", {"BAD": "a\udcff"})
    problem = server.problem or ""
    assert "servers.a.args[0]" in problem
    assert "BAD" in problem


def test_a_single_text_has_parts_and_names_what_is_wrong() -> None:
    def read(file: str) -> str:
        raise SecretError(f'could not read "{file}"')

    assert expand_text("a ${HOME}", "state.url", ENV, read) == (("a /home/al",), [])
    parts, problems = expand_text("x ${keyring:k} ${HOME}", "state.url", ENV, read)
    assert (parts, problems) == (("x ", Reference("keyring", "k"), " /home/al"), [])
    _, problems = expand_text("${NO} ${file:f}", "state.url", ENV, read)
    assert [problem.split()[0] for problem in problems] == ["state.url", "state.url"]
