"""`callmux help`, and `--help` behind any command: text made from the table of commands.

Called by `callmux.cli.main`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from textwrap import wrap

from callmux.cli.commands import COMMANDS
from callmux.cli.descriptions import chosen, option_help, option_words
from callmux.cli.grammar.help import COMMANDS as OWN
from callmux.cli.grammar.table import SECTIONS, command, run_mode
from callmux.cli.grammar.terms import Command, Option
from callmux.cli.parsing import nearest, read
from callmux.cli.terminal import colour_wanted, columns, folded
from callmux.errors import UsageError
from callmux.metatools.table import names as tool_names

TITLE = "callmux: one process between any MCP client and many MCP servers"

SAMPLE = """\
  {"servers": {
    "memory": {"command": "npx",
               "args": ["-y", "@modelcontextprotocol/server-memory"]},
    "time": {"command": "uvx", "args": ["mcp-server-time"]}
  }}"""


def run(args: list[str], config_option: str | None) -> int:
    """`callmux help [COMMAND...]`. Gives the exit code."""
    given = read(OWN[0], args)
    if given.on("--markdown"):
        from callmux.cli.manual import markdown

        sys.stdout.write(markdown())
        return 0
    show(given.words)
    return 0


def show(words: list[str]) -> None:
    """Prints the help of the command that `words` begin with, or of callmux.

    Raises:
        UsageError: There is no such command.
    """
    lines = command_lines(find(words)) if words else global_lines()
    print("\n".join(_emphasised(lines) if colour_wanted() else lines))


def find(words: list[str]) -> Command:
    """The command that `words` begin with, as deep as they name one.

    Raises:
        UsageError: The first names none.
    """
    try:
        found = command(words[0])
    except KeyError:
        hint = nearest(words[0], list(COMMANDS)) or ". See callmux --help"
        raise UsageError(f'There is no command "{words[0]}"{hint}') from None
    for word in words[1:]:
        deeper = [sub for sub in found.subcommands if word == sub.word or word in sub.aliases]
        if not deeper:
            break
        found = deeper[0]
    return found


def global_lines() -> list[str]:
    """The text of `callmux --help`."""
    run = run_mode()
    lines = [
        *folded(TITLE, columns()),
        "",
        "Usage:",
        *_usage(run.usage),
        "  callmux COMMAND ...",
        *_examples(run),
    ]
    for title, names in SECTIONS.items():
        lines += ["", f"{title}:", *_table(((name, command(name).summary) for name in names), 12)]
    lines += ["", "Options:", *_options(run.options)]
    lines += [line for note in run.notes for line in ("", *wrap(note, columns()))]
    tools = wrap(", ".join(tool_names()) + ".", columns() - 2)
    lines += ["", "The tools that agents get:", *(f"  {line}" for line in tools)]
    lines += ["", "A configuration:", *SAMPLE.splitlines(), ""]
    lines += folded("More of a command: callmux help COMMAND, or callmux COMMAND --help.", columns())
    return lines


def command_lines(command: Command) -> list[str]:
    """The help of one command."""
    lines = [*_title(command), "", "Usage:"]
    if command.subcommands:
        lines += [line for sub in command.subcommands for line in _usage(sub.usage)]
        for sub in command.subcommands:
            lines += ["", *_title(sub), *_details(sub)]
        lines += [line for note in command.notes for line in ("", *wrap(note, columns()))]
    else:
        lines += [*_usage(command.usage), *_details(command)]
    return lines


def _title(command: Command) -> list[str]:
    return list(folded(f"callmux {command.name}: {command.summary}", columns()))


def _usage(text: str) -> list[str]:
    return list(folded(f"  {text}", columns()))


def _details(command: Command) -> list[str]:
    lines = []
    if command.aliases:
        lines += [f"  also: {', '.join(command.aliases)}"]
    if command.arguments:
        rows = [(argument.name, argument.help, argument.choices) for argument in command.arguments]
        lines += ["", "Arguments:", *_table((name, chosen(help, choices)) for name, help, choices in rows)]
    if command.options:
        lines += ["", "Options:", *_options(command.options)]
    lines += [line for note in command.notes for line in ("", *wrap(note, columns()))]
    return lines + _examples(command)


def _examples(command: Command) -> list[str]:
    if not command.examples:
        return []
    lines = ["", "Examples:"]
    for example in command.examples:
        lines += [f"  {example.line}", *folded(f"      {example.help}", columns())]
    return lines


def _options(options: Iterable[Option]) -> list[str]:
    return _table((option_words(option), option_help(option)) for option in options)


def _table(rows: Iterable[tuple[str, str]], least: int = 0) -> list[str]:
    rows = list(rows)
    width = min(32, max(least, *(len(left) for left, _ in rows))) + 2
    lines = []
    for left, right in rows:
        parts = wrap(right, max(columns() - width - 2, 24))
        if len(left) >= width:
            lines.append(f"  {left}")
            left = ""
        lines.append(f"  {left:<{width}}{parts[0]}")
        lines += [f"  {'':<{width}}{part}" for part in parts[1:]]
    return lines


def _emphasised(lines: list[str]) -> list[str]:
    """Headings in bold."""
    return [f"\x1b[1m{line}\x1b[0m" if line.endswith(":") and line[0] != " " else line for line in lines]
