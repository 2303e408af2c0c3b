"""`callmux explain [ID]`: what an error means and what to do next. Called by `callmux.cli.main`."""

from __future__ import annotations

import sys

from callmux.cli.grammar.explain import COMMANDS
from callmux.cli.parsing import nearest, read
from callmux.cli.terminal import show_report
from callmux.errors import UsageError
from callmux.failures.registry import ALL, SECTIONS, filled, find
from callmux.failures.terms import KnownFailure

HEAD = """\
# Errors

Every way in which callmux says no. Made from the registry in `src/callmux/failures/`:
`callmux explain --markdown > docs/errors.md`. `callmux explain ID` prints one of them.

A failed tool call is a result with `isError: true` and `{"error": {"code", "message", "details"}}` as text.
Where the effect of a call is in doubt, `details` says three things: `executionState` (`not_started` or
`unknown`), `retryable` (another attempt may fare better) and `safeToRetry` (another attempt does nothing
twice). In what follows, words in capitals stand for details of the error.
"""


def run(args: list[str], config_option: str | None) -> int:
    """Gives the exit code.

    Raises:
        UsageError: There is no such error.
    """
    given = read(COMMANDS[0], args)
    if given.on("--markdown"):
        sys.stdout.write(markdown())
        return 0
    name = given.word(0)
    if name is None:
        shown = list(ALL.values())
    else:
        found = find(name)
        if found is None:
            raise UsageError(
                f'there is no error "{name}"{nearest(name, list(ALL))}. See all of them: callmux explain'
            )
        shown = [found]
    if given.on("--json"):
        _print_json([as_json(failure) for failure in shown], alone=name is not None)
    elif name is None:
        show_report(_table())
    else:
        show_report(lines(shown[0]))
    return 0


def lines(failure: KnownFailure) -> list[str]:
    """One failure, as the terminal shows it."""
    told = [
        f"{failure.id}: {failure.what}",
        "",
        f"Cause    {failure.cause}",
        f"Repeat?  {failure.repeat.value}",
        f"Who      {failure.actor.value}",
        f"Next     {filled(failure.step, {})}",
    ]
    if failure.command:
        told.append(f"         {filled(failure.command, {})}")
    return told


def as_json(failure: KnownFailure) -> dict[str, str]:
    """One failure as JSON values by name; `command` is left out where there is none."""
    told = {
        "id": failure.id,
        "what": failure.what,
        "cause": failure.cause,
        "repeat": failure.repeat.name.lower(),
        "actor": failure.actor.name.lower(),
        "nextStep": filled(failure.step, {}),
    }
    if failure.command:
        told["command"] = filled(failure.command, {})
    return told


def markdown() -> str:
    """The whole document."""
    parts = [HEAD]
    for title, failures in SECTIONS.items():
        parts.append(f"## {title}\n")
        for failure in failures:
            command = f" `{filled(failure.command, {})}`" if failure.command else ""
            parts.append(
                f"### {failure.id}\n\n{_sentence(failure.what)} {failure.cause}\n\n"
                f"- Repeat? {_sentence(failure.repeat.value)}\n- Who acts: {failure.actor.value}.\n"
                f"- Next step: {filled(failure.step, {})}.{command}\n"
            )
    return "\n".join(parts)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _table() -> list[str]:
    width = max(map(len, ALL))
    told: list[str] = []
    for title, failures in SECTIONS.items():
        told += [*([""] if told else []), f"{title}:"]
        told += [f"  {failure.id:<{width}}  {failure.what}" for failure in failures]
    return told


def _print_json(values: list[dict[str, str]], *, alone: bool) -> None:
    import json

    print(json.dumps(values[0] if alone else values, indent=2, ensure_ascii=False))
