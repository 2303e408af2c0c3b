"""Tool calls as rows of the database of past calls. Pure.

Called by `callmux.observe.event_store`. Tables and columns are those of callmux (npm), with `calls`, which is
more than 1 where rows were summed up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from callmux.observe.samples import DIRECT, LONGEST, Sample
from callmux.observe.wording import said
from callmux.timestamps import iso

ROWS_PER_SECOND = 1000
"""With more calls than that, equal ones become one row."""
FEWEST_ROWS = 50
"""Rows that are always written one by one."""
CLI = "callmux-cli"
EVENTS = (
    *("id", "ts_ms", "ts", "server", "tool", "target_tool", "session_id", "principal", "transport"),
    *("duration_ms", "ok", "status", "error_class", "bytes_in", "bytes_out", "cache_hit", "tool_kind"),
    *("operation", "downstream_calls", "calls"),
)
TARGETS = ("event_id", "server", "tool", "count")
HEADERS = ("event_id", "ts_ms", "ts", "server", "tool", "session_id", "principal", "header_name")
"""The columns of the three tables, in the order in which rows have them."""
Row = tuple[Any, ...]


class Rows:
    """What is written of some calls.

    Args:
        samples: The calls.
        first: The id of the first event.
        seconds: In which time they came.

    Attributes:
        events, targets, headers: Rows of the three tables.
        summed: How many of the events stand for several calls.
    """

    __slots__ = ("events", "headers", "summed", "targets")

    def __init__(self, samples: Sequence[Sample], first: int, seconds: float) -> None:
        most = max(FEWEST_ROWS, int(seconds * ROWS_PER_SECOND))
        counted = [(one, 1) for one in samples] if len(samples) <= most else summed_up(samples)
        self.summed = sum(count > 1 for _, count in counted)
        self.events = [_event(id, one, count) for id, (one, count) in enumerate(counted, first)]
        self.targets: list[Row] = []
        self.headers: list[Row] = []
        for id, (one, count) in enumerate(counted, first):
            for server, tool, times in one.targets or (("", one.tool, 1),):
                self.targets.append((id, server or None, _kept(tool), times * count))
            if one.headers:
                self.headers += _headers(id, one)


def summed_up(samples: Sequence[Sample]) -> list[tuple[Sample, int]]:
    """Samples that differ in nothing but time and size as one each, the last of them, and how many they are.
    Sizes and durations of the row are means."""
    groups: dict[Any, list[Sample]] = {}
    for sample in samples:
        key = (
            *(sample.tool, sample.operation, sample.targets, sample.status, sample.code, sample.session_id),
            *(sample.client, sample.principal, sample.cached, sample.headers),
        )
        groups.setdefault(key, []).append(sample)
    found = []
    for group in groups.values():
        last, count = group[-1], len(group)
        if count > 1:
            last = Sample(
                last.at,
                last.tool,
                last.operation,
                last.targets,
                last.status,
                last.code,
                sum(sample.seconds for sample in group) / count,
                sum(sample.sent for sample in group) // count,
                sum(sample.received for sample in group) // count,
                last.session_id,
                last.request_id,
                last.client,
                last.principal,
                last.cached,
                last.headers,
            )
        found.append((last, count))
    return found


def _event(id: int, sample: Sample, count: int) -> Row:
    """A row of `call_events`: sizes are of all calls that it stands for, the duration is of one."""
    targets, status, at = sample.targets, sample.status, sample.at
    server, target = targets[0][:2] if len(targets) == 1 else (None, None)
    is_direct = sample.operation == DIRECT
    return (
        id,
        round(at * 1000),
        iso(at),
        server,
        _kept(sample.tool),
        None if target is None else _kept(target),
        sample.session_id or None,
        sample.principal or None,
        "cli" if sample.client == CLI else "mcp",
        round(sample.seconds * 1000),
        1 if sample.ok else 0,
        status,
        sample.code or None,
        sample.sent * count,
        sample.received * count,
        1 if sample.cached else 0,
        "downstream" if is_direct else "callmux_meta",
        sample.operation,
        0 if is_direct else sample.downstream * count,
        count,
    )


def _headers(id: int, sample: Sample) -> Iterator[Row]:
    when = (round(sample.at * 1000), iso(sample.at))
    who = (sample.session_id or None, sample.principal or None)
    return ((id, *when, server, _kept(tool), *who, header) for server, tool, header in sample.headers)


@lru_cache(maxsize=4096)
def _kept(name: str) -> str:
    """A name as it is written: clients may make names up, and paste a secret in the place of one."""
    return said(name, LONGEST)
