"""Tries servers of the configuration: start or connect, list the tools, leave.

Called by `callmux.cli.server_try` with a function that asks a server (`callmux.upstream.probe`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from callmux.config.check import check_document
from callmux.config.load import LoadedConfig
from callmux.doctor.checks import Probe, Progress, look_at, shown
from callmux.doctor.report import said_lines


class Trial(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How one server did.

    Attributes:
        name: Its key.
        command: Its command line or URL, secrets hidden.
        status: Whether it works; a disabled server is tried only when it is named.
        executable_path: Where its command was found.
        tools: The tools that clients see, sorted.
        issues: What is wrong.
        stderr: The last lines that the server wrote, where it could not be asked.
        requested_tool: The tool that was asked for.
        requested_tool_found: Whether clients see it.
        sign_in_needed: It wants a person to sign in.
    """

    name: str
    command: str
    status: Literal["ok", "error", "disabled"]
    executable_path: str | UnsetType = UNSET
    tools: list[str] = []
    issues: list[str] = []
    stderr: list[str] | UnsetType = UNSET
    requested_tool: str | UnsetType = UNSET
    requested_tool_found: bool | UnsetType = UNSET
    sign_in_needed: bool | UnsetType = UNSET

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.status != "error"


class Trials(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How all servers did, in the order of the file."""

    ok: bool
    server_count: int
    reports: list[Trial]


async def try_servers(
    loaded: LoadedConfig,
    names: Sequence[str],
    probe: Probe,
    env: Mapping[str, str],
    *,
    tool: str | None = None,
    named: bool = False,
    progress: Progress | None = None,
) -> list[Trial]:
    """Tries servers, at most `maxConcurrency` at a time; each has `connectTimeoutMs`.

    Args:
        names: Keys of `loaded.config.servers`.
        tool: A tool that each of them has to expose.
        named: Whether they were asked for by name: disabled ones are tried, too.
        progress: Told who is asked and what came of it.

    Returns:
        The results in the order of `names`.
    """
    # Shown as written: what stands behind a ${VAR} may be a secret.
    written = check_document(loaded.document).config.servers
    slots = asyncio.Semaphore(loaded.config.max_concurrency)
    progress = progress or Progress()

    async def one(name: str) -> Trial:
        async with slots:
            return await _try(name)

    async def _try(name: str) -> Trial:
        server = loaded.config.servers[name]
        if server.disabled and not named:
            progress.finished(name, "disabled")
            return Trial(name=name, command=shown(written[name]), status="disabled")
        look = await look_at(name, server, probe, env, loaded, progress)
        issues = list(look.issues)
        if tool is not None and tool not in look.tools:
            issues.append(f'tool "{tool}" was not exposed by "{name}"')
        return Trial(
            name=name,
            command=shown(written[name]),
            status="error" if issues else "ok",
            executable_path=look.executable or UNSET,
            tools=sorted(look.tools),
            issues=issues,
            stderr=list(look.said) or UNSET,
            requested_tool=UNSET if tool is None else tool,
            requested_tool_found=UNSET if tool is None else tool in look.tools,
            sign_in_needed=look.sign_in or UNSET,
        )

    return list(await asyncio.gather(*map(one, names)))


def summary(trials: list[Trial]) -> Trials:
    """All results as one."""
    return Trials(ok=all(trial.passed for trial in trials), server_count=len(trials), reports=trials)


def trial_lines(trial: Trial) -> list[str]:
    """One result for people."""
    status = "issues found" if trial.status == "error" else trial.status
    lines = [f"Status: {status}", f"Server: {trial.name}", f"Command: {trial.command}"]
    if trial.executable_path is not UNSET:
        lines.append(f"Executable: {trial.executable_path}")
    if trial.status != "disabled":
        lines.append(f"Tools: {len(trial.tools)}")
    if trial.requested_tool is not UNSET:
        found = "found" if trial.requested_tool_found is True else "missing"
        lines.append(f"Requested tool: {trial.requested_tool} ({found})")
    lines += [f"- {tool}" for tool in trial.tools]
    issues = [f"Issue: {issue}" for issue in trial.issues]
    return [*lines, "", *issues, *said_lines(trial.stderr)] if issues else lines


def summary_lines(trials: Trials) -> list[str]:
    """All results for people."""
    passed = sum(trial.passed for trial in trials.reports)
    lines = [
        f"Status: {'ok' if trials.ok else 'issues found'}",
        f"Servers tested: {trials.server_count}",
        f"Passed: {passed}",
        f"Failed: {trials.server_count - passed}",
    ]
    for trial in trials.reports:
        lines += ["", *trial_lines(trial)]
    failed = ", ".join(trial.name for trial in trials.reports if not trial.passed)
    result = f"issues found: {failed}" if failed else "ok"
    return [*lines, "", f"Result: {result} ({passed} of {trials.server_count} passed)"]
