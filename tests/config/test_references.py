"""Which values of a server are references, and which only look like one."""

from __future__ import annotations

import pytest

from callmux.config.references import (
    Reference,
    is_variable,
    literal,
    reference_of,
    template_of,
    written,
)


@pytest.mark.parametrize(
    ("text", "scheme", "rest"),
    [
        ("env:GITHUB_TOKEN", "env", "GITHUB_TOKEN"),
        ("file:/run/secrets/token", "file", "/run/secrets/token"),
        ("file:../token.txt", "file", "../token.txt"),
        ("file:~/token", "file", "~/token"),
        ("keyring:github", "keyring", "github"),
        ("cmd:op read op://vault/github/token", "cmd", "op read op://vault/github/token"),
        ("cmd:pass show x\n", "cmd", "pass show x"),
    ],
)
def test_a_whole_value_with_a_scheme_is_a_reference(text: str, scheme: str, rest: str) -> None:
    assert reference_of(text) == Reference(scheme, rest)
    assert template_of(text) == (Reference(scheme, rest),)


@pytest.mark.parametrize(
    "text",
    [
        *("plain", "", "env:", "keyring:", "cmd:", "file:", "env: TOKEN", "cmd: words", "ENV:TOKEN"),
        *("env:production", "env:a-b", "env:1", "x env:TOKEN", "literal:env:TOKEN"),
        *("file:///etc/passwd", "file:dev.db", "file:./prisma/dev.db", "file::memory:", "file:a.sqlite3"),
        *("file:memdb?mode=memory&cache=shared", "file:pkg.tgz", "file:..", "file:../", "file:./server/"),
        *("https://x.example", "postgres://u:p@db/x", "cmdline", "$${keyring:x}", "${VAR}", "${env:VAR}"),
    ],
)
def test_other_values_mean_themselves(text: str) -> None:
    """Configurations for the original have such values: addresses of databases, names of stages, packages."""
    assert template_of(text) is None


def test_a_name_with_small_letters_is_a_variable_where_there_is_one() -> None:
    assert reference_of("env:my_token") is None
    assert reference_of("env:my_token", {"my_token": ""}) == Reference("env", "my_token")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Bearer ${keyring:gh}", ("Bearer ", Reference("keyring", "gh"))),
        ("${cmd:a b}", (Reference("cmd", "a b"),)),
        ("${keyring:u}:${cmd:p}", (Reference("keyring", "u"), ":", Reference("cmd", "p"))),
        ("$${cmd:x}${keyring:y}", ("${cmd:x}", Reference("keyring", "y"))),
    ],
)
def test_references_may_stand_inside_of_a_text(text: str, parts: tuple[object, ...]) -> None:
    assert template_of(text) == parts


def test_variables_are_filled_in_around_references_and_in_paths_but_not_in_commands() -> None:
    def fill(text: str) -> str:
        return text.replace("${V}", "cmd:evil ${cmd:evil}")

    assert template_of("${V} ${keyring:x}", (), fill) == (
        "cmd:evil ${cmd:evil} ",
        Reference("keyring", "x"),
    )
    assert template_of("file:${V}/x", (), fill) == (Reference("file", "cmd:evil ${cmd:evil}/x"),)
    assert template_of("cmd:op ${V}", (), fill) == (Reference("cmd", "op ${V}"),)


@pytest.mark.parametrize(
    "text", ["env:A", "env:a", "file:x", "keyring:x", "cmd:x", "literal:env:A", "literal:literal:env:A"]
)
def test_a_text_that_is_written_so_means_itself(text: str) -> None:
    assert template_of(written(text), ("A", "a")) is None
    assert literal(written(text)) == text


@pytest.mark.parametrize("text", ["plain", "literal:x", "file:dev.db", "env:a-b", "literal"])
def test_a_text_that_is_no_reference_is_written_as_it_is(text: str) -> None:
    assert written(text) == literal(text) == text


def test_a_reference_shows_where_its_value_is() -> None:
    assert str(Reference("keyring", "github")) == "keyring:github"
    assert is_variable(Reference("env", "A"))
    assert not is_variable(Reference("cmd", "A"))
    assert not is_variable("env:A")


@pytest.mark.parametrize("text", ["env:", "file: x", "keyring:\u00a0x", "cmd:\nx", "Env:A", "x env:A", "env"])
def test_a_scheme_alone_or_with_a_space_behind_it_is_no_reference(text: str) -> None:
    assert reference_of(text, ("A",)) is None
    assert template_of(text, ("A",)) is None
    assert written(text) == text


def test_a_command_may_have_several_lines() -> None:
    assert reference_of("cmd:a\nb") == Reference("cmd", "a\nb")
