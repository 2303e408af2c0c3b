"""`callmux approve`: a person at a terminal answers for calls that wait.

Called by `callmux.cli.main`; the way into the processes is `callmux.process.control`. Only a terminal can
allow anything: whoever runs this in a script, such as an agent that read about it in an error, is no person.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from callmux.cli.console import print_json
from callmux.cli.decision import KEYS, decided
from callmux.cli.grammar.approve import COMMANDS
from callmux.cli.parsing import Given, read, refusal
from callmux.cli.running import answers_of, places_of
from callmux.config.load import find_config
from callmux.errors import CallmuxError, NotSupported, UsageError
from callmux.guard.projects import Decision, Projects
from callmux.places import state_dir
from callmux.process.control_sockets import ask
from callmux.text import visible

SECONDS = 5.0
"""How long a process may take to answer."""
PAUSE_SECONDS = 0.5
"""How often processes are asked what waits, with `--watch`."""
DENY = "deny"


def run(args: list[str], config_option: str | None, rounds: int | None = None) -> int:
    """Gives the exit code: 1 where an answer was not taken.

    Args:
        rounds: With `--watch`, how often to ask what waits; without end where it is None.
    """
    given = read(COMMANDS[0], args)
    _check(given)
    if sys.platform == "win32":
        raise NotSupported("approve needs Unix sockets: use a client that shows questions (elicitation)")
    env = dict(os.environ)
    if given.on("--remembered") or given.on("--forget"):
        return _remembered(given, Projects(state_dir(env) / "approvals.json"))
    places = _places(config_option, env)
    if given.words:
        return _answer(given, places)
    if given.on("--watch"):
        return _watch(config_option, env, rounds)
    waiting = _waiting(places)
    if given.on("--json"):
        print_json([{"pid": pid, **question} for pid, question in waiting])
        return 0
    if not waiting:
        print("Nothing waits for approval.", file=sys.stderr)
        return 0
    asking = _on_terminal()
    for pid, question in waiting:
        _show(question)
        if asking:
            _ask(places[pid], question)
    if not asking:
        print('"callmux approve ID" on a terminal allows a call, "callmux approve ID --deny" refuses it.')
    return 0


def _check(given: Given) -> None:
    ways = [name for name in ("--watch", "--remembered", "--forget", "--json") if given.on(name)]
    answers = [name for name in ("--for", "--deny") if given.on(name)]
    if len(answers) == 2:
        raise refusal(given.command, "--for and --deny exclude each other")
    if answers and not given.words:
        raise refusal(given.command, f"{answers[0]} needs the ID of what to answer")
    # --remembered is a list, too.
    if ways != ["--remembered", "--json"] and len(ways) + bool(given.words) > 1:
        raise refusal(given.command, f"{ways[0]} goes with neither an ID nor {ways[-1]}")


def _on_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _places(config_option: str | None, env: dict[str, str]) -> dict[int, Path]:
    """The sockets of the processes that are meant."""
    if config_option is not None:
        find_config(config_option, env, Path.home())
    return places_of(config_option, env)


def _waiting(places: Mapping[int, Path]) -> list[tuple[int, dict[str, Any]]]:
    """What waits, and in which process; what has waited longest comes first."""
    answers = answers_of(places, {"method": "approvals"}, SECONDS)
    found = [(pid, question) for pid, answer in answers.items() for question in answer.get("waiting", ())]
    return sorted(found, key=lambda one: -one[1].get("waitsSeconds", 0))


def _answer(given: Given, places: Mapping[int, Path]) -> int:
    choice = DENY if given.on("--deny") else given.text("--for") or "once"
    if choice != DENY and not sys.stdin.isatty():
        raise UsageError(
            "only a person allows a call: run this in a terminal of your own. In a script, --deny works"
        )
    where = {question["id"]: pid for pid, question in _waiting(places)}
    code = 0
    for id in given.words:
        if id not in where:
            print(f'Nothing with the id "{visible(id)}" waits for approval.', file=sys.stderr)
            code = 1
        elif not _send(places[where[id]], id, choice):
            code = 1
    return code


def _send(place: Path, id: str, choice: str) -> bool:
    """Brings an answer to a process; whether it was taken."""
    try:
        answer = ask(place, {"method": "approve", "id": id, "choice": choice}, SECONDS)
    except CallmuxError as error:
        print(f"{id}: {error.message}", file=sys.stderr)
        return False
    print(f"{id}: {'allowed' if answer.get('allowed') else 'refused'}")
    return True


def _watch(config_option: str | None, env: dict[str, str], rounds: int | None) -> int:
    if not _on_terminal():
        raise UsageError("--watch asks a person: run it in a terminal")
    print("Waiting for calls that need approval. Ctrl-C ends it.", file=sys.stderr)
    seen: set[str] = set()
    with suppress(KeyboardInterrupt):
        while rounds is None or rounds > 0:
            places = _places(config_option, env)
            for pid, question in _waiting(places):
                if question["id"] not in seen:
                    seen.add(question["id"])
                    _show(question)
                    _ask(places[pid], question)
            rounds = None if rounds is None else rounds - 1
            time.sleep(PAUSE_SECONDS)
    return 0


def _ask(place: Path, question: Mapping[str, Any]) -> None:
    """Asks the person at this terminal."""
    choices = [choice for choice in question["choices"] if choice in KEYS.values()]
    if (choice := decided(choices, "Enter later")) is not None:
        _send(place, question["id"], choice)


def _show(question: Mapping[str, Any]) -> None:
    for line in _lines(question):
        print(visible(line))


def _lines(question: Mapping[str, Any]) -> Iterator[str]:
    who = " for ".join(str(question[key]) for key in ("client", "principal") if key in question)
    where = f" in {question['directory']}" if "directory" in question else ""
    times = f"waits {question['waitsSeconds']} s, {question['leftSeconds']} s left"
    yield f"{question['id']}  {who or 'a client'}{where}: {times}"
    for number, call in enumerate(question["calls"], 1):
        kind = next((k for k in ("tool", "prompt", "resource", "method") if k in call), "tool")
        what = call["tier"] if kind == "tool" else f"{call['tier']}, {kind}"
        place = f" in {call['cwd']}" if "cwd" in call else ""
        yield f"  {number}. {call['server']}: {call.get(kind)} ({what}){place}"
        if call["arguments"]:
            yield f"     {call['arguments']}"
    for title, count in question.get("more", {}).items():
        yield f"  and {count} more of {title}"


def _remembered(given: Given, projects: Projects) -> int:
    if (name := given.text("--forget")) is not None:
        gone = projects.remove(lambda decision: name in ("all", decision.server, _name(decision)))
        print(f"Forgot {len(gone)} of what was allowed for projects.")
        return 0 if gone else 1
    decisions = projects.all()
    if given.on("--json"):
        print_json(decisions)
    elif not decisions:
        print("Nothing was allowed for a project.", file=sys.stderr)
    for decision in () if given.on("--json") else decisions:
        who = f" for {decision.principal}" if decision.principal else ""
        print(visible(f"{_name(decision)} in {decision.directory}{who}, since {decision.decided}"))
    return 0


def _name(decision: Decision) -> str:
    return f"{decision.server}__{decision.target}"
