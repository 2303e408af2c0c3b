"""The examples of docs/caching.md do what they say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from callmux import names
from callmux.config.check import check_document
from callmux.protocol.shapes import Tool
from callmux.rings.cache.policy import ReusePolicy
from callmux.stores.cache import CacheLimits, Key
from callmux.stores.counters import Counters
from callmux.stores.memory import MemoryCache
from tests.metatools.conftest import Bench

PAGE = Path(__file__).parents[3] / "docs" / "caching.md"


def block(kind: str) -> Any:
    found = re.search(rf"^```json {kind}\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert found is not None
    return json.loads(found[1])


def test_the_configuration_is_one_and_shows_the_defaults() -> None:
    checked = check_document(block("config"))
    assert (checked.errors, checked.warnings) == ([], [])
    config = checked.config
    shown = (config.max_cache_entries, config.max_cache_entry_bytes, config.max_cache_bytes)
    defaults = CacheLimits()
    assert shown == (defaults.entries, defaults.entry_bytes, defaults.total_bytes)


def test_the_verdicts_are_those_shown() -> None:
    policy = ReusePolicy(check_document(block("config")).config)
    words = {
        (True, True, True): "cached",
        (True, True, False): "shared",
        (True, False, False): "every time",
        (False, False, False): "write",
    }
    found: dict[str, dict[str, str]] = {}
    for server, tools in block("verdicts").items():
        for name in tools:
            reads = not name.startswith("create_")
            tool = Tool(json.dumps({"name": name, "annotations": {"readOnlyHint": reads}}).encode())
            verdict = policy.verdict(server, tool, names.spellings(server, name))
            found.setdefault(server, {})[name] = words[verdict.reads, verdict.shared, verdict.cached]
    assert found == block("verdicts")


def test_the_clearing_clears_what_it_says() -> None:
    bench = Bench()
    bench.cache.configure(CacheLimits(ttl_seconds=60), 0)
    for server, tool in [("github", "get_issue"), ("github", "list_issues"), ("docs", "get_page")]:
        bench.cache.put(Key(server, tool, None), b"{}", 0, bench.cache.epoch(server))
    assert bench.payload("callmux_cache_clear", block("clear"))["cleared"] == 1
    assert {key.tool for key in bench.cache._entries} == {"list_issues", "get_page"}


def test_the_figures_have_the_names_of_status() -> None:
    text = PAGE.read_text("utf-8").split("## Figures")[1]
    shown = set(re.findall(r"`(\w+)`", text)) - {"callmux_status", "callmux_dry_run", "cache"}
    assert shown - {"cacheHitCandidate"} <= (MemoryCache().facts(0) | Counters().facts()).keys()
