"""The order of test files that several processes share: the longest first, so that none ends with one.

`scripts/test --durations=0 --durations-min=1` tells how long tests take.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import TypeVar

T = TypeVar("T")

LONGEST = (
    "conformance/test_suite.py",
    "conformance/test_client_scenarios.py",
    "browser/test_page.py",
    "test_contributing.py",
    "live/test_how_to.py",
    "live/test_approval.py",
    "test_benchmarks.py",
    "failures/test_calls.py",
    "test_instructions.py",
    "test_model_harness.py",
    "live/test_stdio_session.py",
    "live/test_sign_in.py",
    "live/test_real_clients.py",
    "chaos/test_chaos.py",
    "cluster/test_cluster.py",
    "nodes/test_placing.py",
    "live/test_mixed_versions.py",
    "test_context_figures.py",
    "test_coverage.py",
    "live/test_login.py",
    "live/test_attacks.py",
    "test_secrecy.py",
    "live/test_survival.py",
    "left/test_left.py",
    "live/test_curated_remote.py",
    "live/test_provider.py",
    "live/test_upgrade.py",
    "live/test_eras.py",
    "live/test_credentials.py",
    "live/test_clients.py",
    "cli/test_wizard.py",
    "live/test_rights.py",
    "live/test_hints.py",
    "rings/shield/test_shelf.py",
    "live/test_https.py",
    "traffic/test_traffic.py",
    "live/test_unread_output.py",
    "live/test_reload.py",
    "cli/test_demo.py",
    "live/test_directories.py",
    "live/test_lost_questions.py",
    "live/test_lost_calls.py",
    "upstream/links/test_child.py",
    "live/test_kept_listings.py",
    "live/test_listener.py",
    "live/test_doctor.py",
    "begun/test_begun.py",
    "bridge/test_relay.py",
    "live/test_full_disk.py",
    "transport/http/test_serve.py",
    "live/test_server_add.py",
    "live/test_real_servers.py",
    "bridge/test_link.py",
    "live/test_shutdown.py",
)
"""Longest first, by their seconds on two cores; those that are not here take less than five."""

_RANKS = {name: rank for rank, name in enumerate(LONGEST)}


def rank(path: PurePath, root: PurePath) -> tuple[int, int, tuple[str, ...]]:
    """What files are sorted by: those above, then what else is in `live/`, then the rest, by their paths."""
    inside = path.relative_to(root) if path.is_relative_to(root) else path
    return _RANKS.get(inside.as_posix(), len(LONGEST)), int(inside.parts[0] != "live"), inside.parts


def turned(found: Sequence[T], number: int, count: int) -> list[T]:
    """What stands in a folder, in the order in which the process of this number, of so many, reads it: each
    begins elsewhere, and finds the byte code of what another has read before it."""
    start = len(found) * number // count
    return [*found[start:], *found[:start]]
