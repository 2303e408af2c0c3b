"""`docs/cli.md`, made from the table of commands.

Called by `callmux.cli.help` for `callmux help --markdown`; a test holds the file to it.
"""

from __future__ import annotations

from collections.abc import Iterable

from callmux.cli.descriptions import option_help, option_words
from callmux.cli.grammar.table import SECTIONS, command, run_mode, with_subcommands
from callmux.cli.grammar.terms import Command

HEAD = """\
# The command line

Made from the table that also parses the command line: `callmux help --markdown > docs/cli.md`. On a terminal,
`callmux help COMMAND` says the same of one command. Every command takes `--help` and `--config PATH`; a value
follows its flag as the next word or after `=`; after `--` nothing is a flag. Unknown flags and commands are
refused. Colours are used on a terminal only, and never where `NO_COLOR` is set.

Exit codes: 0 for success, 1 for an error or a finding, 2 where a command below says so, 130 after Ctrl-C.
"""


def markdown() -> str:
    """The whole document."""
    parts = [HEAD, "## Run mode\n", *_one(run_mode())]
    for title, names in SECTIONS.items():
        parts.append(f"## {title}\n")
        for name in names:
            for entry in with_subcommands(command(name)):
                parts.append(f"### callmux {entry.name}\n")
                parts += _one(entry)
    return "\n".join(parts)


def _one(command: Command) -> Iterable[str]:
    summary = f"{command.summary[0].upper()}{command.summary[1:]}."
    if command.subcommands:
        yield f"{summary} Sub-commands: {', '.join(sub.word for sub in command.subcommands)}.\n"
    else:
        also = "".join(f" Also `{alias}`." for alias in command.aliases)
        yield f"`{command.usage}`\n\n{summary}{also}\n"
    if command.usage_exit == 2:
        yield (
            "Exit codes: 1 if a tool failed, 2 if the command line is wrong or the listener cannot be"
            " reached.\n"
        )
    rows = [(argument.name, _cell(argument.help)) for argument in command.arguments]
    rows += [(option_words(option), _cell(option_help(option))) for option in command.options]
    if rows:
        yield "| | |\n| --- | --- |"
        yield "\n".join(f"| `{left}` | {right} |" for left, right in rows) + "\n"
    for note in command.notes:
        yield f"{note}\n"
    if command.examples:
        lines = "\n".join(f"# {example.help}\n{example.line}" for example in command.examples)
        yield f"```sh\n{lines}\n```\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
