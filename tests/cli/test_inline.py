"""One server out of flags."""

from __future__ import annotations

from collections.abc import Container

import pytest

from callmux.cli import inline
from callmux.cli.grammar.serve import COMMANDS
from callmux.cli.parsing import read
from callmux.config.check import check_document
from callmux.config.model import Config
from callmux.config.references import Reference
from callmux.config.servers import HttpServer, StdioServer
from callmux.errors import UsageError


def inline_config(words: list[str], variables: Container[str] = ()) -> Config:
    return inline.inline_config(read(COMMANDS[0], words), variables)


def override(config: Config, words: list[str]) -> Config:
    return inline.override(config, read(COMMANDS[0], words))


def stdio(config: Config) -> StdioServer:
    server = config.servers["default"]
    assert isinstance(server, StdioServer)
    return server


def test_a_command_and_its_arguments() -> None:
    """What stands after `--` is never read as flags, and `${...}` was the shell's business."""
    server = stdio(inline_config(["--", "npx", "-y", "--cache", "${HOME}"]))
    assert (server.command, server.args) == ("npx", ("-y", "--cache", "${HOME}"))


def test_every_flag_has_its_effect() -> None:
    config = inline_config(
        [
            *("--tools", " a, b ,"),
            *("--env", "A=b=c", "--env", "B="),
            *("--cache", "60", "--cache-allow", "get_*,x", "--cache-deny", "y"),
            *("--cache-max-entries", "5", "--concurrency", "3", "--connect-timeout", "7"),
            *("--call-timeout", "9", "--description-max-length", "11", "--output-format", "toon"),
            *("--request-body-max-bytes", "0", "--allow-request-body-override"),
            *("--allow-insecure-remote-listener", "--strict-startup", "--meta-only", "--", "x"),
        ]
    )
    server = stdio(config)
    assert server.tools == ("a", "b")
    assert server.env == {"A": "b=c", "B": ""}
    assert (server.cache_policy.allow_tools, server.cache_policy.deny_tools) == (("get_*", "x"), ("y",))
    assert (config.cache_ttl_seconds, config.max_cache_entries, config.max_concurrency) == (60, 5, 3)
    assert (config.connect_timeout_ms, config.call_timeout_ms) == (7, 9)
    assert (config.description_max_length, config.output_format) == (11, "toon")
    assert (config.request_body_max_bytes, config.allow_request_body_max_override) == (0, True)
    assert config.allow_insecure_remote_listener
    assert config.strict_startup
    assert config.meta_only


def test_defaults() -> None:
    config = inline_config(["--", "x"])
    assert (config.cache_ttl_seconds, config.max_concurrency, config.meta_only) == (0, 20, False)
    assert stdio(config).tools is None
    assert stdio(inline_config(["--tools", "", "--", "x"])).tools == ()


def test_a_url_instead_of_a_command() -> None:
    config = inline_config(
        ["--url", "http://h/mcp", "--cache", "30", "--header", " A : b:c ", "--transport", "sse"]
    )
    server = config.servers["default"]
    assert isinstance(server, HttpServer)
    assert (server.url, server.headers, server.transport) == ("http://h/mcp", {"A": "b:c"}, "sse")
    assert config.cache_ttl_seconds == 30


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--nonsense -- x", 'Unknown option "--nonsense"'),
        ("--tool a -- x", 'did you mean "--tools"?'),
        ("stray -- x", 'Unknown argument "stray"'),
        ("--cache -- x", "Missing value for --cache (SECONDS)"),
        ("--url", "Missing value for --url"),
        ("--cache 10abc -- x", "--cache must be a non-negative integer"),
        ("--cache -1 -- x", "--cache must be a non-negative integer"),
        ("--concurrency 0 -- x", "--concurrency must be a positive integer"),
        ("--call-timeout 1.5 -- x", "--call-timeout must be a positive integer"),
        ("--call-timeout 9999999999 -- x", "callTimeoutMs must be at most 2147483647"),
        ("--env NOEQ -- x", "--env must be KEY=VALUE"),
        ("--header x --url u", "--header must use Name:Value format"),
        (
            "--output-format xml -- x",
            '--output-format must be json, toon, auto, plain or shortest, not "xml"',
        ),
        ("--transport ws --url u", '--transport must be streamable-http or sse, not "ws"'),
        ("--url u -- x", "Cannot use both --url and -- command"),
        ("--url u --env A=b", "--env has no meaning with --url"),
        ("--header A:b -- x", "--header has no meaning with -- command"),
        ("--only a -- x", "--only chooses servers of a configuration file"),
        ("--lisen 3 -- x", 'did you mean "--listen"?'),
        ("--", "No command"),
        ("--cache 5", "No command"),
    ],
)
def test_what_cannot_be_understood(words: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        inline_config(words.split())
    assert message in str(caught.value)


def test_a_profile_of_a_file_is_chosen_by_name() -> None:
    document = {"servers": {}, "profiles": {"review": {}, "ci": {}}, "profile": "ci"}
    config = check_document(document).config
    assert override(config, []).profile == "ci"
    assert override(config, ["--profile", "review"]).profile == "review"
    with pytest.raises(UsageError, match=r'--profile names "reveiw", which .*did you mean "review"'):
        override(config, ["--profile", "reveiw"])
    with pytest.raises(UsageError, match="--profile chooses a profile of a configuration file"):
        inline_config(["--profile", "review", "--", "x"])
    wrong = check_document({**document, "profile": "none"}).errors
    assert wrong == ["profile must be the name of one of profiles"]


def test_only_the_named_servers_of_a_file_are_started() -> None:
    servers = {name: {"command": "x"} for name in ("github", "time", "git")}
    config = check_document({"servers": servers}).config
    assert list(override(config, ["--only", "git, time"]).servers) == ["time", "git"]
    with pytest.raises(UsageError, match=r'--only names "gti", which .*did you mean "git"'):
        override(config, ["--only", "gti"])


def test_flags_take_references_to_secrets() -> None:
    config = inline_config(["--env", "A=env:my_token", "--", "npm", "run", "env:DEV"], {"my_token"})
    assert config.servers["default"].templates == {"env.A": (Reference("env", "my_token"),)}
    config = inline_config(["--url", "http://h", "--header", "A: Bearer ${keyring:x}"])
    assert config.servers["default"].templates == {"headers.A": ("Bearer ", Reference("keyring", "x"))}


def test_flags_of_a_single_server_are_not_for_a_file() -> None:
    config = check_document({"servers": {"a": {"command": "x"}}}).config
    with pytest.raises(UsageError, match="--tools is about one server"):
        override(config, ["--meta-only", "--tools", "a"])


def test_nothing_to_list_is_refused() -> None:
    config = check_document({"servers": {}, "exposeMetaTools": False}).config
    with pytest.raises(UsageError, match="mutually exclusive"):
        override(config, ["--meta-only"])
