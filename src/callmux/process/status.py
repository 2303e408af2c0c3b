"""The status payload: what is connected, how it is configured, how much it holds. Pure but for the cwd.

Called by `callmux.process.runtime` for `callmux_status`; later also by probes and the dashboard.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any

import msgspec

from callmux.config.model import Config
from callmux.config.servers import HttpServer, StdioServer
from callmux.upstream.health import State
from callmux.upstream.pool import Pool
from callmux.upstream.server import Server


def instance_id(config: Config, cwd: str) -> str:
    """Twelve hexadecimal digits that stay the same for the same configuration in the same directory."""
    servers: dict[str, Any] = {}
    for name, server in sorted(config.servers.items()):
        if isinstance(server, StdioServer):
            servers[name] = [server.command, server.args, server.cwd, server.tools]
        elif isinstance(server, HttpServer):
            servers[name] = [server.url, server.transport, server.tools]
    facts = [servers, config.meta_only, config.expose_meta_tools, config.strict_startup, cwd]
    return hashlib.sha256(msgspec.json.encode(facts, order="deterministic")).hexdigest()[:12]


def snapshot(
    config: Config,
    servers: Mapping[str, Server],
    pool: Pool,
    namespace: str | None,
    blocks: Mapping[str, Any],
) -> dict[str, Any]:
    """The payload without tools; see docs/tools.md, `callmux_status`.

    Args:
        servers: The servers that are not disabled.
        blocks: What other parts say of themselves, in the order shown.
    """
    facts: dict[str, Any] = {"mode": "meta-only" if config.meta_only else "standard"}
    if namespace:
        facts["namespace"] = namespace
    facts["instanceId"] = instance_id(config, os.getcwd())
    facts["wrappedServers"] = sorted(servers)
    facts["servers"] = [_server(name, config, s) for name, s in servers.items() if _is_up(s)]
    facts["failedServers"] = [_failed(s) for s in servers.values() if not _is_up(s)]
    facts["disabledServers"] = sorted(name for name, s in config.servers.items() if s.disabled)
    facts["toolSuiteGeneration"] = pool.generation
    if pool.changed_at is not None:
        facts["lastToolSuiteChangeAt"] = pool.changed_at
    facts.update(blocks)
    facts["maxConcurrency"] = config.max_concurrency
    if config.recipes:
        facts["recipes"] = [
            {"name": name, "mode": r.mode, **({"description": r.description} if r.description else {})}
            for name, r in sorted(config.recipes.items())
        ]
        facts["recipeCount"] = len(config.recipes)
    return facts


def _is_up(server: Server) -> bool:
    """Whether a server counts as up: one that was connected once stays so, and its tools stay listed."""
    return server.health.state is State.CONNECTED or server.suite.listed


def _server(name: str, config: Config, server: Server) -> dict[str, Any]:
    settings = config.servers[name]
    facts = _record(server)
    if settings.tools is not None:
        facts["toolFilter"] = list(settings.tools)
        facts["totalTools"] = len(server.suite.tools)
    if settings.max_concurrency is not None:
        facts["maxConcurrency"] = settings.max_concurrency
    return facts


def _failed(server: Server) -> dict[str, Any]:
    facts = _record(server)
    facts.setdefault("error", "it has not been connected yet")
    return facts


def _record(server: Server) -> dict[str, Any]:
    """What a server says of itself, and, where it does not work, what to do."""
    facts = server.record()
    if server.health.state not in (State.CONNECTED, State.SLEEPING):
        from callmux.failures.registry import find, next_step, of_state

        failure = find("sign_in_needed") if facts.get("signInNeeded") else of_state(server.health.state.value)
        if failure is not None:
            facts["nextStep"] = next_step(failure, {"server": server.name})
    return facts
