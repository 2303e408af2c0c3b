"""Finding, reading and resolving a configuration file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from callmux.config.load import find_config, load_config, target_config
from callmux.config.secrets import hash_in_memory
from callmux.config.security import BearerAuth
from callmux.config.servers import HttpServer, StdioServer
from callmux.config.sources import Sources
from callmux.errors import ConfigError, ConfigMissing

HASH = "scrypt$1024$8$1$b3BzLXNlY3JldDAxMjM0NQ$jJ9urypeY6jgTGudkge2CCfOyAiQJTw1Mi7glxNEAn0"


def write(path: Path, document: Any) -> Path:
    path.write_text(document if isinstance(document, str) else json.dumps(document), "utf-8")
    return path


def test_a_file_is_loaded(tmp_path: Path) -> None:
    path = write(tmp_path / "c.json", {"mcpServers": {"a": {"command": "x"}}, "nope": 1})
    loaded = load_config(path, {})
    assert (loaded.format, loaded.path, loaded.base_dir) == ("mcpCompatible", path, tmp_path)
    assert loaded.warnings == ["nope is not known and ignored"]
    assert loaded.document["nope"] == 1
    assert list(loaded.config.servers) == ["a"]


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigMissing, match="callmux init"):
        load_config(tmp_path / "none.json", {})


@pytest.mark.parametrize(
    ("text", "where", "reason"),
    [
        ('{\n  "servers": {},,\n}', "3:1", "remove the comma before it"),
        ('{"servers": [1,,]}', "1:17", "remove the comma before it"),
        ('{\n  // é\n  "é": nope}', "3:8", "invalid"),
        ('{\n  /* hi\n  "servers": {}}', "2:3", "does not end"),
        ('{\n  # hi\n  "servers": {}}', "2:3", "begin with //"),
        ('{"é": nope}', "1:7", "invalid"),
        ('{"servers": {', "1:14", "end of file"),
    ],
)
def test_bad_json_names_file_line_and_column(tmp_path: Path, text: str, where: str, reason: str) -> None:
    path = write(tmp_path / "c.json", text)
    with pytest.raises(ConfigError) as caught:
        load_config(path, {})
    (problem,) = caught.value.problems
    assert problem.startswith(f"{path}:{where}: invalid JSON: ")
    assert reason in problem


def test_json_with_comments_and_yaml_are_read(tmp_path: Path) -> None:
    """C17: the original reads neither."""
    commented = write(
        tmp_path / "c.json", '{\n  // one\n  "servers": {"a": {"command": "x//y",}} /* two */\n}'
    )
    yaml = write(tmp_path / "c.yaml", "# one\nservers:\n  a:\n    command: x//y\ncacheTtlSeconds: 1_0\n")
    assert load_config(commented, {}).config.servers["a"] == StdioServer(command="x//y")
    with pytest.raises(ConfigError, match="cacheTtlSeconds must be a non-negative integer"):
        load_config(yaml, {})
    yaml.write_text(yaml.read_text().replace("1_0", "10"))
    loaded = load_config(yaml, {})
    assert (loaded.config.cache_ttl_seconds, loaded.document["servers"]) == (10, {"a": {"command": "x//y"}})
    for text, problem in (("a: [", "invalid YAML: .*line 1"), ("a: 1\na: 2", "stands twice"), (" ", "empty")):
        yaml.write_text(text)
        with pytest.raises(ConfigError, match=f"{yaml}.*{problem}"):
            load_config(yaml, {})
    yaml.write_bytes(b"a: \xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config(yaml, {})


def test_unreadable_files_are_configuration_errors(tmp_path: Path) -> None:
    """A directory, nothing at all, bytes that are no text, and too deep a nesting."""
    empty, binary = write(tmp_path / "e.json", " \n"), tmp_path / "b.json"
    binary.write_bytes(b'{"servers": {"\xff": 1}}')
    deep = write(tmp_path / "d.json", "[" * 100000)
    for path, reason in (
        (tmp_path, "cannot read"),
        (empty, "is empty"),
        (binary, ":1:15: byte 14 is not UTF-8 text"),
        (deep, "json"),
    ):
        with pytest.raises(ConfigError, match=reason):
            load_config(path, {})


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(b'\xef\xbb\xbf{"servers": {}}')
    assert load_config(path, {}).config.servers == {}


def test_every_problem_is_in_the_error(tmp_path: Path) -> None:
    path = write(tmp_path / "c.json", {"servers": {"a": {}}, "metaOnly": 1})
    with pytest.raises(ConfigError) as caught:
        load_config(path, {})
    assert len(caught.value.problems) == 2


def test_paths_start_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever callmux was started; the original takes `eventStore.path` from there."""
    (tmp_path / "conf").mkdir()
    write(
        tmp_path / "conf" / "c.json",
        {
            "servers": {"a": {"command": "x", "cwd": "rel"}},
            "fileReferenceRoots": [" docs ", "./docs/", "/abs"],
            "eventStore": {"path": "events.db"},
            "management": {"statePath": "../state.json"},
        },
    )
    monkeypatch.chdir(tmp_path)
    config = load_config(Path("conf/c.json"), {}).config
    base = tmp_path / "conf"
    assert config.file_reference_roots == (str(base / "docs"), "/abs")
    assert config.event_store.path == str(base / "events.db")
    assert config.management.state_path == str(tmp_path / "state.json")
    assert getattr(config.servers["a"], "cwd", None) == "rel"


