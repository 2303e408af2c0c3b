"""The dialogue of `callmux setup`. Loads `rich` and `questionary`.

Called by `callmux.cli.setup` where somebody sits at a terminal. Nothing is written before the last question;
Ctrl-C at any of them leaves everything as it was.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import questionary
from questionary import Choice
from rich.console import Console
from rich.text import Text

from callmux.cli import setup_steps
from callmux.cli.last_question import SHOW, write_or_show
from callmux.cli.own_entry import listener_url
from callmux.cli.parsing import Given
from callmux.cli.question import HINT, asked
from callmux.cli.secret_question import agrees, where_to_keep
from callmux.cli.settings_questions import choose_settings
from callmux.cli.terminal import folded
from callmux.cli.waiting import watching
from callmux.cli.wizard_processes import ask_processes
from callmux.clients import editing
from callmux.clients.changes import apply, backups
from callmux.clients.detect import KINDS
from callmux.clients.registry import KNOWN, KnownServer
from callmux.doctor.checks import Probe
from callmux.errors import UsageError
from callmux.secrets.vault import vault_of
from callmux.setup.choices import Choices, by_name, custom_server, keyed, leave_out, settle
from callmux.setup.found import Found, how
from callmux.setup.plan import NewServer
from callmux.setup.probing import ProbeAnswer
from callmux.setup.report import change_lines, finish_lines, overview, summary_lines
from callmux.setup.scene import Scene, check_config, chosen_clients
from callmux.setup.servers import is_secret
from callmux.text import visible
from callmux.timestamps import sortable

DEFAULT_LISTENER = "http://127.0.0.1:4860/mcp"


def ask(given: Given, scene: Scene, config_option: str | None, probe: Probe | None) -> int:
    """Asks, shows, asks once more, writes. Gives the exit code."""
    console = Console(highlight=False)
    try:
        return _Dialogue(console, given, scene, config_option, probe).run()
    except KeyboardInterrupt:
        console.print("Stopped: nothing was written.")
        return 130


class _Dialogue:
    def __init__(
        self, console: Console, given: Given, scene: Scene, config_option: str | None, probe: Probe | None
    ) -> None:
        self._console = console
        self._given = given
        self._scene = scene
        self._config_option = config_option
        self._probe = probe
        self._choices = Choices(idle_stop=given.number("--idle-stop"))
        self._answers: dict[str, ProbeAnswer] = {}

    def run(self) -> int:
        scene, choices, console = self._scene, self._choices, self._console
        console.print(f"[bold]callmux setup[/] writes {scene.config_path}; you see every change before.\n")
        if not self._beginning():
            console.print("Nothing was written.")
            return 0
        check_config(scene, choices.fresh)
        self._pick_clients()
        self._show(list(map(visible, setup_steps.admit(choices, scene))))
        self._approve()
        scene = self._scene
        self._show(overview(scene, scene.verdicts(choices.clients), {}))
        self._pick_servers()
        if not choices.moved and not choices.added and not scene.config_servers:
            console.print("No server was chosen: nothing was written.")
            return 0
        self._ask_servers()
        ask_processes(choices, self._answers)
        self._settings()
        answers, plan, changes = setup_steps.prepare(choices, scene)
        console.print()
        names = by_name(plan, choices, self._answers)
        self._show_folded(summary_lines(plan, answers, names, str(scene.config_path)))
        wanted = asked(write_or_show())
        while wanted == SHOW:
            self._show(["", *change_lines(plan)])
            wanted = asked(write_or_show(shown=True))
        if not wanted:
            console.print("Nothing was written.")
            return 0
        said = setup_steps.keep_secrets(choices, scene)
        folder = apply(changes, backups(scene.machine.home), "setup", sortable(time.time()))
        setup_steps.keep_seen(scene, names)
        lines = [*finish_lines(plan, folder), *said, *setup_steps.sign_in_lines(self._answers)]
        self._show(["", *lines])
        self._show_folded(setup_steps.offer_to_move(scene, agrees))
        if choices.daemon:
            setup_steps.start_daemon(choices, self._config_option)
        return 0

    def _show(self, lines: Sequence[str]) -> None:
        for line in "\n".join(lines).splitlines():
            colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
            self._console.print(Text(line, style=colour), soft_wrap=True)

    def _show_folded(self, lines: Sequence[str]) -> None:
        home = f"{self._scene.machine.home}{os.sep}"
        short = [line.replace(home, f"~{os.sep}") for line in lines]
        self._show([part for line in short for part in folded(line, self._console.width)])

    def _beginning(self) -> bool:
        """Whether to go on, where there is a configuration already."""
        count = len(self._scene.config_servers)
        if not count:
            self._choices.fresh = self._given.on("--fresh")
            return True
        what = asked(
            questionary.select(
                f"There is a configuration with {count} server{'s' if count > 1 else ''}.",
                choices=[
                    Choice("Extend it: everything in it stays", "extend"),
                    Choice("Start with an empty one: the old one goes into the backup", "fresh"),
                    Choice("Stop", "stop"),
                ],
            )
        )
        self._choices.fresh = what == "fresh"
        return bool(what != "stop")

    def _pick_servers(self) -> None:
        movable = self._scene.movable(self._choices.clients)
        if movable:
            picked = asked(
                questionary.checkbox(
                    "Which servers move behind callmux? (setup --undo undoes it)",
                    choices=[
                        Choice(
                            visible(f"{item.name}  ({item.place}: {how(item)})"),
                            item,
                            checked=item.project is None,
                        )
                        for item in movable
                    ],
                    instruction=HINT,
                )
            )
            self._choices.moved = list(picked)
            self._secrets(picked)
        known = asked(
            questionary.checkbox(
                "Add well-known servers?",
                choices=[Choice(f"{known.name}  {known.about}", known) for known in KNOWN.values()],
                instruction=HINT,
            )
        )
        for item in known:
            self._choices.added.append(self._known(item))
        while asked(questionary.confirm("Add a server of your own?", default=False)):
            self._choices.added.append(self._custom())

    def _secrets(self, picked: Sequence[Found]) -> None:
        """Where the credentials of moved servers go; never into the configuration."""
        names = [
            visible(f"{item.name}: {key}")
            for item in picked
            for key, value in (*item.entry.env.items(), *item.entry.headers.items())
            if is_secret(key, value)
        ]
        if not names:
            return
        where = asked(where_to_keep(names, vault_of(self._scene.machine.env).place))
        self._choices.secrets_in_env = where == "env"
        self._choices.secrets_by_name = where == "keyring"

    def _known(self, known: KnownServer) -> NewServer:
        places: tuple[str, ...] = ()
        if known.place is not None:
            text = asked(
                questionary.text(
                    f"{known.name}: {known.place.question} (with commas between)",
                    default=str(self._scene.machine.cwd),
                    validate=lambda text: bool(text.strip()) or "one is needed",
                )
            )
            places = tuple(str(Path(part.strip()).expanduser()) for part in text.split(",") if part.strip())
        entry = known.entry(places)
        references: dict[str, str] = {}
        for variable in known.variables:
            reference = self._credential(known.name, variable.name, variable.hint)
            if known.url:
                kind, _, rest = reference.partition(":")
                inside = f"${{{rest}}}" if kind == "env" else f"${{file:{rest}}}"
                headers = {"Authorization": known.header % inside}
                entry = type(entry)(url=entry.url, transport=entry.transport, headers=headers)
            else:
                references[variable.name] = reference
        return NewServer(known.name, entry, references)

    def _credential(self, server: str, variable: str, hint: str) -> str:
        """The reference for one credential; what is typed in is never shown."""
        is_set = "set now" if self._scene.machine.env.get(variable) else "not set now"
        where = asked(
            questionary.select(
                f"{server} needs {variable} ({hint})",
                choices=[
                    Choice(f"From the environment variable {variable} ({is_set})", "env"),
                    Choice("Type it in: it goes into a file that only you can read", "file"),
                ],
            )
        )
        if where == "env":
            return f"env:{variable}"
        value = asked(
            questionary.password(variable, validate=lambda text: bool(text.strip()) or "it cannot be empty")
        )
        name = re.sub(r"[^A-Za-z0-9_-]", "_", f"{server}-{variable}")
        path = self._scene.config_path.parent / "secrets" / name
        self._choices.credentials[str(path)] = value.strip()
        return f"file:{path}"

    def _custom(self) -> NewServer:
        while True:
            name = asked(questionary.text("Its name"))
            line = asked(questionary.text("Its command line, or its URL"))
            try:
                return custom_server(name.strip(), line.strip())
            except UsageError as error:
                self._console.print(Text(error.message, style="red"))

    def _ask_servers(self) -> None:
        choices = self._choices
        if self._given.on("--no-probe") or not (choices.moved or choices.added):
            self._settle()
            return
        seconds = self._given.number("--probe-timeout") or setup_steps.SECONDS
        self._console.print("Asking the servers for their tools")
        with watching(len(choices.moved) + len(choices.added)) as progress:
            answered = setup_steps.probe_all(choices, self._scene, seconds, self._probe, progress)
        self._answers = keyed(choices, answered)
        setup_steps.sign_in(self._answers, choices, self._scene, seconds, self._probe)
        self._failures()
        self._settle()
        self._tools()

    def _settle(self) -> None:
        """What a rule denies may only be clear once a server has listed its tools."""
        choices, scene = self._choices, self._scene
        before = list(choices.moved)
        judged = scene.verdicts(choices.clients, {key: answer.tools for key, answer in self._answers.items()})
        settle(choices, judged)
        gone = {item.key for item in before} - {item.key for item in choices.moved}
        self._show(overview(scene, [item for item in judged if item.found.key in gone], {}))

    def _failures(self) -> None:
        bad = {key for key, answer in self._answers.items() if answer.problem is not None}
        if not bad:
            return
        names = ", ".join(sorted(key.rpartition("\n")[2].removeprefix("+") for key in bad))
        keep = asked(
            questionary.select(
                visible(f"No answer from {names}."),
                choices=[
                    Choice("Leave them where they are", False),
                    Choice("Move them anyway", True),
                ],
            )
        )
        if not keep:
            leave_out(self._choices, self._answers)

    def _tools(self) -> None:
        kept = {item.key for item in self._choices.moved} | {f"+{item.name}" for item in self._choices.added}
        answered = {key: answer for key, answer in self._answers.items() if answer.tools and key in kept}
        if not answered or not asked(
            questionary.confirm("Choose single tools? (all of them otherwise)", default=False)
        ):
            return
        for key, answer in answered.items():
            name = key.rpartition("\n")[2].removeprefix("+")
            picked = asked(
                questionary.checkbox(
                    visible(f"Tools of {name}"),
                    choices=[Choice(visible(tool), tool, checked=True) for tool in answer.tools],
                    validate=lambda picked: bool(picked) or "at least one",
                    instruction=HINT,
                )
            )
            if len(picked) < len(answer.tools):
                self._choices.tools[name] = tuple(picked)

    def _settings(self) -> None:
        choose_settings(self._choices, self._given, is_new=not self._scene.config_servers)
        self._mode()
        # How they reach callmux is known now, and an organization may list it by its command.
        self._show(list(map(visible, setup_steps.admit(self._choices, self._scene))))

    def _pick_clients(self) -> None:
        """Asked first: whether a server can move depends on who gets it."""
        installed = chosen_clients(self._given.text("--clients"), self._scene)
        self._choices.clients = list(
            asked(
                questionary.checkbox(
                    "Which clients get callmux?",
                    choices=[
                        Choice(editing.title(kind), kind, checked=kind in installed)
                        for kind in KINDS[:-1]
                        if kind not in self._scene.unreadable
                    ],
                    instruction=HINT,
                )
            )
        )

    def _approve(self) -> None:
        """Nothing in a project's file runs before a yes for that file."""
        files: dict[str, list[Found]] = {}
        for item in self._scene.pending(self._choices.clients):
            files.setdefault(item.file.path, []).append(item)
        approved = set(self._scene.approved)
        for path, items in files.items():
            self._show([visible(f"{path} belongs to a project and has these servers:")])
            self._show([visible(f"  {item.name}: {how(item)}") for item in items])
            question = "May setup start their commands and move the servers?"
            if asked(questionary.confirm(question, default=False)):
                approved.add(path)
        self._scene = replace(self._scene, approved=frozenset(approved))

    def _mode(self) -> None:
        choices = self._choices
        if self._given.text("--listener") is not None:
            choices.listener = listener_url(self._given.text("--listener") or "")
            choices.daemon = self._given.on("--daemon")
            return
        shared = asked(
            questionary.select(
                "How are the servers run?",
                choices=[
                    Choice("Once for each session of a client", False),
                    Choice("Once for all sessions: a shared listener", True),
                ],
            )
        )
        if not shared:
            return
        choices.listener = listener_url(
            asked(questionary.text("The listener's address", default=DEFAULT_LISTENER, validate=_is_listener))
        )
        choices.daemon = bool(
            setup_steps.has_daemon()
            and asked(
                questionary.confirm("Run it as a service? (a bridge starts it otherwise)", default=False)
            )
        )


def _is_listener(url: str) -> bool | str:
    try:
        listener_url(url)
    except UsageError as error:
        return error.message
    return True
