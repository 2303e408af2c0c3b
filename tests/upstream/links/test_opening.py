"""From configuration to link: which kind, with which environment, and what is kept secret."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callmux.config.servers import HttpServer, StdioServer
from callmux.config.variables import expand_server
from callmux.secrets.vault import vault_of
from callmux.upstream.failures import CallFailure
from callmux.upstream.links.child import ChildLink
from callmux.upstream.links.fallback import FallbackLink
from callmux.upstream.links.http import HttpLink
from callmux.upstream.links.late import LateLink
from callmux.upstream.links.opening import Surroundings, open_link, secrets_of, transport_of
from callmux.upstream.links.sse import SseLink
from callmux.upstream.links.veiled import VeiledLink
from tests.support import real_loop


def around(tmp_path: Path, **env: str) -> Surroundings:
    guardian: Any = None
    return Surroundings(env=env, base_dir=tmp_path, guardian=guardian, show=lambda *_: None)


def launch(link: Any) -> Any:
    assert isinstance(link.link, ChildLink)
    return link.link._launch


def test_a_command_becomes_a_child_with_our_environment_less_our_secrets(tmp_path: Path) -> None:
    config = StdioServer(command="server", args=("-x",), env={"OWN": "1"}, cwd="/tmp")
    it = launch(open_link("s", config, around(tmp_path, PATH="/bin", CALLMUX_TOKEN="secret", OWN="0")))
    assert (it.command, it.args, it.cwd) == ("server", ("-x",), "/tmp")
    assert it.env == {"PATH": "/bin", "OWN": "1"}


def test_what_a_server_leaves_may_be_left(tmp_path: Path) -> None:
    assert not launch(open_link("s", StdioServer(command="x"), around(tmp_path))).leaves
    assert launch(open_link("s", StdioServer(command="x", detached="leave"), around(tmp_path))).leaves


def test_a_token_of_our_clients_reaches_only_a_server_that_is_given_it(tmp_path: Path) -> None:
    surroundings = around(tmp_path, PATH="/bin", OPS_HASH="secret")
    surroundings.private.add("OPS_HASH")
    assert launch(open_link("s", StdioServer(command="x"), surroundings)).env == {"PATH": "/bin"}
    meant = StdioServer(command="x", env_refs={"GIVEN": "env:OPS_HASH"})
    assert launch(open_link("s", meant, surroundings)).env == {"PATH": "/bin", "GIVEN": "secret"}


def test_references_are_looked_up_at_each_attempt(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("one\n")
    config = StdioServer(command="server", env={"A": "plain"}, env_refs={"A": "file:key", "B": "env:OUTER"})
    assert launch(open_link("s", config, around(tmp_path, OUTER="two"))).env["A"] == "one"
    (tmp_path / "key").write_text("three")
    it = launch(open_link("s", config, around(tmp_path, OUTER="two")))
    assert (it.env["A"], it.env["B"]) == ("three", "two")


def test_an_environment_file_is_weaker_than_what_the_entry_says(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=file\nB=file\nC=long secret\nPATH=/own\n")
    config = StdioServer(command="x", env={"A": "entry"}, env_refs={"B": "env:OUTER"}, env_file=".env")
    it = launch(open_link("s", config, around(tmp_path, PATH="/bin", OUTER="ref")))
    assert it.env == {"PATH": "/own", "OUTER": "ref", "A": "entry", "B": "ref", "C": "long secret"}
    assert it.veil.hide("it has long secret") == "it has [redacted]"


def test_a_missing_environment_file_is_the_reason(tmp_path: Path) -> None:
    config = StdioServer(command="x", env_file="gone.env")
    with pytest.raises(CallFailure) as caught:
        open_link("s", config, around(tmp_path))
    assert f'envFile: could not read environment file "{tmp_path}/gone.env"' in caught.value.cause


def test_a_change_of_the_environment_file_makes_another_server(tmp_path: Path) -> None:
    config = StdioServer(command="x", env_file=".env")
    seen = [secrets_of(config, around(tmp_path))]
    for text in ("A=1", "A=2"):
        (tmp_path / ".env").write_text(text)
        seen.append(secrets_of(config, around(tmp_path)))
    assert len(set(seen)) == 3


def test_what_the_configuration_sets_is_hidden_unless_it_is_tiny(tmp_path: Path) -> None:
    config = StdioServer(command="server", env={"A": "long enough", "B": "1"}, env_refs={"C": "env:OUTER"})
    it = launch(open_link("s", config, around(tmp_path, OUTER="very secret", PATH="/bin/long/path")))
    assert it.veil.hide("long enough, very secret, 1, /bin/long/path") == (
        "[redacted], [redacted], 1, /bin/long/path"
    )


def test_a_secret_of_many_lines_is_hidden_line_by_line(tmp_path: Path) -> None:
    """As stderr is shown; lines too short to be told from other text stay."""
    config = StdioServer(command="x", env={"KEY": "-----BEGIN KEY-----\nabcd1234  \r\nef==\n=\n"})
    hide = launch(open_link("s", config, around(tmp_path))).veil.hide
    shown = [hide(line) for line in ("-----BEGIN KEY-----", "abcd1234", "ef==", "=")]
    assert shown == ["[redacted]", "[redacted]", "[redacted]", "="]


def test_a_missing_secret_names_the_variable_and_not_more(tmp_path: Path) -> None:
    config = StdioServer(command="server", env_refs={"KEY": "env:NOWHERE"})
    with pytest.raises(CallFailure, match=r"envRefs\.KEY") as caught:
        open_link("s", config, around(tmp_path))
    assert caught.value.started is False


def test_a_problem_of_the_configuration_is_the_reason(tmp_path: Path) -> None:
    with pytest.raises(CallFailure, match="wrong"):
        open_link("s", StdioServer(command="x", problem="wrong"), around(tmp_path))


@pytest.mark.parametrize(
    ("transport", "kind", "shown"),
    [
        (None, FallbackLink, "streamable-http"),
        ("streamable-http", HttpLink, "streamable-http"),
        ("sse", SseLink, "sse"),
    ],
)
def test_a_url_becomes_the_link_of_its_transport(
    transport: Any, kind: type, shown: str, tmp_path: Path
) -> None:
    config = HttpServer(url="http://x.example/mcp", transport=transport, headers={"A": "b"})
    link = open_link("s", config, around(tmp_path))
    assert isinstance(link, VeiledLink)
    assert isinstance(link.link, kind)
    assert link.transport == shown == transport_of(config)


@pytest.mark.parametrize("url", ["ftp://x", "x.example/mcp", "file:///etc/passwd", "HTTP//x"])
def test_an_address_of_another_kind_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(CallFailure, match="http:// or https://"):
        open_link("s", HttpServer(url=url), around(tmp_path))


def test_what_status_shows_before_the_first_connection() -> None:
    assert transport_of(StdioServer(command="x")) == "stdio"


def test_the_size_limit_of_a_remote_server_reaches_its_link(tmp_path: Path) -> None:
    for transport in (None, "streamable-http", "sse"):
        config = HttpServer(url="HTTP://127.0.0.1/mcp", transport=transport, response_body_max_bytes=7)
        link: Any = open_link("s", config, around(tmp_path))
        link = getattr(link, "link", link)
        assert getattr(link, "_link", link)._limit == 7


def noted(config: Any, env: dict[str, str]) -> Any:
    """As a configuration is read."""
    return expand_server(config, "servers.s", env)


async def opened(link: Any) -> Any:
    """The link behind one that is made late."""
    assert isinstance(link, LateLink)
    link._link = await link._make()
    return link.link


def test_references_to_variables_and_files_are_looked_up_at_each_attempt(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("of the file\n")
    env = {"TOKEN": "of the variable", "PATH": "/bin"}
    config = noted(
        StdioServer(
            command="x",
            args=("--db", "file:dev.db", "--token", "env:TOKEN"),
            env={"A": "file:key", "B": "literal:env:TOKEN", "C": "env:production"},
        ),
        env,
    )
    it = launch(open_link("s", config, around(tmp_path, **env)))
    assert it.args == ("--db", "file:dev.db", "--token", "of the variable")
    assert it.env == {**env, "A": "of the file", "B": "env:TOKEN", "C": "env:production"}
    assert it.veil.hide("of the file, of the variable") == "[redacted], [redacted]"
    (tmp_path / "key").write_text("another")
    assert launch(open_link("s", config, around(tmp_path, **env))).env["A"] == "another"


@real_loop()
async def test_keyrings_and_commands_are_asked_when_the_link_is_opened(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "XDG_STATE_HOME": str(tmp_path)}
    vault_of(env).set("gh", "kept value")
    config = noted(
        StdioServer(command="x", args=("${cmd:echo word}",), env={"A": "keyring:gh", "B": "b"}), env
    )
    config = msgspec.structs.replace(config, env_refs={"C": "cmd:echo ref value"})
    late = open_link("s", config, around(tmp_path, **env))
    assert late.transport == "stdio"
    it = launch(await opened(late))
    assert (it.args, it.env) == (("word",), {**env, "A": "kept value", "B": "b", "C": "ref value"})
    assert it.veil.hide("kept value, ref value") == "[redacted], [redacted]"


@real_loop()
async def test_headers_take_references_too(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "TOKEN": "t0ken"}
    config = noted(
        HttpServer(
            url="http://127.0.0.1/mcp",
            transport="sse",
            headers={"Authorization": "Bearer ${cmd:echo secret word}", "X": "env:TOKEN", "Y": "z"},
        ),
        env,
    )
    link = await opened(open_link("s", config, around(tmp_path, **env)))
    assert link.link._credentials.headers() == {"Authorization": "Bearer secret word", "X": "t0ken", "Y": "z"}
    assert link.veil.hide("secret word") == "[redacted]"


@real_loop()
async def test_a_command_that_fails_is_the_reason_and_names_the_field(tmp_path: Path) -> None:
    config = noted(StdioServer(command="x", env={"KEY": "cmd:false"}), {})
    late = open_link("s", config, around(tmp_path, PATH=os.environ["PATH"]))
    listener: Any = None
    with pytest.raises(CallFailure, match=r'env\.KEY: the command "false" failed') as caught:
        await late.open(listener)
    assert caught.value.started is False


def test_a_change_of_a_variable_or_file_is_seen_and_no_command_runs_for_that(tmp_path: Path) -> None:
    config = noted(
        HttpServer(
            url="http://x.example/",
            headers={"A": "env:TOKEN", "B": "file:key", "C": "cmd:touch ran", "D": "keyring:x"},
        ),
        {},
    )
    seen = [secrets_of(config, around(tmp_path, TOKEN="1"))]
    (tmp_path / "key").write_text("k")
    seen += [secrets_of(config, around(tmp_path, TOKEN=token)) for token in ("1", "2")]
    assert len(set(seen)) == 3
    assert not (tmp_path / "ran").exists()
    assert "2" not in seen[-1]
