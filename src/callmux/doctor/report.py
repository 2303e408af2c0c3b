"""What `callmux doctor` found, as text and as JSON. Pure.

Made by `callmux.doctor.checks` and `callmux.doctor.clients`, printed by `callmux.cli.doctor`.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

MOST_NAMED = 5
"""How many servers and clients with issues the last line names."""


class ServerReport(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What one server showed.

    Attributes:
        name: Its key.
        command: Its command line or URL, secrets hidden.
        status: Whether it works; a disabled server is not asked.
        executable_path: Where its command was found.
        tool_count: Tools that clients see, after the whitelist.
        issues: What is wrong.
        stderr: The last lines that the server wrote, where it could not be asked.
        sign_in_needed: It wants a person to sign in.
    """

    name: str
    command: str
    status: Literal["ok", "error", "disabled"]
    executable_path: str | UnsetType = UNSET
    tool_count: int = 0
    issues: list[str] = []
    stderr: list[str] | UnsetType = UNSET
    sign_in_needed: bool | UnsetType = UNSET


class ClientReport(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a client has entered for callmux.

    Attributes:
        client: Its kind, as `callmux client` names it.
        path: Its file.
        name: The entry's name; empty where the file itself is the problem.
        command: The command line or URL, secrets hidden.
        status: `error` where the client cannot start or reach callmux.
        issues: What is wrong, each with what to do.
        warnings: What works but is probably not meant.
    """

    client: str
    path: str
    name: str
    command: str
    status: Literal["ok", "error"]
    issues: list[str] = []
    warnings: list[str] = []

    @property
    def label(self) -> str:
        """What its issues begin with in the whole list."""
        return f"client {self.client} ({self.path})" + (f' "{self.name}"' if self.name else "")


class Report(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was found altogether.

    Attributes:
        ok: Whether there is no issue.
        config_path: The file, as it was named.
        format: `native`, `mcpCompatible`, `missing` or `invalid`.
        preset: What the configuration's preset sets, where it has one.
        state: What listeners share, and where, with `state`.
        issues: Every issue; those of a server start with its name.
        warnings: What works but is probably not meant.
        servers: The servers in the order of the file.
        clients: What MCP clients of this machine have entered for callmux.
        byte_code: Where callmux keeps its own, where Python does not.
    """

    ok: bool
    config_path: str
    format: Literal["native", "mcpCompatible", "missing", "invalid"]
    server_count: int = 0
    cache_ttl_seconds: int = 0
    max_concurrency: int = 0
    preset: list[str] | UnsetType = UNSET
    state: list[str] | UnsetType = UNSET
    issues: list[str] = []
    warnings: list[str] = []
    servers: list[ServerReport] = []
    clients: list[ClientReport] = []
    byte_code: str | UnsetType = UNSET


def failure(config_path: str, kind: Literal["missing", "invalid"], issues: list[str]) -> Report:
    """The report on a file that cannot be used."""
    return Report(ok=False, config_path=config_path, format=kind, issues=issues)


def with_clients(report: Report, clients: list[ClientReport]) -> Report:
    """The report, with what was found in clients' files; their issues count as any other."""
    issues = [f"{client.label}: {issue}" for client in clients for issue in client.issues]
    warnings = [f"{client.label}: {warning}" for client in clients for warning in client.warnings]
    return msgspec.structs.replace(
        report,
        ok=report.ok and not issues,
        issues=[*report.issues, *issues],
        warnings=[*report.warnings, *warnings],
        clients=clients,
    )


def with_byte_code(report: Report, kept: str | None, warnings: list[str]) -> Report:
    """The report, with what becomes of the byte code of callmux on this machine.

    Args:
        kept: Where callmux keeps it; None where it need not.
        warnings: Where it is kept nowhere.
    """
    return msgspec.structs.replace(
        report, byte_code=UNSET if kept is None else kept, warnings=[*report.warnings, *warnings]
    )


def with_state(report: Report, issues: list[str], warnings: list[str], lines: list[str]) -> Report:
    """The report, with what was found about what listeners share."""
    return msgspec.structs.replace(
        report,
        ok=report.ok and not issues,
        issues=[*report.issues, *issues],
        warnings=[*report.warnings, *warnings],
        state=lines or UNSET,
    )


def said_lines(stderr: list[str] | UnsetType) -> list[str]:
    """What a server wrote, below the issue that has the line that tells; a single line is that one."""
    if stderr is UNSET or len(stderr) < 2:
        return []
    return ["  its last lines:", *(f"    {line}" for line in stderr)]


def text_lines(report: Report) -> list[str]:
    """The report for people: everything that JSON says."""
    lines = [
        f"Status: {'ok' if report.ok else 'issues found'}",
        f"Config: {report.config_path}",
        f"Format: {report.format}",
        f"Servers: {report.server_count}",
        f"Cache TTL: {report.cache_ttl_seconds}s",
        f"Max concurrency: {report.max_concurrency}",
    ]
    lines += [] if report.preset is UNSET else report.preset
    lines += [] if report.byte_code is UNSET else [f"Byte code: {report.byte_code}"]
    lines += [] if report.state is UNSET else report.state
    shown = {f"{server.name}: {issue}" for server in report.servers for issue in server.issues}
    for client in report.clients:
        shown |= {f"{client.label}: {text}" for text in (*client.issues, *client.warnings)}
    general = [f"Issue: {issue}" for issue in report.issues if issue not in shown]
    general += [f"Warning: {warning}" for warning in report.warnings if warning not in shown]
    if general:
        lines += ["", *general]
    for server in report.servers:
        lines += ["", f"[{server.status}] {server.name}", f"  command: {server.command}"]
        if server.executable_path is not UNSET:
            lines.append(f"  executable: {server.executable_path}")
        if server.status != "disabled":
            lines.append(f"  tools: {server.tool_count}")
        lines += [f"  issue: {issue}" for issue in server.issues]
        lines += said_lines(server.stderr)
    for client in report.clients:
        lines += ["", f"[{client.status}] {client.label}"]
        if client.command:
            lines.append(f"  command: {client.command}")
        lines += [f"  issue: {issue}" for issue in client.issues]
        lines += [f"  warning: {warning}" for warning in client.warnings]
    return [*lines, "", verdict(report)]


def verdict(report: Report) -> str:
    """The last line: what it comes to, and where to look."""
    if report.format in ("missing", "invalid"):
        return f"Result: issues found: the configuration is {report.format}"
    works = sum(server.status == "ok" for server in report.servers)
    off = sum(server.status == "disabled" for server in report.servers)
    asked = len(report.servers) - off
    text = f"{works} of {asked} servers work" if asked != 1 else ("it works" if works else "it does not work")
    if asked == 1:
        text = f"1 server, {text}"
    text += f", {off} disabled" if off else ""
    text += f"; {len(report.issues)} issue{'s' * (len(report.issues) != 1)}" if report.issues else ""
    text += f"; {len(report.warnings)} warning{'s' * (len(report.warnings) != 1)}" if report.warnings else ""
    where = [server.name for server in report.servers if server.issues]
    where += [f"client {client.client}" for client in report.clients if client.issues]
    if len(where) > MOST_NAMED:
        where = [*where[: MOST_NAMED - 1], f"{where[MOST_NAMED - 1]} and {len(where) - MOST_NAMED} more"]
    named = f" ({', '.join(where)})" if where else ""
    return f"Result: {'ok' if report.ok else 'issues found'}: {text}{named}"