def test_paths_that_are_not_given_stand_beside_the_file(tmp_path: Path) -> None:
    config = load_config(write(tmp_path / "c.json", {"servers": {}}), {}).config
    assert config.event_store.path == str(tmp_path / "callmux-events.sqlite")
    assert config.management.state_path == str(tmp_path / "c.json.management.json")
    assert config.file_reference_roots is None


def tokens(loaded: Any) -> list[Any]:
    auth = loaded.config.auth
    assert isinstance(auth, BearerAuth)
    return list(auth.tokens)


def test_secrets_of_auth_are_resolved(tmp_path: Path) -> None:
    """A hash stays, a reference to one is followed, a token is hashed and never kept."""
    write(tmp_path / "t", " the-token \n")
    path = write(
        tmp_path / "c.json",
        {
            "servers": {},
            "auth": {
                "mode": "bearer",
                "tokens": [
                    {"id": "a", "hash": HASH},
                    {"id": "b", "hashRef": "env:H"},
                    {"id": "c", "tokenRef": "file:./t"},
                    {"id": "d", "token": "plain"},
                ],
            },
            "management": {"auth": {"mode": "bearer", "tokens": [{"id": "m", "hashRef": "env:H"}]}},
        },
    )
    loaded = load_config(path, {"H": f" {HASH}\n"})
    a, b, c, d = tokens(loaded)
    assert a.hash == b.hash == HASH
    assert c.hash.startswith("scrypt$16384$8$1$")
    assert "the-token" not in repr(loaded.config)
    assert (d.token, d.hash) == ("plain", None)
    assert loaded.config.management.auth is not None
    assert loaded.config.management.auth.tokens[0].hash == HASH


def test_secrets_that_are_not_there_are_all_named(tmp_path: Path) -> None:
    path = write(
        tmp_path / "c.json",
        {
            "servers": {},
            "auth": {
                "mode": "bearer",
                "tokens": [
                    {"id": "a", "tokenRef": "env:NOT_THERE"},
                    {"id": "b", "tokenRef": "file:./none"},
                    {"id": "c", "hashRef": "env:BAD"},
                ],
            },
        },
    )
    with pytest.raises(ConfigError) as caught:
        load_config(path, {"BAD": "no-hash-but-a-secret"})
    first, second, third = caught.value.problems
    assert first == ('auth.tokens[0].tokenRef references missing or empty environment variable "NOT_THERE"')
    assert "auth.tokens[1].tokenRef could not read secret file" in second
    assert third.startswith("auth.tokens[2].hashRef must be a valid scrypt hash")
    assert "no-hash-but-a-secret" not in str(caught.value)


