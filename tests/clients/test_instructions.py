"""What agents are told about callmux is true of this build."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import callmux
from callmux import errors
from callmux.cli.grammar.table import command
from callmux.cli.parsing import read
from callmux.clients.instructions import MODES, PROFILES, instructions
from callmux.config.model import Config
from callmux.metatools import mapping
from callmux.metatools.meta_tool import META_TOOLS, definitions
from callmux.rings.references import recognition
from callmux.router.personas import AUTO, persona_of

SOURCE = Path(callmux.__file__).parent
PAGES = [(profile, mode) for profile in PROFILES for mode in MODES]
PAGE = pytest.mark.parametrize(("profile", "mode"), PAGES)
FULL = pytest.mark.parametrize(("profile", "mode"), [page for page in PAGES if page != ("codex", "lean")])
"""Those of clients that are listed every meta-tool."""


def spans() -> list[str]:
    """Everything between backticks, on any of the pages."""
    found = {span for page in PAGES for span in re.findall(r"`([^`]+)`", instructions(*page))}
    return sorted(found)


def fields_of(schema: Any) -> Iterator[str]:
    """Every property and every enumerated value of an input schema, at any depth."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        yield from (value for value in schema.get("enum", []) if isinstance(value, str))
        for inner in schema.values():
            yield from fields_of(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from fields_of(inner)


def written_by(*packages: str) -> set[str]:
    """Every string that stands in the code of these packages: the members of answers are among them."""
    found: set[str] = set()
    for package in packages:
        for path in (SOURCE / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.add(node.value)
    return found


INPUTS = {name for row in definitions() for name in fields_of(row["inputSchema"])}
ANSWERS = written_by("metatools", "rings/shield", "upstream")
CODES = {error.code for error in vars(errors).values() if hasattr(error, "code")}
KEYS = {field.encode_name for field in msgspec.structs.fields(Config)}


def is_true(span: str) -> bool:
    """Whether what a span names exists."""
    if span.startswith("callmux "):
        words = shlex.split(span)[1:]
        return bool(read(command(words[0]), words[1:]).command.name)
    if span.startswith("{"):
        return set(json.loads(span)) <= set(recognition.REFERENCES)
    if span.startswith("callmux_"):
        return span == "callmux_*" or span in META_TOOLS
    if span.startswith("$"):
        return span in recognition.REFERENCES or not mapping.parse(span).literal
    return all(part in INPUTS | ANSWERS | CODES | KEYS for part in span.split("."))


@pytest.mark.parametrize("span", spans())
def test_whatever_is_named_exists(span: str) -> None:
    assert is_true(span)


@pytest.mark.parametrize(
    "span", ["callmux_frob", "authorization_frobbed", "callmux call", "$frob", "outputFrob", "callmux frob"]
)
def test_what_does_not_exist_would_be_found(span: str) -> None:
    try:
        assert not is_true(span)
    except (KeyError, errors.UsageError):
        return


@PAGE
def test_it_is_short_and_names_no_path(profile: str, mode: str) -> None:
    """It is read again with every session, and put into files that people share."""
    page = instructions(profile, mode)
    assert len(page.splitlines()) < 40
    assert len(page) < 6000
    assert str(Path.home()) not in page
    assert page.startswith(f"# Using callmux\n\nProfile: {profile}\nMode: {mode}\n\n- ")
    assert all(line.startswith("- ") for line in page.splitlines()[5:])


@FULL
def test_every_topic_is_on_every_page(profile: str, mode: str) -> None:
    page = instructions(profile, mode)
    topics = {*META_TOOLS, "$file", "$text", "$jsonFile", "$yamlFile", "$json", "$json.path", "inputMapping"}
    topics |= {"failedIndexes", "failedStep", "mappedArguments", "skippedMappings", "onMappingMissing"}
    topics |= {"warnings", "cwd", "outputFormat", "toon", "auto", "_callmux.retrieval", "callmux call"}
    assert not [topic for topic in topics if topic not in page]


@pytest.mark.parametrize("profile", PROFILES)
def test_with_the_preset_a_page_names_only_what_its_client_is_listed(profile: str) -> None:
    page = instructions(profile, "lean")
    persona = persona_of(AUTO, {"codex": "codex-mcp-client", "claude": "claude-code"}.get(profile))
    listed = {tool for tool in META_TOOLS if persona is None or persona.lists(tool, proxied=False)}
    assert {tool for tool in META_TOOLS if tool in page} == listed
    assert "index" in page


@pytest.mark.parametrize("profile", PROFILES)
def test_with_an_index_a_page_says_to_search_only_for_what_the_index_does_not_show(profile: str) -> None:
    about_search = [
        line for line in instructions(profile, "lean").splitlines() if "to search" in line or "Search" in line
    ]
    assert len(about_search) == 1
    assert "only for what the index does not show" in about_search[0]


def test_a_page_of_few_tools_speaks_of_no_argument_that_only_others_take() -> None:
    page = instructions("codex", "lean")
    assert "inputMapping" not in page
    assert "failedIndexes" not in page
    assert "`cwd`" in page


def test_only_where_the_servers_tools_are_hidden_it_says_to_discover_first() -> None:
    assert "Discover first" in instructions("claude", "meta-only")
    assert "Discover first" not in instructions("claude", "standard")


def test_profiles_differ_in_what_differs_between_clients() -> None:
    """Weak spot C21 of callmux (npm)."""
    pages = [set(instructions(profile, "standard").splitlines()[5:]) for profile in PROFILES]
    own = [page - pages[0].intersection(*pages) for page in pages]
    assert all(len(lines) >= 2 for lines in own)
    assert "mcp__callmux__" in instructions("claude")
    assert "tool_timeout_sec" in instructions("codex")
