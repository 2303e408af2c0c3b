"""What an action on the background service would write and run. Pure.

Called by `callmux.cli.daemon`; carried out by `callmux.daemon.apply`.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from callmux.daemon.units import Scope, launchd_plist, systemd_unit

Action = Literal["install", "uninstall", "start", "stop", "restart", "enable", "disable", "status", "logs"]
Kind = Literal["systemd", "launchd", "unsupported"]
DEFAULT_NAME, DEFAULT_PORT, DEFAULT_HOST = "callmux", 4860, "127.0.0.1"
LOG_LINES = 100
NO_SYSTEMD = (
    "systemd does not run here: let a supervisor of your own run the listener (callmux --listen PORT), or let"
    ' clients start it ("callmux client attach CLIENT --url URL --bridge --autostart")'
)


class ServiceOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for.

    Attributes:
        action: What to do.
        name: The service's name.
        port: Where it listens.
        host: On which address; None for loopback.
        scope: Whose service; None for what fits whoever asks.
        command: What starts callmux, absolute.
        config_path: The configuration file, absolute.
        start: Whether to start it after installing.
        enable: Whether to have it started with the machine, or the session.
        anew: Whether to restart without handing over, so that a changed service file counts.
        follow: Whether to show the log as it grows.
    """

    action: Action
    name: str = DEFAULT_NAME
    port: int = DEFAULT_PORT
    host: str | None = None
    scope: Scope | None = None
    command: tuple[str, ...]
    config_path: str
    start: bool = False
    enable: bool = False
    anew: bool = False
    follow: bool = False


class ServiceMachine(msgspec.Struct, frozen=True, kw_only=True):
    """The machine.

    Attributes:
        platform: As `sys.platform` has it.
        has_systemctl: Whether there is a `systemctl`.
        systemd_runs: Whether systemd is what started the machine.
        uid: Who asks; None where users have no numbers.
        home: Their home directory.
        path: Their `PATH`.
    """

    platform: str
    has_systemctl: bool
    systemd_runs: bool = True
    uid: int | None
    home: str
    path: str | None


class Step(msgspec.Struct, frozen=True):
    """A command.

    Attributes:
        words: Program and arguments.
        may_fail: Whether what follows is done all the same where this fails.
    """

    words: list[str]
    may_fail: bool = False


class ServiceFile(msgspec.Struct, frozen=True):
    """A file and what it holds."""

    path: str
    content: str