def test_what_is_written_can_be_read_without_its_secrets(tmp_path: Path) -> None:
    """Listing servers must not need a variable that only the listener has."""
    path = write(
        tmp_path / "c.json",
        {
            "servers": {"a": {"command": "${NOT_THERE}"}},
            "auth": {"mode": "bearer", "tokens": [{"id": "a", "tokenRef": "env:NOT_THERE"}]},
        },
    )
    loaded = load_config(path, {}, resolve=False)
    assert tokens(loaded)[0].hash is None
    assert loaded.config.servers["a"].problem is None


def test_a_variable_that_is_not_set_fails_only_its_server(tmp_path: Path) -> None:
    path = write(tmp_path / "c.json", {"mcpServers": {"a": {"command": "${NO}"}, "b": {"command": "${YES}"}}})
    servers = load_config(path, {"YES": "/bin/true"}).config.servers
    assert "mcpServers.a.command uses ${NO}" in (servers["a"].problem or "")
    assert (servers["b"].problem, getattr(servers["b"], "command", "")) == (None, "/bin/true")


def test_a_named_file_wins_over_the_variable_and_that_over_the_default(tmp_path: Path) -> None:
    default = tmp_path / ".config" / "callmux" / "config.json"
    default.parent.mkdir(parents=True)
    assert find_config(None, {}, tmp_path) is None
    assert target_config(None, {}, tmp_path) == default
    write(default, "{}")
    assert find_config(None, {}, tmp_path) == default
    other = write(tmp_path / "o.json", "{}")
    assert find_config(None, {"CALLMUX_CONFIG": str(other)}, tmp_path) == other
    assert find_config("x.json", {"CALLMUX_CONFIG": str(other)}, tmp_path) == Path("x.json")
    assert find_config(None, {"CALLMUX_CONFIG": ""}, tmp_path) == default


def test_the_directory_of_the_desktop_counts_where_the_usual_one_has_no_file(tmp_path: Path) -> None:
    usual, other = (
        tmp_path / ".config" / "callmux" / "config.json",
        tmp_path / "x" / "callmux" / "config.json",
    )
    env = {"XDG_CONFIG_HOME": str(tmp_path / "x")}
    for path in (usual, other):
        path.parent.mkdir(parents=True)
    assert target_config(None, env, tmp_path) == other
    assert find_config(None, env, tmp_path) is None
    write(other, {"servers": {}})
    assert find_config(None, env, tmp_path) == other
    write(usual, {"servers": {}})
    assert find_config(None, env, tmp_path) == usual
    usual.unlink()
    assert target_config(None, {"XDG_CONFIG_HOME": "relative"}, tmp_path) == usual
    assert target_config(None, {**env, "CALLMUX_CONFIG": "/y"}, tmp_path) == Path("/y")


def test_a_variable_that_names_no_file_is_an_error(tmp_path: Path) -> None:
    """The original falls back to another file without a word."""
    with pytest.raises(ConfigMissing, match=r"CALLMUX_CONFIG names .*none\.json"):
        find_config(None, {"CALLMUX_CONFIG": str(tmp_path / "none.json")}, tmp_path)


def test_an_environment_file_is_watched(tmp_path: Path) -> None:
    entry = {"command": "x", "envFile": "${SUB}/.env"}
    sources = Sources()
    path = write(tmp_path / "c.json", {"servers": {"a": entry, "b": {"command": "x", "envFile": "e"}}})
    loaded = load_config(path, {"SUB": "sub"}, sources=sources)
    server = loaded.config.servers["a"]
    assert isinstance(server, StdioServer)
    assert server.env_file == "sub/.env"
    assert {tmp_path / "sub" / ".env", tmp_path / "e"} <= set(sources.noted)


def test_a_file_named_inside_a_text_is_read_and_watched(tmp_path: Path) -> None:
    """As those of `envRefs`: a secret that changes is a reason to read the configuration again."""
    (tmp_path / "token").write_text("hunter2\n")
    path = tmp_path / "c.json"
    path.write_text('{"servers": {"a": {"url": "http://h", "headers": {"A": "Bearer ${file:token}"}}}}')
    sources = Sources()
    server = load_config(path, {}, sources=sources).config.servers["a"]
    assert isinstance(server, HttpServer)
    assert server.headers == {"A": "Bearer hunter2"}
    assert tmp_path / "token" in sources.noted


