"""`callmux migrate`: takes over what callmux for Node left on this machine.

Called by `callmux.cli.main`; what stays and what changes is decided by `callmux.migrate.plan`.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from callmux.cli.console import print_json, print_lines
from callmux.cli.grammar.migrate import COMMANDS
from callmux.cli.own_entry import node_commands, this_machine, this_program
from callmux.cli.parsing import Given, read
from callmux.cli.taking_back import take_back
from callmux.clients import editing
from callmux.clients.changes import Change, apply, backups
from callmux.clients.detect import read_text
from callmux.clients.diff import unified
from callmux.clients.program import lasting, start_command
from callmux.config.load import target_config
from callmux.daemon.plan import ServiceOptions
from callmux.daemon.plan import make_plan as daemon_plan
from callmux.errors import UsageError
from callmux.migrate.plan import MigrationPlan, NewFile, make_plan
from callmux.migrate.state import SYSTEM_UNITS, look
from callmux.migrate.units import OldUnit
from callmux.timestamps import sortable

_WORDS = {"stays": "stays", "changes": "changes", "look": "LOOK"}


def run(args: list[str], config_option: str | None, system_units: Path = SYSTEM_UNITS) -> int:
    """Gives the exit code: 1 where somebody has to look at something.

    Args:
        system_units: Where units of the system are.
    """
    given = read(COMMANDS[0], args)
    if given.on("--undo"):
        return take_back(given, "migrate")
    machine = this_machine()
    if (source := given.text("--from")) is not None:
        return _take_over(given, source, config_option)
    program = lasting(this_program())
    config_path = Path(os.path.abspath(target_config(config_option, machine.env, machine.home)))
    state = look(machine, config_path, system_units)
    plan = make_plan(
        state,
        lambda kind: start_command(program, absolute=editing.has_poor_path(kind)),
        _unit,
        node_commands(program),
    )
    write = given.on("--yes") and not given.on("--dry-run")
    changes = [
        Change(
            path=Path(file.path),
            before=None if file.before is None else file.before.encode(),
            after=file.after.encode(),
            paths=file.paths,
            mode=file.mode,
        )
        for file in plan.files
    ]
    folder = apply(changes, backups(machine.home), "migrate", sortable(time.time())) if write else None
    if given.on("--json"):
        print_json(_shown(plan, folder))
    else:
        print_lines(_lines(plan, folder, write))
    return 1 if any(item.verdict == "look" for item in plan.items) else 0


def _take_over(given: Given, source: str, config_option: str | None) -> int:
    """The servers of another program's file. Gives the exit code: 1 where one had to be left out."""
    from callmux.cli.setup_steps import prepare
    from callmux.migrate.imported import imported
    from callmux.setup.choices import Choices
    from callmux.setup.plan import NewServer
    from callmux.setup.scene import check_config
    from callmux.setup.scene import look as look_around

    path = Path(os.path.abspath(os.path.expanduser(source)))
    text = read_text(path)
    if text is None:
        raise UsageError(f'--from: there is no file "{path}"')
    servers, items = imported(str(path), text)
    scene = look_around(this_machine(), config_option, with_project=False)
    check_config(scene, fresh=False)
    choices = Choices(added=[NewServer(name, entry) for name, entry in servers])
    _, planned, changes = prepare(choices, scene)
    files = tuple(
        NewFile(file.path, file.before, file.after)
        for file in planned.files
        if not (file.secret or file.is_schema)
    )
    plan = MigrationPlan(tuple(items), files, ())
    write = given.on("--yes") and not given.on("--dry-run")
    home = scene.machine.home
    folder = apply(changes, backups(home), "migrate", sortable(time.time())) if write else None
    if given.on("--json"):
        print_json(_shown(plan, folder))
    else:
        print_lines(_lines(plan, folder, write, from_node=False))
    return 1 if any(item.verdict == "look" for item in items) else 0


def _unit(path: str, old: OldUnit) -> str | None:
    """Our service file in place of one of the original's."""
    from callmux.cli.daemon import this_place

    name = Path(path).stem.removeprefix("dev.callmux.")
    made = daemon_plan(
        ServiceOptions(
            action="install",
            name=name,
            port=old.port,
            host=old.host,
            scope="user" if Path(path).is_relative_to(Path.home()) else "system",
            command=start_command(this_program(), absolute=True),
            config_path=old.config,
        ),
        this_place(),
    )
    return made.file.content if made.file and made.file.path == path else None


def _shown(plan: MigrationPlan, folder: Path | None) -> dict[str, Any]:
    return {
        "action": "migrate",
        "wrote": folder is not None,
        "items": [
            {"what": item.what, "path": item.path, "verdict": item.verdict, "details": item.why}
            for item in plan.items
        ],
        "files": [file.path for file in plan.files],
        "after": list(plan.after),
        **({} if folder is None else {"backupPath": str(folder)}),
    }


def _lines(plan: MigrationPlan, folder: Path | None, write: bool, *, from_node: bool = True) -> list[str]:
    lines = [
        f"{_WORDS[item.verdict]:<8} {item.what}: {item.path}\n         {item.why}" for item in plan.items
    ]
    if not plan.files:
        return [*lines, "", "Nothing has to change."]
    if not write:
        differences = [
            unified(file.path, file.before or "", file.after)
            for file in plan.files
            if file.before != file.after
        ]
        return [*lines, "", *differences, "", "Nothing was written: --yes writes it."]
    files = "1 file" if len(plan.files) == 1 else f"{len(plan.files)} files"
    lines += ["", f"Done: {files} written. What was there is kept in {folder}"]
    if plan.after:
        lines += ["Then run:", *(f"  {command}" for command in plan.after)]
    return [
        *lines,
        "To undo it: callmux migrate --undo",
        *(["If nothing else needs callmux for Node: npm uninstall -g callmux"] if from_node else []),
    ]
