"""The words of which the table of commands is made. Pure.

Used by every module of `callmux.cli.grammar`. Plain classes: every start of a command pays for them, and a
named tuple costs some twenty times as much to define. Nobody changes one: `but` makes another.
"""

from __future__ import annotations

from typing import Any, Self


class Term:
    """What all of them can."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({next(iter(vars(self).values()))!r})"

    def but(self, **changes: Any) -> Self:
        """The same with these attributes."""
        return type(self)(**{**vars(self), **changes})


class Option(Term):
    """A flag.

    Attributes:
        name: With its dashes.
        help: One line, without a full stop.
        value: What its value is called in the help; empty for a switch. `PATH` and `DIR` are completed with
            files.
        repeat: Whether it may be given several times, and every value counts; otherwise the last one does.
        minimum: Its value is a whole number, at least this.
        maximum: And at most this; 0 for no bound.
        choices: Its value is one of these.
        default: What holds without it, for the help.
        aliases: Other spellings, such as `-h`.
        usage_exit: The exit code where its value cannot be; 0 for that of the command.
    """

    def __init__(
        self,
        name: str,
        help: str,
        value: str = "",
        repeat: bool = False,
        minimum: int | None = None,
        maximum: int = 0,
        choices: tuple[str, ...] = (),
        default: str = "",
        aliases: tuple[str, ...] = (),
        usage_exit: int = 0,
    ) -> None:
        self.name = name
        self.help = help
        self.value = value
        self.repeat = repeat
        self.minimum = minimum
        self.maximum = maximum
        self.choices = choices
        self.default = default
        self.aliases = aliases
        self.usage_exit = usage_exit


class Argument(Term):
    """A word without dashes.

    Attributes:
        name: In capitals.
        help: One line.
        required: Whether it has to be there.
        repeat: Whether any number more may follow; only for the last argument of a command.
        choices: It is one of these.
    """

    def __init__(
        self,
        name: str,
        help: str,
        required: bool = True,
        repeat: bool = False,
        choices: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.help = help
        self.required = required
        self.repeat = repeat
        self.choices = choices


class Example(Term):
    """A command line and what it does."""

    def __init__(
        self,
        line: str,
        help: str,
    ) -> None:
        self.line = line
        self.help = help


class Command(Term):
    """A command or a sub-command.

    Attributes:
        name: As it is typed after `callmux`, sub-commands with the words before them; empty for run mode.
        summary: One line, in the imperative, without a full stop.
        arguments: In order.
        options: In the order of the help.
        rest: What follows `--`, such as `COMMAND [ARG...]`; empty where `--` only ends the options.
        rest_required: Whether `--` and something after it have to be there.
        examples: Command lines that work.
        notes: Paragraphs below the options.
        subcommands: The first word chooses one of these.
        aliases: Other names of a sub-command, the last word only.
        usage_exit: The exit code for a command line that cannot be understood.
    """

    def __init__(
        self,
        name: str,
        summary: str,
        arguments: tuple[Argument, ...] = (),
        options: tuple[Option, ...] = (),
        rest: str = "",
        rest_required: bool = False,
        examples: tuple[Example, ...] = (),
        notes: tuple[str, ...] = (),
        subcommands: tuple[Command, ...] = (),
        aliases: tuple[str, ...] = (),
        usage_exit: int = 1,
    ) -> None:
        self.name = name
        self.summary = summary
        self.arguments = arguments
        self.options = options
        self.rest = rest
        self.rest_required = rest_required
        self.examples = examples
        self.notes = notes
        self.subcommands = subcommands
        self.aliases = aliases
        self.usage_exit = usage_exit

    @property
    def word(self) -> str:
        """The last word of the name."""
        return self.name.rpartition(" ")[2]

    @property
    def usage(self) -> str:
        """A line such as `callmux call TOOL [JSON] [--url URL]`."""
        parts = ["callmux", *([self.name] if self.name else [])]
        if self.subcommands:
            return " ".join([*parts, "|".join(sub.word for sub in self.subcommands), "..."])
        for argument in self.arguments:
            word = argument.name + ("..." if argument.repeat else "")
            parts.append(word if argument.required else f"[{word}]")
        if self.options:
            parts.append("[options]")
        if self.rest:
            parts.append(f"-- {self.rest}" if self.rest_required else f"[-- {self.rest}]")
        return " ".join(parts)
