"""`callmux daemon`: the shared listener as a service of systemd or launchd.

Called by `callmux.cli.main`; what would be done is decided by `callmux.daemon.plan`. Nothing is installed or
removed without a yes.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import cast

from msgspec import UNSET

from callmux.cli.console import print_json, print_lines
from callmux.cli.grammar.daemon import COMMANDS
from callmux.cli.parsing import Given, read, refusal
from callmux.config.load import find_config, load_config, target_config
from callmux.daemon.apply import (
    DaemonFailed,
    Runner,
    apply,
    check_owner,
    existing,
    run_command,
    stream_command,
)
from callmux.daemon.plan import (
    DEFAULT_HOST,
    DEFAULT_NAME,
    DEFAULT_PORT,
    NO_SYSTEMD,
    Action,
    ServiceMachine,
    ServiceOptions,
    ServicePlan,
    make_plan,
    plan_lines,
)
from callmux.daemon.units import Scope, is_managed
from callmux.errors import CallmuxError, UsageError
from callmux.text import text_of

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
SYSTEMD = Path("/run/systemd/system")
"""Is there where systemd is the init system: sd_booted(3)."""
LINGER = Path("/var/lib/systemd/linger")
"""Has a file for each user whose services outlive their last session."""


def run(
    args: list[str],
    config_option: str | None,
    runner: Runner = run_command,
    place: ServiceMachine | None = None,
) -> int:
    """Gives the exit code.

    Args:
        runner: Runs the commands of the service manager, in place of the real thing.
        place: The machine, in place of the real one.
    """
    given = read(COMMANDS[0], args)
    place = place or this_place()
    options = _options(given, config_option)
    plan = make_plan(options, place)
    warnings = _findings(options, plan, place) if options.action == "install" else []
    before = existing(plan) if plan.file is not UNSET else None
    installed = before is not None and is_managed(before)
    changed = installed and plan.file is not UNSET and before != plan.file.content
    plan = make_plan(options, place, warnings, installed=installed, changed=changed)
    as_json = given.on("--json")
    if given.on("--dry-run"):
        _show(plan, "\n".join(plan_lines(plan)), as_json)
        return 0
    if not plan.supported:
        _show(plan, "\n".join(plan_lines(plan)), as_json)
        return 1
    if plan.kind == "systemd" and not place.systemd_runs:
        raise DaemonFailed(NO_SYSTEMD)
    force = given.on("--force")
    check_owner(plan, force=force)
    if options.action in ("install", "uninstall") and not given.on("--yes"):
        if as_json:
            raise refusal(given.command, "--json cannot ask: add --yes to do it, or --dry-run to see it")
        if not _confirmed(plan):
            print("Nothing was changed.")
            return 1
    if options.follow:
        return stream_command(plan.commands[0])
    outcome = apply(plan, runner, force=force)
    warned = "".join(f"\nWarning: {warning}" for warning in plan.warnings)
    _show(plan, outcome.output + warned, as_json)
    return 0 if outcome.ok else 1


def this_place() -> ServiceMachine:
    """The machine that we are on."""
    return ServiceMachine(
        platform=sys.platform,
        has_systemctl=shutil.which("systemctl") is not None,
        systemd_runs=SYSTEMD.is_dir(),
        uid=os.getuid() if hasattr(os, "getuid") else None,
        home=str(Path.home()),
        path=os.environ.get("PATH"),
    )


def _options(given: Given, config_option: str | None) -> ServiceOptions:
    name = (given.text("--name") or DEFAULT_NAME).strip()
    if not _NAME.fullmatch(name):
        raise refusal(given.command, f'--name must have letters, digits, "_", "." and "-" only, not "{name}"')
    if given.on("--user") and given.on("--system"):
        raise refusal(given.command, "--user and --system exclude each other")
    scope: Scope | None = "user" if given.on("--user") else "system" if given.on("--system") else None
    host = given.text("--host")
    if host is not None and not host.strip():
        raise refusal(given.command, "--host is empty")
    return ServiceOptions(
        action=cast(Action, given.command.word),
        name=name,
        port=given.number("--port") or DEFAULT_PORT,
        host=host,
        scope=scope,
        command=_command(given),
        config_path=os.path.abspath(target_config(config_option, os.environ, Path.home())),
        start=given.on("--start"),
        enable=given.on("--enable"),
        anew=given.on("--anew"),
        follow=given.on("--follow"),
    )


def _command(given: Given) -> tuple[str, ...]:
    binary = given.text("--binary")
    if binary is None:
        from callmux.cli.own_entry import this_program
        from callmux.clients.program import lasting, start_command

        program = this_program()
        if given.command.word == "install":
            lasting(program)
        return start_command(program, absolute=True)
    path = os.path.abspath(os.path.expanduser(binary))
    if path.endswith((".js", ".mjs", ".cjs")):
        raise refusal(
            given.command, "--binary names callmux for Node: install its service by its own command"
        )
    if not os.access(path, os.X_OK) or not os.path.isfile(path):
        raise refusal(given.command, f'--binary "{path}" is not a program that can be run')
    return (path,)


def _findings(options: ServiceOptions, plan: ServicePlan, place: ServiceMachine) -> list[str]:
    """What to know before it is installed.

    Raises:
        CallmuxError: The listener would not start.
    """
    from callmux.daemon.variables import assigned_variables, needed_variables
    from callmux.serving.posture import check_posture

    path = Path(options.config_path)
    find_config(options.config_path, os.environ, Path.home())
    loaded = load_config(path, os.environ)
    try:
        check_posture(loaded.config, options.host or DEFAULT_HOST)
    except CallmuxError as error:
        raise UsageError(f"this service could not start: {error.message}") from None
    warnings = []
    needed = needed_variables(load_config(path, os.environ, resolve=False).config)
    if plan.variables_path is not UNSET:
        file = Path(plan.variables_path)
        has = assigned_variables(text_of(file.read_bytes(), file)) if file.is_file() else set()
        missing = [name for name in needed if name not in has]
        where = f"write them into {file} (mode 0600) as KEY=value lines"
    else:
        missing, where = needed, "launchd does not have them, so use file: references in the configuration"
    if missing:
        warnings.append(f"the configuration uses environment variables ({', '.join(missing)}): {where}")
    if plan.kind == "systemd" and plan.scope == "system":
        warnings.append("the service and its servers run as root: --user makes it a service of your user")
    if plan.kind == "systemd" and plan.scope == "user" and LINGER.is_dir():
        user = Path(place.home).name
        if not (LINGER / user).exists():
            warnings.append('the service ends with your last session, unless "loginctl enable-linger" is run')
    return warnings


def _confirmed(plan: ServicePlan) -> bool:
    """Whether somebody at the terminal says yes.

    Raises:
        UsageError: There is nobody to ask.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            f"daemon {plan.action} needs a yes, and there is no terminal to ask: add --yes, or --dry-run"
            " to see what would be done"
        )
    print_lines(plan_lines(plan))
    try:
        answer = input(f"\n{plan.action.capitalize()} this service? [y/N] ")
    except EOFError:
        return False
    return answer.strip().lower() in ("y", "yes")


def _show(plan: ServicePlan, output: str, as_json: bool) -> None:
    if as_json:
        print_json({"plan": plan.shown(), "output": output})
    elif output:
        print(output)
