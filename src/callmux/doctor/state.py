"""Whether what listeners share can be used: the Redis of `state`, its version, the secret of all, clocks.

Called by `callmux.cli.doctor`. It looks as a listener would, and is none: nothing that others see changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from callmux.config.state import StateSection
from callmux.errors import ConfigError, StoreUnavailable
from callmux.process.shared_state import (
    CLOCK_SECONDS,
    SharedState,
    apart,
    found_shared_state,
    strange_clock,
    strange_secret,
)

OLDEST = (7, 0)
"""The oldest Redis that will do."""


class StateFindings(msgspec.Struct, frozen=True, kw_only=True):
    """What was found.

    Attributes:
        issues: What is wrong, each with the field that it is about.
        warnings: What works but is probably not meant.
        lines: What there is, for people.
    """

    issues: list[str] = []
    warnings: list[str] = []
    lines: list[str] = []


async def state_findings(config: StateSection, base_dir: Path, env: Mapping[str, str]) -> StateFindings:
    """Looks at what `state` says.

    Args:
        base_dir: What relative paths start from.
        env: The variables there are.
    """
    try:
        shared = await found_shared_state(config, base_dir, env)
    except ConfigError as error:
        return StateFindings(issues=error.problems)
    try:
        if not await shared.connection.open():
            why = f"Redis at {shared.connection.where} cannot be used: {shared.connection.problem}"
            return StateFindings(issues=[f"state.url: {why}. Start it there, or correct state"])
        return await _looked(shared)
    except StoreUnavailable as error:
        return StateFindings(issues=[f"state.url: {error.message}"])
    finally:
        await shared.close()


async def _looked(shared: SharedState) -> StateFindings:
    config, where = shared.config, shared.connection.where
    issues: list[str] = []
    kind, warnings = await _server(shared, issues)
    company = await shared.listeners.look(await shared.known_mark())
    if company.strange:
        issues.append(strange_secret(config, company, where))
    count = len(company.same) + len(company.strange)
    listeners = [*company.same, *company.strange]
    if abs(company.ahead) > CLOCK_SECONDS:
        warnings.append(f"state: {strange_clock(company, where)}")
    warnings += [
        f"state: the clock of {listener.name} is {apart(listener.ahead)} that of Redis at {where}: have both"
        " set by NTP"
        for listener in listeners
        if abs(listener.ahead) > CLOCK_SECONDS
    ]
    if others := await shared.listeners.schemas(config.key_prefix):
        warnings.append(
            f"state: listeners of another version of callmux use Redis at {where}, too (form"
            f" {', '.join(others)}): they share nothing with this one. Upgrade all"
        )
    if config.key is None:
        warnings.append(
            "state.key is not set: whoever can read Redis can make session ids, and sign-ins stay with each"
            " listener. Give all listeners the same one, such as env:CALLMUX_STATE_KEY"
        )
    who = f"{count} listener{'s' * (count != 1)} share{'s' * (count == 1)} it"
    return StateFindings(issues=issues, warnings=warnings, lines=[f"State: {kind} at {where}, {who}"])


async def _server(shared: SharedState, issues: list[str]) -> tuple[str, list[str]]:
    """What answers there, and what is odd about it; adds what is wrong."""
    try:
        facts: dict[str, Any] = await shared.connection.run("INFO")
    except StoreUnavailable as error:
        return "Redis", [f"state: the version of Redis is not known: {error.message}"]
    facts = _of_one(facts)
    version = str(facts.get("redis_version", ""))
    valkey = facts.get("valkey_version")
    kind = f"Valkey {valkey}" if valkey else f"Redis {version}"
    if not valkey and _numbers(version) < OLDEST:
        issues.append(f"state.url: Redis {version} is too old: 7.0 or newer is needed, or Valkey")
    warnings = []
    policy = str(facts.get("maxmemory_policy", "noeviction"))
    if int(facts.get("maxmemory", 0) or 0) and policy != "noeviction":
        warnings.append(
            f"state: Redis drops keys where its memory is full (maxmemory-policy {policy}): sessions lose log"
            " level and subscriptions then. Use noeviction, and room enough"
        )
    return kind, warnings


def _of_one(facts: dict[str, Any]) -> dict[str, Any]:
    """What one server says; of a cluster, whichever stands first."""
    first = next(iter(facts.values()), None)
    return first if isinstance(first, dict) and "redis_version" in first else facts


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split(".")[:2]
    return tuple(int(part) if part.isascii() and part.isdigit() else 0 for part in parts)
