"""The steps of `callmux setup` that are the same with and without questions.

Called by `callmux.cli.setup` and `callmux.cli.wizard`, and by `callmux.cli.migrate` for what it writes. What
becomes of which file is decided by `callmux.setup`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from callmux.cli.init import schema_file, schema_text
from callmux.cli.own_entry import EntryOptions, own_entry, this_program
from callmux.cli.secret_move import known_values, offer, planned
from callmux.cli.sign_in_offer import signed_in_to
from callmux.cli.waiting import watching
from callmux.clients import editing
from callmux.clients.changes import Change
from callmux.clients.detect import client_file, read_text
from callmux.clients.entry import DEFAULT_NAME, DEFAULT_PORT, ClientFileError, Entry
from callmux.clients.program import start_command
from callmux.config.check import check_document
from callmux.config.load import load_config, usual_config
from callmux.config.notation import parse
from callmux.config.servers import HttpServer, StdioServer
from callmux.doctor.checks import Probe, Progress
from callmux.errors import CallmuxError
from callmux.secrets.vault import vault_of
from callmux.setup.choices import Choices, keyed
from callmux.setup.found import ClientFile
from callmux.setup.judging import admitted, forbidden, gains
from callmux.setup.plan import Answers, PlannedFile, SetupError, SetupPlan, make_plan, probe_documents
from callmux.setup.probing import ProbeAnswer, ask_all
from callmux.setup.processes import is_tried
from callmux.setup.scene import Scene, occupied_secrets
from callmux.setup.servers import EnvSecrets, KeyringSecrets, Secrets

if TYPE_CHECKING:
    from callmux.doctor.two_directories import Compare

SECONDS = 60
"""How long a server may take to say its tools, unless the command line says otherwise."""


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


def probe_all(
    choices: Choices, scene: Scene, seconds: float, probe: Probe | None, progress: Progress
) -> dict[str, ProbeAnswer]:
    """Asks every chosen server for its tools, and tries those in two directories of which nobody knows
    whether theirs matters."""
    compare: dict[str, Compare] = {}
    if probe is None:
        from callmux.doctor.two_directories import compare as real_compare
        from callmux.process.signed_probe import probe as real_probe

        probe, compare = real_probe, dict.fromkeys(_to_try(choices), real_compare)
    env = scene.machine.env
    secrets = Secrets(str(scene.config_path.parent / "secrets"), env, prefer_env=False)
    documents = probe_documents(_answers(choices, scene), secrets.keep)
    files = {**secrets.files, **choices.credentials}
    return ask_all(documents, files, scene.config_path.parent, env, seconds, probe, progress, compare)


def _to_try(choices: Choices) -> list[str]:
    """The servers of which their entries do not tell whether the directory matters, as they are called while
    they are asked."""
    moved = [f"{n}:{item.name}" for n, item in enumerate(choices.moved) if is_tried(item.entry, item.project)]
    return moved + [f"+{n}:{item.name}" for n, item in enumerate(choices.added) if is_tried(item.entry)]


def sign_in(
    answers: dict[str, ProbeAnswer], choices: Choices, scene: Scene, seconds: float, probe: Probe | None
) -> None:
    """Offers a sign-in to every server that wants one, and asks all for their tools again if somebody has
    signed in to one.

    Args:
        answers: What they said, by their keys; changed in place.
    """
    wanting = _wanting(answers)
    if not wanting or not signed_in_to(wanting, scene.config_path.parent):
        return
    with watching(len(choices.moved) + len(choices.added)) as progress:
        answers.update(keyed(choices, probe_all(choices, scene, seconds, probe, progress)))


def _wanting(answers: Mapping[str, ProbeAnswer]) -> dict[str, StdioServer | HttpServer]:
    """The servers that want a sign-in, by name."""
    return {
        key.rpartition("\n")[2].removeprefix("+"): answer.sign_in
        for key, answer in answers.items()
        if answer.sign_in is not None
    }


def sign_in_lines(answers: Mapping[str, ProbeAnswer]) -> list[str]:
    """How to sign in to those servers that still want it."""
    return [f'"{name}" wants you to sign in: callmux login {name}' for name in _wanting(answers)]


def keep_seen(scene: Scene, answers: Mapping[str, ProbeAnswer]) -> None:
    """Keeps what servers have listed for the first session, now that their entries are written.

    Args:
        answers: What they said, by their names in the configuration.
    """
    seen = {name: answer.seen for name, answer in answers.items() if answer.seen is not None}
    if not seen:
        return
    from callmux.process.kept import keep

    env = scene.machine.env
    loaded = load_config(scene.config_path, env)

    async def keep_all() -> None:
        for name, listed in seen.items():
            if loaded.config.keep_listings and name in loaded.config.servers:
                await keep(loaded.config.servers[name], listed, env, loaded.base_dir)

    asyncio.run(keep_all())


def prepare(choices: Choices, scene: Scene) -> tuple[Answers, SetupPlan, list[Change]]:
    """The plan, and the changes that carry it out.

    Raises:
        SetupError: What would be written is no configuration.
    """
    directory = scene.config_path.parent / "secrets"
    secrets: Secrets
    if choices.secrets_by_name:
        known = known_values(vault_of(scene.machine.env))
        secrets = KeyringSecrets(str(directory), scene.machine.env, occupied=known)
    else:
        kind = EnvSecrets if choices.secrets_in_env else Secrets
        secrets = kind(str(directory), scene.machine.env, occupied=occupied_secrets(directory))
    secrets.files.update(choices.credentials)
    answers = _answers(choices, scene)
    plan = make_plan(answers, str(scene.config_path), scene.config_text, secrets, _schema(scene.config_path))
    choices.kept = secrets.kept
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


def keep_secrets(choices: Choices, scene: Scene) -> list[str]:
    """Keeps the secrets that go by name, before files refer to them; gives what to say.

    Raises:
        SecretError: One cannot be kept.
    """
    vault = vault_of(scene.machine.env)
    for name, value in choices.kept.items():
        vault.set(name, value)
    return [f"Kept {', '.join(choices.kept)} in {vault.place}"] if choices.kept else []


def offer_to_move(scene: Scene, agree: Callable[[str], bool]) -> list[str]:
    """Offers to move secrets that stood in the configuration already; gives what to say."""
    return offer(scene.config_path, vault_of(scene.machine.env), agree)


def plain_secrets(scene: Scene) -> list[str]:
    """A line on secrets that stand in the configuration, for whoever is not asked."""
    found = planned(scene.config_path, vault_of(scene.machine.env))
    if not found.places:
        return []
    what = ", ".join(found.places)
    return [f'Secrets stand in {scene.config_path} ({what}): "callmux secret move" moves them out.']


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
        decisions=choices.decisions,
        idle_stop=choices.idle_stop,
        clients=clients,
        preset=choices.preset,
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
    options = EntryOptions(
        name=DEFAULT_NAME,
        url=choices.listener,
        bridge=choices.listener is not None,
        token_env=None,
        config=str(scene.config_path) if custom and (choices.listener is None) else None,
    )

    def start(kind: str) -> Entry:
        entry = own_entry(kind, options, program)
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