def test_a_key_that_stands_twice_is_a_warning_and_the_last_one_counts(tmp_path: Path) -> None:
    text = '{"servers": {"a": {"command": "node"}, // old\n "a": {"command": "python3"}}}'
    loaded = load_config(write(tmp_path / "c.json", text), {})
    assert [
        server.command for server in loaded.config.servers.values() if isinstance(server, StdioServer)
    ] == ["python3"]
    assert loaded.duplicates == ["servers.a stands twice (lines 1 and 2); only the last one counts"]
    assert loaded.warnings == loaded.duplicates


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (
            '{"servers": {"a": {"comand": "node"}}}',
            'servers.a.comand is not known and ignored: did you mean "command"?',
        ),
        ('{"server": {"a": {}}}', 'server is not known and ignored: did you mean "servers"?'),
        ('{"servers": {"a": {"command": "x", "args": "y", "evn": {}}}}', 'did you mean "env"?'),
    ],
)
def test_the_key_that_was_meant_is_named_beside_the_errors(tmp_path: Path, text: str, hint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_config(write(tmp_path / "c.json", text), {})
    assert len(raised.value.problems) >= 2
    assert any(hint in problem for problem in raised.value.problems)


def test_a_command_that_is_a_list_is_told_where_its_words_belong(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='put the program into "command"'):
        load_config(write(tmp_path / "c.json", '{"servers": {"a": {"command": ["node", "x"]}}}'), {})


def test_a_directory_that_may_not_be_searched_is_a_configuration_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may search any: a refusal is put in its place."""

    def exists(self: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "exists", exists)
    for variables in ({}, {"CALLMUX_CONFIG": str(tmp_path / "x.json")}):
        with pytest.raises(ConfigError, match=r'cannot read ".*\.json": Permission denied'):
            find_config(None, variables, tmp_path)


def test_tokens_of_a_listener_take_every_reference(tmp_path: Path) -> None:
    (tmp_path / "t").write_text(" of a file \n")
    tokens = [
        {"id": "a", "tokenRef": "cmd:printf 'of a command\\n\\n'"},
        {"id": "b", "tokenRef": "file:t"},
    ]
    path = write(tmp_path / "c.json", {"servers": {}, "auth": {"mode": "bearer", "tokens": tokens}})
    auth = load_config(path, {"PATH": os.environ["PATH"]}).config.auth
    assert isinstance(auth, BearerAuth)
    assert [token.hash for token in auth.tokens] == [
        hash_in_memory("of a command"),
        hash_in_memory("of a file"),
    ]


def test_blanks_alone_are_no_token_and_a_failing_command_names_the_key(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("  \n")
    tokens = [{"id": "a", "tokenRef": "file:t"}, {"id": "b", "tokenRef": "cmd:false"}]
    path = write(tmp_path / "c.json", {"servers": {}, "auth": {"mode": "bearer", "tokens": tokens}})
    with pytest.raises(ConfigError) as caught:
        load_config(path, {"PATH": os.environ["PATH"]})
    assert caught.value.problems[0] == "auth.tokens[0].tokenRef must resolve to a non-empty string"
    assert caught.value.problems[1].startswith('auth.tokens[1].tokenRef the command "false" failed')


def test_nothing_of_a_server_is_looked_up_when_the_file_is_read(tmp_path: Path) -> None:
    document = {"servers": {"a": {"command": "x", "env": {"A": "cmd:touch ran", "B": "file:key"}}}}
    sources = Sources()
    loaded = load_config(write(tmp_path / "c.json", document), {"PATH": os.environ["PATH"]}, sources=sources)
    assert not (tmp_path / "ran").exists()
    assert loaded.config.servers["a"].problem is None
    assert tmp_path / "key" in sources.noted


def test_a_secret_in_an_argument_is_warned_about(tmp_path: Path) -> None:
    document = {"servers": {"a": {"command": "x", "args": ["-k", "env:TOKEN"], "env": {"A": "env:TOKEN"}}}}
    loaded = load_config(write(tmp_path / "c.json", document), {"TOKEN": "hunter2"})
    (warning,) = loaded.warnings
    assert warning.startswith("servers.a.args[1] takes a secret into a command line")
    assert "(ps)" in warning
    assert "hunter2" not in warning
