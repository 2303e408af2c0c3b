"""Nasty lines: those that are kept in `corpus/`, and strategies for more."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

CORPUS = [
    line
    for path in sorted((Path(__file__).parent / "corpus").glob("*.txt"))
    for line in path.read_bytes().split(b"\n")
    if line
]

bounded = settings(
    deadline=None,
    max_examples=100,
    derandomize=bool(os.environ.get("CI")),
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
"""In CI always the same examples."""

ids: st.SearchStrategy[Any] = st.one_of(
    st.integers(0, 4),
    st.integers(),
    st.sampled_from(["1", "", "a", "\ud800", None, True, 1.0, 1.5, [], {}]),
    st.text(max_size=5),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
methods = st.sampled_from(
    [
        "initialize",
        "ping",
        "tools/call",
        "notifications/initialized",
        "notifications/cancelled",
        "notifications/progress",
        "notifications/message",
        "",
        5,
        None,
    ]
)
params = st.one_of(
    values,
    st.fixed_dictionaries({"requestId": ids}),
    st.fixed_dictionaries({"progressToken": ids, "progress": st.integers()}),
)


def _members(**members: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=members)


objects = st.one_of(
    st.fixed_dictionaries({"id": ids, "method": methods}, optional={"params": params}),
    st.fixed_dictionaries({"method": methods}, optional={"params": params}),
    st.fixed_dictionaries({"id": ids, "result": values}),
    st.fixed_dictionaries({"id": ids, "error": values}),
    _members(id=ids, method=methods, params=params, result=values, error=values),
)


def _cut(line: bytes, at: int) -> bytes:
    return line[: at % (len(line) + 1)]


encoded = st.one_of(objects, st.lists(objects, max_size=3)).map(lambda v: json.dumps(v).encode())
lines = st.one_of(
    encoded,
    st.sampled_from(CORPUS),
    st.builds(_cut, encoded | st.sampled_from(CORPUS), st.integers(0, 10_000)),
    st.binary(max_size=50).filter(lambda data: b"\n" not in data),
)
