"""A configured server as commands show it: without its secrets.

Called by `callmux.cli.server` and `callmux.cli.server_edit`. It shows what is written: no reference is
followed, no variable filled in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from callmux.cli.console import labelled
from callmux.config.check import check_server
from callmux.config.redact import mask_command, mask_url, shown_command
from callmux.config.servers import HttpServer, StdioServer


def entry(name: str, server: StdioServer | HttpServer) -> dict[str, Any]:
    """A server as `--json` shows it: values of `env` and `headers` never appear."""
    policy = msgspec.to_builtins(server.cache_policy)
    common = {
        "tools": server.tools,
        "denyTools": server.deny_tools or None,
        "cachePolicy": policy or None,
        "callTimeoutMs": server.call_timeout_ms,
        "connectTimeoutMs": server.connect_timeout_ms,
        "requestBodyMaxBytes": server.request_body_max_bytes,
        "disabled": server.disabled or None,
    }
    shown: dict[str, Any]
    if isinstance(server, StdioServer):
        command, *args = mask_command([server.command, *server.args])
        shown = {
            "command": command,
            "args": args or None,
            "cwd": server.cwd,
            "cwdMode": server.cwd_mode,
            "tools": common.pop("tools"),
            "envKeys": sorted({*server.env, *server.env_refs}) or None,
            "envFile": server.env_file,
        }
    else:
        shown = {
            "url": mask_url(server.url),
            "transport": server.transport,
            "tools": common.pop("tools"),
            "forwardHeaders": server.forward_headers or None,
        }
    return {"name": name, **{key: value for key, value in {**shown, **common}.items() if value is not None}}


def shown_target(name: str, written: Mapping[str, Any]) -> str:
    """What an entry as the file has it starts or calls, in one line without secrets."""
    server, _, _ = check_server(dict(written), f"servers.{name}")
    if server is None:
        return "(an entry that does not load)"
    if isinstance(server, HttpServer):
        return mask_url(server.url)
    return shown_command([server.command, *server.args])


def server_lines(server: StdioServer | HttpServer) -> list[str]:
    """A server as the list shows it, a line for each thing that is set."""
    shown: dict[str, Any]
    if isinstance(server, StdioServer):
        shown = {
            "command": shown_command([server.command, *server.args]),
            "cwd": server.cwd,
            "cwd mode": server.cwd_mode,
            "env keys": sorted({*server.env, *server.env_refs}) or None,
            "env file": server.env_file,
        }
    else:
        shown = {
            "url": mask_url(server.url),
            "transport": server.transport,
            "forward headers": server.forward_headers or None,
        }
    limit = server.request_body_max_bytes
    return labelled(
        {
            **shown,
            "tools": server.tools,
            "denied tools": server.deny_tools or None,
            "cache allow": server.cache_policy.allow_tools or None,
            "cache deny": server.cache_policy.deny_tools or None,
            "call timeout ms": server.call_timeout_ms,
            "connect timeout ms": server.connect_timeout_ms,
            "request body max bytes": "unlimited" if limit == 0 else limit,
            "disabled": "true" if server.disabled else None,
        }
    )
