"""The root."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from callmux.config.check import check_document, keys
from callmux.config.model import Config
from callmux.config.section import Section

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_reference_defaults() -> None:
    """The figures a user of callmux (npm) relies on."""
    config = Config()
    assert (config.cache_ttl_seconds, config.max_concurrency) == (0, 20)
    assert (config.connect_timeout_ms, config.call_timeout_ms) == (30000, 180000)
    assert (config.max_cache_entries, config.max_cache_entry_bytes, config.max_cache_bytes) == (
        1000,
        8 * 2**20,
        128 * 2**20,
    )
    assert (config.max_scoped_clients, config.max_scoped_clients_per_server) == (64, 16)
    assert (config.session_cwd_idle_ttl_seconds, config.listener_session_inactivity_ttl_seconds) == (
        600,
        1800,
    )
    assert (config.request_body_max_bytes, config.listener_max_sessions) == (2**20, 1000)
    assert (config.metrics.enabled, config.dashboard.enabled, config.event_store.enabled) == (
        True,
        False,
        False,
    )


def sections(base: type[Section] = Section) -> list[type[Section]]:
    return [sub for child in base.__subclasses__() for sub in (child, *sections(child))]


@pytest.mark.parametrize(
    "section",
    [section for section in sections() if section.__module__.startswith("callmux.")],
    ids=lambda section: section.__name__,
)
def test_every_key_is_documented(section: type[Section]) -> None:
    """docs/configuration.md has a row for each."""
    text = DOCUMENTATION.read_text("utf-8")
    assert [key for key in keys(section) if f"| `{key}` |" not in text] == []


def test_the_examples_of_the_documentation_load() -> None:
    """Each JSON block is a whole file."""
    blocks = re.findall(r"```json\n(.*?)```", DOCUMENTATION.read_text("utf-8"), re.DOTALL)
    assert len(blocks) >= 5
    for block in blocks:
        checked = check_document(json.loads(block))
        assert checked.errors == checked.warnings == []


@pytest.mark.parametrize("entry", ["Write", " write", "READ ", "Destroy"])
def test_a_tier_in_another_spelling_is_refused(entry: str) -> None:
    """Taken for a tool's name it would let everything through."""
    (error,) = check_document({"servers": {}, "approve": ["destroy", entry]}).errors
    assert error.startswith("approve[1] must be")


@pytest.mark.parametrize("entry", ["wirte", "writes", "destory"])
def test_what_is_nearly_a_tier_is_asked_about(entry: str) -> None:
    checked = check_document({"servers": {}, "approve": [entry]})
    assert not checked.errors
    assert "did you mean" in checked.warnings[0]


def test_names_of_tools_are_no_tiers() -> None:
    approve = ["write", "s__write", "write_*", "deploy"]
    checked = check_document({"servers": {}, "approve": approve})
    assert (checked.errors, checked.warnings) == ([], [])
    assert list(checked.config.approve) == approve


@pytest.mark.parametrize(
    ("document", "error"),
    [
        (
            {"metaOnly": True, "exposeMetaTools": False},
            "metaOnly and exposeMetaTools: false are mutually exclusive: no tool would be listed",
        ),
        ({"profile": "a"}, "profile must be the name of one of profiles"),
        ({"profile": "a", "profiles": {"b": {}}}, "profile must be the name of one of profiles"),
        ({"recipes": {" ": {"mode": "call", "tool": "t"}}}, "recipes recipe names must be non-empty strings"),
    ],
)
def test_keys_that_contradict_each_other_are_refused(document: dict[str, Any], error: str) -> None:
    assert error in check_document({"servers": {}, **document}).errors


def test_a_server_has_its_own_time_to_connect_or_the_global_one() -> None:
    servers = {"a": {"command": "x"}, "b": {"command": "x", "connectTimeoutMs": 90_000}}
    config = check_document({"servers": servers, "connectTimeoutMs": 5_000}).config
    assert [config.connect_milliseconds(name) for name in "ab"] == [5_000, 90_000]
    assert config.longest_connect_milliseconds == 90_000
    assert (
        check_document({"servers": {}, "connectTimeoutMs": 5_000}).config.longest_connect_milliseconds
        == 5_000
    )


def test_a_listing_waits_as_long_as_the_configuration_says() -> None:
    assert check_document({"servers": {}, "listWaitMs": 2_500}).config.list_seconds == 2.5


@pytest.mark.parametrize(("all_start", "lazy"), [("eager", ["b"]), ("lazy", ["a", "b"])])
def test_a_server_starts_as_it_says_itself_or_as_all_do(all_start: str, lazy: list[str]) -> None:
    servers = {
        "a": {"command": "x"},
        "b": {"command": "x", "start": "lazy"},
        "c": {"command": "x", "start": "eager"},
    }
    config = check_document({"servers": servers, "start": all_start}).config
    assert [name for name in servers if config.is_lazy(name)] == lazy


def test_each_server_has_its_own_bound_of_processes_or_the_one_of_each_server() -> None:
    servers = {
        "a": {"command": "x"},
        "b": {"command": "x", "maxProcesses": 1},
        "c": {"url": "http://x.invalid"},
    }
    config = check_document({"servers": servers, "maxProcesses": 9, "maxProcessesPerServer": 4}).config
    assert [config.most_processes(name) for name in servers] == [4, 1, 4]
    assert check_document({"servers": servers}).config.most_processes("a") is None


def test_a_server_that_nobody_needs_goes_on_for_its_own_time_or_the_global_one() -> None:
    servers = {
        "a": {"command": "x"},
        "b": {"command": "x", "idleStopSeconds": 5},
        "c": {"command": "x", "idleStopSeconds": 0},
    }
    config = check_document({"servers": servers, "idleStopSeconds": 60}).config
    assert [config.idle_seconds(name) for name in servers] == [60, 5, None]
    assert check_document({"servers": servers}).config.idle_seconds("a") is None


def test_an_index_of_tools_stands_only_where_they_are_not_listed() -> None:
    assert Config(tool_index_tokens=1500, meta_only=True).index_tokens == 1500
    assert Config(tool_index_tokens=1500).index_tokens == 0
    alone = check_document({"servers": {}, "toolIndexTokens": 1500})
    assert any("no effect without metaOnly" in warning for warning in alone.warnings)
