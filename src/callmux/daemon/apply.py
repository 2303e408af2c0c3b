"""Carries out a plan for the background service: writes or removes its file, runs the commands.

Called by `callmux.cli.daemon`. Files that are not ours are left alone, and what was written is taken back
where the service manager refuses it.
"""

from __future__ import annotations

import os
import secrets
import shlex
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec import UNSET

from callmux.daemon.plan import ServicePlan, Step
from callmux.daemon.units import is_managed
from callmux.errors import CallmuxError
from callmux.text import NotText, text_of

SECONDS = 200.0
"""How long a command of the service manager may take: starting a service waits until it is ready."""


class DaemonFailed(CallmuxError):
    """An action that was refused or failed."""

    code = "daemon_failed"


class Done(NamedTuple):
    """A command that has run: its exit code and what it said."""

    code: int
    output: str


class ServiceOutcome(NamedTuple):
    """What was done: each command and what it said; whether the last one succeeded."""

    output: str
    ok: bool


Runner = Callable[[Sequence[str]], Done]
"""Runs one command."""


def run_command(words: Sequence[str]) -> Done:
    """Runs a command of the service manager.

    Raises:
        DaemonFailed: It is not there, or does not end.
    """
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DaemonFailed(f'"{shlex.join(words)}" did not end within {SECONDS:g} s') from None
    except OSError as error:
        raise DaemonFailed(f'"{words[0]}" cannot be run: {error.strerror or error}') from None
    return Done(done.returncode, done.stdout.decode("utf-8", "replace"))


def stream_command(words: Sequence[str]) -> int:
    """Runs a command that says what it has to say right to the terminal. Gives its exit code.

    Raises:
        DaemonFailed: It is not there.
    """
    try:
        return subprocess.run(words, check=False).returncode
    except OSError as error:
        raise DaemonFailed(f'"{words[0]}" cannot be run: {error.strerror or error}') from None


def existing(plan: ServicePlan) -> str | None:
    """The text of the service file that is there; None for none, or an empty one.

    Raises:
        DaemonFailed: It cannot be read.
    """
    if plan.service_file_path is UNSET:
        return None
    path = Path(plan.service_file_path)
    try:
        text = text_of(path.read_bytes(), path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DaemonFailed(f'cannot read "{path}": {error.strerror or error}') from None
    except NotText as error:
        raise DaemonFailed(f"cannot read {error.message}") from None
    return text if text.strip() else None


def check_owner(plan: ServicePlan, *, force: bool) -> None:
    """Refuses to touch a service file that we did not write.

    Args:
        force: Whether it is ours from now on.

    Raises:
        DaemonFailed: It is somebody else's.
    """
    text = existing(plan)
    if plan.action not in ("install", "uninstall") or text is None or is_managed(text) or force:
        return
    verb = "overwrite" if plan.action == "install" else "remove"
    raise DaemonFailed(
        f"Refusing to {verb} unmanaged daemon file {plan.service_file_path}: callmux did not write it."
        f" Choose another --name, or {verb} it with --force (it is kept as .bak)"
    )


def apply(plan: ServicePlan, run: Runner = run_command, *, force: bool = False) -> ServiceOutcome:
    """Carries out a plan.

    Raises:
        DaemonFailed: It was refused, or a command failed that may not; the message holds what was said. What
            was written is as it was before.
    """
    check_owner(plan, force=force)
    said: list[str] = []
    if plan.action == "uninstall":
        return _uninstall(plan, run, said)
    ok = True
    undo = None if plan.file is UNSET else _write(Path(plan.file.path), plan.file.content, said)
    try:
        for step in plan.steps:
            ok = _step(step, run, said, plan)
    except DaemonFailed:
        if undo is not None:
            undo()
            said.append("The files are as they were before.")
            raise DaemonFailed("\n".join(said)) from None
        raise
    return ServiceOutcome("\n".join(said), ok)


def _step(step: Step, run: Runner, said: list[str], plan: ServicePlan) -> bool:
    said.append(f"$ {shlex.join(step.words)}")
    try:
        done = run(step.words)
    except DaemonFailed as failure:
        if step.may_fail:
            said.append(failure.message)
            return True
        raise DaemonFailed("\n".join([*said, failure.message])) from None
    if done.output.strip():
        said.append(done.output.rstrip())
    if done.code == 0 or step.may_fail:
        return True
    # A stopped service is an answer, not a failure.
    if plan.action == "status":
        return False
    said.append(f"exit code {done.code}{_advice(plan, done.output)}")
    raise DaemonFailed("\n".join(said))


def _advice(plan: ServicePlan, output: str) -> str:
    if "Failed to connect to bus" in output or "No medium found" in output:
        return ": there is no session of this user. Log in as that user rather than with su, or use --system"
    path = plan.service_file_path
    if plan.action != "install" and path is not UNSET and not os.path.exists(path):
        other = "system" if plan.scope == "user" else "user"
        return f': there is no {path}. Install it with "callmux daemon install", or say --{other}'
    if plan.action in ("install", "start", "restart"):
        return ': "callmux daemon logs" shows what the service itself said'
    return ""


def _uninstall(plan: ServicePlan, run: Runner, said: list[str]) -> ServiceOutcome:
    text = existing(plan)
    path = None if plan.service_file_path is UNSET else Path(plan.service_file_path)
    last = plan.steps[1:]
    for step in plan.steps[:1]:
        _step(step, run, said, plan)
    if path is not None and text is not None:
        try:
            if not is_managed(text):
                _put(path.with_name(f"{path.name}.bak"), text.encode())
                said.append(f"Kept {path}.bak")
            path.unlink()
        except OSError as error:
            raise _unwritable(path, error, said) from None
        said.append(f"Removed {path}")
    else:
        said.append(f"There was no {path}")
    for step in last:
        _step(step, run, said, plan)
    return ServiceOutcome("\n".join(said), True)


def _write(path: Path, content: str, said: list[str]) -> Callable[[], None]:
    """Writes a service file; gives what takes that back."""
    try:
        before = path.read_bytes() if path.exists() else None
        if before is not None and before.strip() and not is_managed(before.decode("utf-8", "replace")):
            _put(path.with_name(f"{path.name}.bak"), before)
            said.append(f"Kept {path}.bak")
        path.parent.mkdir(parents=True, exist_ok=True)
        _put(path, content.encode())
    except OSError as error:
        raise _unwritable(path, error, said) from None
    said.append(f"Wrote {path}")

    def undo() -> None:
        if before is None:
            path.unlink(missing_ok=True)
        else:
            _put(path, before)

    return undo


def _put(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        # Gone already, unless something went wrong.
        temporary.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError, said: list[str]) -> DaemonFailed:
    hint = ": run it with sudo, or leave --system out" if isinstance(error, PermissionError) else ""
    return DaemonFailed("\n".join([*said, f'cannot write "{path}": {error.strerror or error}{hint}']))
