"""`callmux.cli.server_words`: what stands behind the name of a new server."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.cli.grammar.server import COMMANDS
from callmux.cli.parsing import read
from callmux.cli.server_words import target, with_advice
from callmux.errors import UsageError


def _target(*words: str) -> tuple[dict[str, Any] | None, str | None]:
    return target(read(COMMANDS[0], ["add", *words]))


@pytest.mark.parametrize("url", ["https://h/mcp", "http://127.0.0.1:1/x", "HTTPS://H/mcp"])
def test_an_address_may_follow_the_name(url: str) -> None:
    assert _target("docs", url) == (None, url)


def test_nothing_need_follow_the_name() -> None:
    assert _target("docs", "--url", "https://h") == (None, None)
    assert _target("a", "--", "npx", "-y", "x") == (None, None)


ENTRY = '{"command": "uvx", "args": ["mcp-server-git"]}'


@pytest.mark.parametrize(
    "text",
    [
        ENTRY,
        f'{{"git": {ENTRY}}}',
        f'{{"mcpServers": {{"git": {ENTRY}}}}}',
        f'{{"servers": {{"other": {ENTRY}}}}}',
    ],
)
def test_an_entry_is_taken_as_servers_pages_show_it(text: str) -> None:
    assert _target("git", text) == ({"command": "uvx", "args": ["mcp-server-git"]}, None)


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (("f", "python"), "the command goes after --: callmux server add f -- python"),
        (("f", "{broken"), "the entry is not valid JSON"),
        (("f", "python", "--", "-m", "mod"), '"python" stands before the --'),
        (("f", "--", "python -m mod"), "Take the quotes off: callmux server add f -- python -m mod"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_right_line(words: tuple[str, ...], advice: str) -> None:
    with pytest.raises(UsageError) as raised:
        _target(*words)
    assert advice.lower() in raised.value.message.lower()


def test_a_program_with_a_blank_in_its_path_is_no_mistake() -> None:
    assert _target("f", "--", "/opt/my app/run") == (None, None)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["f", "python", "-m", "mod"], "callmux server add f -- python -m mod"),
        (["kobalt", "do-not-use", "--mode", "azure"], "callmux server add kobalt -- do-not-use --mode azure"),
    ],
)
def test_a_forgotten_separator_is_named_with_the_whole_line(words: list[str], line: str) -> None:
    with pytest.raises(UsageError) as raised:
        read(COMMANDS[0], ["add", *words])
    assert line in with_advice(raised.value, "add", words).message


@pytest.mark.parametrize(
    "words", [["f"], ["f", "--nope"], ["--nope", "f"], ["f", "--", "x"], ["f", "http://h", "y"]]
)
def test_other_mistakes_keep_their_own_words(words: list[str]) -> None:
    error = UsageError("own words")
    assert with_advice(error, "add", words) is error


def test_a_quote_without_its_other_one_ends_no_advice() -> None:
    with pytest.raises(UsageError, match="--"):
        _target("f", "--", "npx -y 'x")
