"""The table and the entries as text."""

from __future__ import annotations

import json
import shlex
import tomllib
from typing import Any

from callmux.config.check import check_document
from callmux.config.model import Config
from callmux.demo.report import entries, entries_text, table
from callmux.demo.trace import CALLMUX, ONE_BY_ONE, Message

COMMAND = ["/home/o'brien/my tools/callmux", "--x", "ü"]


def message(kind: str, way: str, ms: float) -> Message:
    tool = "callmux_parallel" if way == CALLMUX else "get"
    return Message(
        kind=kind, method="tools/call", tool=tool, part="read it", way=way, ms=ms, bytes=1, context_bytes=1234
    )


def test_the_table_shows_calls_seconds_bytes_tokens_of_both_ways() -> None:
    text = table(
        [
            message("sent", ONE_BY_ONE, 0),
            message("received", ONE_BY_ONE, 3000),
            message("sent", CALLMUX, 3000),
            message("received", CALLMUX, 4500),
        ]
    )
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[:4] == [
        "calls time bytes tokens",
        "read it",
        "one call at a time 1 3.00 s 2,468 617",
        "callmux_parallel 1 1.50 s 2,468 617",
    ]
    assert lines[6] == "with callmux 1 1.50 s 2,468 617"
    assert lines[-1] == "Result: 1 calls became 1; the wait is 2.0 times shorter."
    assert max(len(line) for line in text.splitlines()) <= 80


def test_entries_survive_odd_paths_in_every_format() -> None:
    config: dict[str, Any] = {"servers": {}}
    titled = entries(COMMAND, "~/.config/callmux/config.json", config)
    by_start = {title.split(":")[0].split(" (")[0]: text for title, text in titled.items()}
    assert json.loads(by_start["~/.config/callmux/config.json"]) == config
    (cache,) = (text for title, text in titled.items() if "cache is off by default" in title)
    checked = check_document(config | json.loads(f"{{{cache}}}"))
    assert (checked.errors, checked.config.cache_ttl_seconds) == ([], 60)
    assert Config().cache_ttl_seconds == 0
    added = shlex.split(by_start["Claude Code"])
    assert added[added.index("--") + 1 :] == COMMAND
    project = json.loads(by_start["Claude Code, for one project"])["mcpServers"]["callmux"]
    assert [project["command"], *project["args"]] == COMMAND
    codex = tomllib.loads(by_start["Codex"])["mcp_servers"]["callmux"]
    assert [codex["command"], *codex["args"]] == COMMAND


def test_the_text_holds_every_entry_indented() -> None:
    assert entries_text({"Here": "a\nb"}).endswith("Here:\n\n    a\n    b")