class ServicePlan(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What would be done, in this order: the file is written, the steps run; uninstalling, the last step runs
    when the file is gone.

    Attributes:
        supported: Whether there is a service manager that we know.
        label: What the service manager calls it, for systemd without `.service`.
        variables_path: A file with variables for the service, made by whoever needs one.
        warnings: What else to know.
        manual_command: What runs the listener by hand.
        file: What is written.
        steps: What is run.
    """

    action: Action
    kind: Kind
    scope: Scope
    supported: bool
    name: str
    label: str
    uid: int | UnsetType = UNSET
    service_file_path: str | UnsetType = UNSET
    config_path: str
    variables_path: str | UnsetType = UNSET
    port: int
    host: str | UnsetType = UNSET
    binary_path: str
    warnings: list[str] = []
    manual_command: str
    file: ServiceFile | UnsetType = UNSET
    commands: list[list[str]] = []
    steps: list[Step] = []

    def shown(self) -> dict[str, object]:
        """As JSON has it: commands as lists of words."""
        facts: dict[str, object] = msgspec.to_builtins(self)
        facts.pop("steps", None)
        return facts


def make_plan(
    options: ServiceOptions,
    place: ServiceMachine,
    warnings: Sequence[str] = (),
    *,
    installed: bool = False,
    changed: bool = False,
) -> ServicePlan:
    """The plan for an action on a machine.

    Args:
        warnings: What is known beside it.
        installed: Whether there is a service file of ours already.
        changed: Whether it says something else.
    """
    scope: Scope = options.scope or ("system" if place.platform == "linux" and place.uid == 0 else "user")
    kind, why = _kind(place, scope)
    words = _listener_command(options)
    manual = shlex.join(words)
    plan = ServicePlan(
        action=options.action,
        kind=kind,
        scope=scope,
        supported=kind != "unsupported",
        name=options.name,
        label=f"dev.callmux.{options.name}" if kind == "launchd" else options.name,
        uid=UNSET if place.uid is None else place.uid,
        config_path=options.config_path,
        port=options.port,
        host=UNSET if options.host is None else options.host,
        binary_path=shlex.join(options.command) if len(options.command) > 1 else options.command[0],
        warnings=[*warnings, *([why] if why else [])],
        manual_command=manual,
    )
    if kind == "systemd":
        return _systemd(plan, options, place, words, changed)
    if kind == "launchd":
        return _launchd(plan, options, place, words, installed)
    return plan


def _kind(place: ServiceMachine, scope: Scope) -> tuple[Kind, str | None]:
    if place.platform == "linux" and place.has_systemctl:
        return "systemd", None if place.systemd_runs else NO_SYSTEMD
    if place.platform == "darwin" and scope == "user":
        return "launchd", None
    if place.platform == "darwin":
        return "unsupported", "on macOS only services of a user are supported: leave --system out"
    if place.platform == "linux":
        return "unsupported", NO_SYSTEMD
    return "unsupported", f"there is no service manager that callmux knows on {place.platform}"


def _listener_command(options: ServiceOptions) -> list[str]:
    host = [] if options.host is None else ["--host", options.host]
    return [*options.command, "--config", options.config_path, "--listen", str(options.port), *host]


def _systemd(
    plan: ServicePlan, options: ServiceOptions, place: ServiceMachine, words: list[str], changed: bool
) -> ServicePlan:
    user = plan.scope == "user"
    base = f"{place.home}/.config/systemd/user" if user else "/etc/systemd/system"
    path = f"{base}/{options.name}.service"
    variables = f"{place.home}/.config/callmux" if user else "/etc/callmux"
    variables += f"/{options.name}.env"
    unit = f"{options.name}.service"
    control = ["systemctl", *(["--user"] if user else [])]
    journal = ["journalctl", *(["--user"] if user else []), "-u", unit]
    reload = Step([*control, "daemon-reload"])
    file: ServiceFile | UnsetType = UNSET
    steps: list[Step]
    match options.action:
        case "install":
            file = ServiceFile(path, systemd_unit(words, plan.scope, place.path, variables))
            steps = [reload]
            if options.enable:
                steps.append(Step([*control, "enable", unit]))
            if options.start:
                # A running service would go on with what the file said before.
                steps.append(Step([*control, "restart" if changed else "start", unit]))
        case "uninstall":
            steps = [Step([*control, "disable", "--now", unit], may_fail=True), reload]
        case "restart":
            # By its ExecReload: the new process takes the port over, and no call is lost.
            steps = [Step([*control, "restart" if options.anew else "reload-or-restart", unit])]
        case "status":
            steps = [Step([*control, "status", unit, "--no-pager", "-l"])]
        case "logs":
            steps = [Step([*journal, "-n", str(LOG_LINES), *(["-f"] if options.follow else ["--no-pager"])])]
        case verb:
            steps = [Step([*control, verb, unit])]
    return _with(plan, path, file, steps, variables)


def _launchd(
    plan: ServicePlan, options: ServiceOptions, place: ServiceMachine, words: list[str], installed: bool
) -> ServicePlan:
    path = f"{place.home}/Library/LaunchAgents/{plan.label}.plist"
    logs = f"{place.home}/Library/Logs/{options.name}"
    domain = f"gui/{place.uid}"
    target = f"{domain}/{plan.label}"
    file: ServiceFile | UnsetType = UNSET
    steps: list[Step]
    match options.action:
        case "install":
            variables = {} if place.path is None else {"PATH": place.path}
            file = ServiceFile(path, launchd_plist(plan.label, words, variables, logs))
            # What is loaded already cannot be loaded again.
            steps = [Step(["launchctl", "bootout", domain, path], may_fail=True)] if installed else []
            steps.append(Step(["launchctl", "bootstrap", domain, path]))
            if options.enable:
                steps.append(Step(["launchctl", "enable", target]))
            if options.start:
                steps.append(Step(["launchctl", "kickstart", "-k", target]))
        case "uninstall":
            steps = [Step(["launchctl", "bootout", domain, path], may_fail=True)]
        case "start":
            steps = [Step(["launchctl", "kickstart", "-k", target])]
        case "stop":
            steps = [Step(["launchctl", "kill", "TERM", target])]
        case "restart":
            steps = [
                Step(["launchctl", "kill", "TERM", target], may_fail=True),
                Step(["launchctl", "kickstart", "-k", target]),
            ]
        case "status":
            steps = [Step(["launchctl", "print", target])]
        case "logs":
            steps = [
                Step(["tail", "-n", str(LOG_LINES), *(["-f"] if options.follow else []), f"{logs}.err.log"])
            ]
        case verb:
            steps = [Step(["launchctl", verb, target])]
    return _with(plan, path, file, steps, UNSET)


def _with(
    plan: ServicePlan,
    path: str,
    file: ServiceFile | UnsetType,
    steps: list[Step],
    variables: str | UnsetType,
) -> ServicePlan:
    return msgspec.structs.replace(
        plan,
        service_file_path=path,
        variables_path=variables,
        file=file,
        steps=steps,
        commands=[step.words for step in steps],
    )


def plan_lines(plan: ServicePlan) -> list[str]:
    """The plan for people."""
    host = DEFAULT_HOST if plan.host is UNSET else plan.host
    lines = [
        f"Backend: {plan.kind} ({plan.scope})",
        f"Name: {plan.name}",
        f"Config: {plan.config_path}",
        f"Listen: {host}:{plan.port}",
    ]
    if plan.service_file_path is not UNSET:
        lines.append(f"Service file: {plan.service_file_path}")
    if plan.variables_path is not UNSET and plan.action == "install":
        lines.append(f"Variables: {plan.variables_path} (KEY=value lines, if you make one)")
    lines += [f"Warning: {warning}" for warning in plan.warnings]
    if plan.file is not UNSET:
        lines += ["", f"File to be written: {plan.file.path}"]
        lines += [f"  {line}".rstrip() for line in plan.file.content.splitlines()]
    if plan.action == "uninstall" and plan.service_file_path is not UNSET:
        lines += ["", f"File to be removed: {plan.service_file_path}"]
    if plan.commands:
        lines += ["", "Commands:", *(f"  {shlex.join(words)}" for words in plan.commands)]
    return [*lines, "", f"Manual command: {plan.manual_command}"]
