"""`callmux setup`: finds the MCP servers of all clients and moves them behind callmux.

Called by `callmux.cli.main`. What becomes of which file is decided by `callmux.setup`; the dialogue is
`callmux.cli.wizard`, which is loaded only where somebody answers.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from callmux.cli.console import print_json, print_lines
from callmux.cli.grammar.setup import COMMANDS
from callmux.cli.own_entry import listener_url, this_machine, this_program
from callmux.cli.parsing import Given, nearest, read
from callmux.cli.setup_steps import (
    SECONDS,
    admit,
    keep_secrets,
    keep_seen,
    plain_secrets,
    prepare,
    probe_all,
    sign_in_lines,
    start_daemon,
)
from callmux.cli.taking_back import take_back
from callmux.cli.waiting import watching
from callmux.clients.changes import apply, backups
from callmux.clients.program import lasting
from callmux.clients.registry import KNOWN
from callmux.doctor.checks import Probe
from callmux.errors import UsageError
from callmux.setup.choices import Choices, by_name, custom_server, decide, keyed, leave_out, settle
from callmux.setup.found import Found
from callmux.setup.judging import Verdict
from callmux.setup.plan import NewServer, SetupPlan
from callmux.setup.probing import ProbeAnswer
from callmux.setup.report import finish_lines, of_one_project, overview, plan_lines
from callmux.setup.scene import Scene, check_config, chosen_clients, look
from callmux.text import visible
from callmux.timestamps import sortable


def run(args: list[str], config_option: str | None, probe: Probe | None = None) -> int:
    """Gives the exit code.

    Args:
        probe: Asks a server, in place of the real thing.
    """
    given = read(COMMANDS[0], args)
    if given.on("--list"):
        print_lines(f"{known.name:<20} {known.about}" for known in KNOWN.values())
        return 0
    if given.on("--undo"):
        return take_back(given, "setup")
    lasting(this_program())
    alone = given.on("--yes") or given.on("--dry-run")
    if not alone and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "callmux setup asks questions and needs a terminal: add --yes to go ahead without, or --dry-run"
        )
    if given.on("--no-project") and given.all("--project-file"):
        raise UsageError("--project-file and --no-project exclude each other")
    scene = look(
        this_machine(),
        config_option,
        with_project=not given.on("--no-project"),
        approved=given.all("--project-file"),
    )
    if alone:
        return _unattended(given, scene, config_option, probe)
    from callmux.cli.wizard import ask

    return ask(given, scene, config_option, probe)


def _unattended(given: Given, scene: Scene, config_option: str | None, probe: Probe | None) -> int:
    choices = Choices(
        added=[*_known(given), *_custom(given)],
        clients=chosen_clients(given.text("--clients"), scene),
        listener=_listener(given),
        daemon=given.on("--daemon"),
        preset=given.text("--preset"),
        cache_seconds=given.number("--cache"),
        meta_only=True if given.on("--meta-only") else None,
        idle_stop=given.number("--idle-stop"),
        fresh=given.on("--fresh"),
        secrets_in_env=given.text("--secrets") == "env",
        secrets_by_name=given.text("--secrets") == "keyring",
    )
    check_config(scene, choices.fresh)
    refused = admit(choices, scene)
    choices.moved = _moved(given, scene, choices.clients)
    known: dict[str, ProbeAnswer] = {}
    skipped: dict[str, str] = {}
    write = given.on("--yes") and not given.on("--dry-run")
    if not given.on("--no-probe") and (write or given.on("--probe")):
        seconds = given.number("--probe-timeout") or SECONDS
        with watching(len(choices.moved) + len(choices.added), quiet=given.on("--json")) as progress:
            known = keyed(choices, probe_all(choices, scene, seconds, probe, progress))
        skipped = leave_out(choices, known)
    judged = scene.verdicts(choices.clients, {key: answer.tools for key, answer in known.items()})
    settle(choices, judged)
    decide(choices, known)
    answers, plan, changes = prepare(choices, scene)
    if not given.on("--json"):
        print_lines([*map(visible, refused), *overview(scene, judged, skipped, choices.moved)])
        print_lines(plan_lines(plan, answers, by_name(plan, choices, known), str(scene.config_path)))
        if choices.moved and not known:
            print("\nNo server was started to ask for its tools" + ("" if write else ": --probe does."))
    said = keep_secrets(choices, scene) if write else []
    folder = apply(changes, backups(scene.machine.home), "setup", sortable(time.time())) if write else None
    if write:
        keep_seen(scene, by_name(plan, choices, known))
    if given.on("--json"):
        print_json(_summary(plan, scene, judged, choices.moved, refused, skipped, folder, write))
    elif not write:
        print("\nNothing was written: --yes writes it.")
    else:
        print_lines(["", *finish_lines(plan, folder), *said, *plain_secrets(scene), *sign_in_lines(known)])
    if write and choices.daemon:
        start_daemon(choices, config_option)
    return 0


def _moved(given: Given, scene: Scene, receivers: Sequence[str]) -> list[Found]:
    wanted = given.text("--move")
    movable = [] if wanted == "none" else scene.movable(receivers)
    if wanted is None:
        # Those of a file that was named were asked for; others of one project would be everybody's.
        return [item for item in movable if item.project is None or item.is_of_a_project_file]
    if wanted in ("all", "none"):
        return movable
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    known = [item.name for item in movable]
    for name in names:
        if name not in known:
            raise UsageError(_why_not(name, known, scene, receivers))
    return [item for item in movable if item.name in names]


def _why_not(name: str, known: list[str], scene: Scene, receivers: Sequence[str]) -> str:
    """Why a server that was named cannot be moved."""
    for item in scene.pending(receivers):
        if item.name == name:
            return (
                f'--move: "{name}" is in {item.file.path}, which belongs to a project: --project-file'
                f" {item.file.path} says that its commands may run"
            )
    for verdict in scene.verdicts(receivers):
        if verdict.found.name == name:
            return f'--move: "{name}" of {verdict.found.place} cannot be moved: {verdict.reason}'
    return f'--move: no client has a server "{name}" that can be moved{nearest(name, known)}'


def _known(given: Given) -> list[NewServer]:
    added = []
    for text in given.all("--add"):
        name, _, place = text.partition("=")
        if name not in KNOWN:
            raise UsageError(f'--add: "{name}" is not on the list{nearest(name, list(KNOWN))}: see --list')
        known = KNOWN[name]
        if known.place is not None and not place:
            raise UsageError(
                f"--add {name} needs a place: --add {name}=PATH ({known.place.question.lower()})"
            )
        places = tuple(os.path.abspath(os.path.expanduser(part)) for part in place.split(",") if part)
        references = {variable.name: f"env:{variable.name}" for variable in known.variables if not known.url}
        added.append(NewServer(name, known.entry(places), references))
    return added


def _custom(given: Given) -> list[NewServer]:
    added = []
    for text in given.all("--server"):
        name, sign, line = text.partition("=")
        if not sign:
            raise UsageError(f'--server must be NAME=COMMAND or NAME=URL, not "{text}"')
        added.append(custom_server(name, line))
    return added


def _listener(given: Given) -> str | None:
    url = given.text("--listener")
    if url is None:
        if given.on("--daemon"):
            raise UsageError("--daemon needs --listener URL, such as http://127.0.0.1:4860/mcp")
        return None
    return listener_url(url)


def _summary(
    plan: SetupPlan,
    scene: Scene,
    judged: Sequence[Verdict],
    moved: Sequence[Found],
    refused: Sequence[str],
    skipped: Mapping[str, str],
    folder: Path | None,
    write: bool,
) -> dict[str, Any]:
    stays = [verdict for verdict in judged if verdict.reason is not None and not verdict.found.ours]
    pending = [item.found for item in judged if item.reason is None and scene.is_pending(item.found)]
    shown = {
        "action": "setup",
        "wrote": folder is not None,
        "dryRun": not write,
        "configPath": str(scene.config_path),
        "servers": list(plan.servers),
        "skipped": [{"name": name, "problem": problem} for name, problem in skipped.items()],
        "stays": [
            {"name": item.found.name, "file": item.found.file.path, "reason": item.reason} for item in stays
        ],
        "notChosen": [
            {"name": item.name, "file": item.file.path, "project": item.project}
            for item in of_one_project(judged, moved)
        ],
        "notApproved": [{"name": item.name, "file": item.file.path} for item in pending],
        "processes": [
            {"name": name, "cwdMode": found.mode, "reason": found.reason}
            for name, found in plan.decisions.items()
        ],
        "clients": list(plan.attached),
        "files": [file.path for file in plan.files],
        "notes": [*refused, *plan.notes],
        "problems": list(scene.problems),
        "backupPath": None if folder is None else str(folder),
    }
    return {key: value for key, value in shown.items() if value is not None}
