"""`callmux setup`: finds the MCP servers of all clients and moves them behind callmux.

Called by `callmux.cli.main`. What becomes of which file is decided by `callmux.setup`; the dialogue is
`callmux.cli.wizard`, which is loaded only where somebody answers.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from callmux.cli.console import print_json, print_lines
from callmux.cli.grammar.setup import COMMANDS
from callmux.cli.init import schema_file, schema_text
from callmux.cli.own_entry import Wishes, listener_url, own_entry, this_machine, this_program
from callmux.cli.parsing import Given, nearest, read
from callmux.cli.taking_back import take_back
from callmux.cli.waiting import watching
from callmux.clients import editing
from callmux.clients.changes import Change, apply, backups
from callmux.clients.detect import client_file, read_text
from callmux.clients.entry import DEFAULT_NAME, DEFAULT_PORT, ClientFileError, Entry
from callmux.clients.program import lasting, start_command
from callmux.clients.registry import KNOWN
from callmux.config.check import check_document
from callmux.config.load import usual_config
from callmux.config.notation import parse
from callmux.doctor.checks import Probe, Progress
from callmux.errors import CallmuxError, UsageError
from callmux.setup.choices import Choices, by_name, custom_server, keyed, leave_out, settle
from callmux.setup.found import ClientFile, Found
from callmux.setup.judging import Verdict, admitted, forbidden, gains
from callmux.setup.plan import Answers, NewServer, Plan, PlannedFile, SetupError, make_plan, probe_documents
from callmux.setup.probing import Answer, ask_all
from callmux.setup.report import finish_lines, of_one_project, overview, plan_lines
from callmux.setup.scene import Scene, check_config, chosen_clients, look, occupied_secrets
from callmux.setup.servers import EnvSecrets, Secrets
from callmux.text import visible
from callmux.timestamps import sortable

SECONDS = 60


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
        cache_seconds=given.number("--cache"),
        meta_only=True if given.on("--meta-only") else None,
        fresh=given.on("--fresh"),
        secrets_in_env=given.text("--secrets") == "env",
    )
    check_config(scene, choices.fresh)
    refused = admit(choices, scene)
    choices.moved = _moved(given, scene, choices.clients)
    known: dict[str, Answer] = {}
    skipped: dict[str, str] = {}
    write = given.on("--yes") and not given.on("--dry-run")
    if not given.on("--no-probe") and (write or given.on("--probe")):
        seconds = given.number("--probe-timeout") or SECONDS
        with watching(len(choices.moved) + len(choices.added), quiet=given.on("--json")) as progress:
            known = keyed(choices, probe_all(choices, scene, seconds, probe, progress))
        skipped = leave_out(choices, known)
    judged = scene.verdicts(choices.clients, {key: answer.tools for key, answer in known.items()})
    settle(choices, judged)
    answers, plan, changes = prepare(choices, scene)
    if not given.on("--json"):
        print_lines([*map(visible, refused), *overview(scene, judged, skipped, choices.moved)])
        print_lines(plan_lines(plan, answers, by_name(plan, choices, known), str(scene.config_path)))
        if choices.moved and not known:
            print("\nNo server was started to ask for its tools" + ("" if write else ": --probe does."))
    folder = apply(changes, backups(scene.machine.home), "setup", sortable(time.time())) if write else None
    if given.on("--json"):
        print_json(_summary(plan, scene, judged, choices.moved, refused, skipped, folder, write))
    elif not write:
        print("\nNothing was written: --yes writes it.")
    else:
        print_lines(["", *finish_lines(plan, folder)])
    if write and choices.daemon:
        start_daemon(choices, config_option)
    return 0


def admit(choices: Choices, scene: Scene) -> list[str]:
    """Leaves out clients that may not start callmux, and new servers that they may not use; gives why."""
    start = _start(choices, scene)
    entries = {kind: start(kind) for kind in choices.clients}
    choices.clients, notes = admitted(choices.clients, entries, scene.settings)
    for kind in [] if choices.fresh else [kind for kind in choices.clients if kind not in scene.holders]:
        gained = gains(kind, scene.config_servers, scene.found, scene.settings)
        if gained is not None:
            choices.clients.remove(kind)
            notes.append(f"{editing.title(kind)} gets no callmux: {gained}")
    receivers = list(dict.fromkeys([*choices.clients, *scene.holders]))
    new = {new.name: new.entry for new in choices.added}
    refused = forbidden(new, receivers, scene.settings, scene.found)
    choices.added = [new for new in choices.added if new.name not in refused]
    return [*notes, *(f'"{name}" is not added: {reason}' for name, reason in refused.items())]


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


def probe_all(
    choices: Choices, scene: Scene, seconds: float, probe: Probe | None, progress: Progress
) -> dict[str, Answer]:
    """Asks every chosen server for its tools."""
    if probe is None:
        from callmux.upstream.probe import probe as real_probe

        probe = real_probe
    env = scene.machine.env
    secrets = Secrets(str(scene.config_path.parent / "secrets"), env, prefer_env=False)
    documents = probe_documents(_answers(choices, scene), secrets.keep)
    files = {**secrets.files, **choices.credentials}
    return ask_all(documents, files, scene.config_path.parent, env, seconds, probe, progress)


def prepare(choices: Choices, scene: Scene) -> tuple[Answers, Plan, list[Change]]:
    """The plan, and the changes that carry it out.

    Raises:
        SetupError: What would be written is no configuration.
    """
    directory = scene.config_path.parent / "secrets"
    kind = EnvSecrets if choices.secrets_in_env else Secrets
    secrets = kind(str(directory), scene.machine.env, occupied=occupied_secrets(directory))
    secrets.files.update(choices.credentials)
    answers = _answers(choices, scene)
    plan = make_plan(answers, str(scene.config_path), scene.config_text, secrets, _schema(scene.config_path))
    for file in plan.files:
        if file.path == str(scene.config_path):
            problems = check_document(parse(file.path, file.after)).errors
            if problems:
                raise SetupError(f"the new configuration would not load: {'; '.join(problems)}")
    changes = [
        Change(
            path=Path(file.path),
            before=_bytes(Path(file.path)) if file.before is None else file.before.encode(),
            after=file.after.encode(),
            paths=file.paths,
        )
        for file in plan.files
    ]
    return answers, plan, changes


def _schema(config: Path) -> PlannedFile:
    """The schema beside a configuration, as `callmux init` writes it."""
    path, text = schema_file(config), schema_text()
    try:
        before = read_text(path)
    except ClientFileError as error:
        raise SetupError(error.message) from None
    return PlannedFile(str(path), before, text, is_schema=True)


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _answers(choices: Choices, scene: Scene) -> Answers:
    files = {file.path: file for file in scene.files}
    clients = []
    for kind in choices.clients:
        path = client_file(kind, scene.machine)
        if path is not None and kind not in scene.unreadable:
            clients.append(files.get(str(path), ClientFile(kind=kind, path=str(path), text="")))
    program = this_program()
    return Answers(
        moved=choices.moved,
        added=choices.added,
        tools=choices.tools,
        clients=clients,
        cache_seconds=choices.cache_seconds,
        meta_only=choices.meta_only,
        fresh=choices.fresh,
        shared=choices.listener is not None,
        start=_start(choices, scene),
        program=lambda kind: start_command(program, absolute=editing.has_poor_path(kind)),
    )


def _start(choices: Choices, scene: Scene) -> Callable[[str], Entry]:
    """Gives callmux's own entry for a client."""
    program = this_program()
    custom = scene.config_path != usual_config(scene.machine.home)
    wishes = Wishes(
        name=DEFAULT_NAME,
        url=choices.listener,
        bridge=choices.listener is not None,
        token_env=None,
        config=str(scene.config_path) if custom and (choices.listener is None) else None,
    )

    def start(kind: str) -> Entry:
        entry = own_entry(kind, wishes, program)
        if choices.listener is None or choices.daemon:
            return entry
        more = ("--autostart", *(("--config", str(scene.config_path)) if custom else ()))
        return replace(entry, args=(*entry.args, *more))

    return start


def has_daemon() -> bool:
    """Whether a service can be installed in this version."""
    from importlib.util import find_spec

    return find_spec("callmux.cli.daemon") is not None


def start_daemon(choices: Choices, config_option: str | None) -> None:
    """Installs and starts the service of the listener; a failure is told and is not fatal."""
    from importlib import import_module
    from urllib.parse import urlsplit

    if not has_daemon():
        print("No daemon in this version: start the listener with callmux --listen", file=sys.stderr)
        return
    port = str(urlsplit(choices.listener or "").port or DEFAULT_PORT)
    try:
        command = import_module("callmux.cli.daemon")
        args = ["install", "--port", port, "--start", "--enable", "--yes"]
        problem = "" if command.run(args, config_option) == 0 else "see above"
    except CallmuxError as error:
        problem = error.message
    if problem:
        print(f"The daemon could not be installed: {problem}", file=sys.stderr)


def _summary(
    plan: Plan,
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
        "clients": list(plan.attached),
        "files": [file.path for file in plan.files],
        "notes": [*refused, *plan.notes],
        "problems": list(scene.problems),
        "backupPath": None if folder is None else str(folder),
    }
    return {key: value for key, value in shown.items() if value is not None}
