"""Reads a command line by the table of commands. Pure.

Called by `callmux.cli.main` (what every command takes, and run mode) and by the commands of `callmux.cli`,
with their entry of `callmux.cli.grammar`; nothing else looks at the words of a command line. Flags may stand
anywhere among the other words, as `--flag value` or `--flag=value`; after `--` nothing is a flag.
"""

from __future__ import annotations

from collections.abc import Sequence

from callmux.cli.grammar.terms import Command, Option
from callmux.errors import UsageError


class ScriptUsageError(UsageError):
    """A usage error of a command that scripts call: exit code 2, so that they can tell it from a failed tool.

    Its message begins with `Error: `.
    """

    exit_code = 2


class Given:
    """A command line that was understood.

    Attributes:
        command: The command, or the sub-command that was chosen.
        words: What stood there without dashes, in order.
        rest: What followed `--`; None where there was none.
    """

    def __init__(self, command: Command) -> None:
        self.command = command
        self.words: list[str] = []
        self.rest: list[str] | None = None
        self._values: dict[str, list[str]] = {}

    def on(self, switch: str) -> bool:
        """Whether a flag was given."""
        return switch in self._values

    def all(self, name: str) -> list[str]:
        """Every value of a flag, in order."""
        return self._values.get(name, [])

    def text(self, name: str) -> str | None:
        """The last value of a flag; None where it was not given."""
        values = self._values.get(name)
        return values[-1] if values else None

    def number(self, name: str) -> int | None:
        """The same, for a flag whose value is a number."""
        text = self.text(name)
        return None if text is None else int(text)

    def word(self, at: int) -> str | None:
        """The argument at a position; None where it was not given."""
        return self.words[at] if at < len(self.words) else None

    def add(self, option: Option, value: str) -> None:
        self._values.setdefault(option.name, []).append(value)


def read(command: Command, args: Sequence[str]) -> Given:
    """Reads what follows a command on the command line.

    Args:
        command: Its entry in the table. Where it has sub-commands, the first word chooses one.
        args: Everything behind it.

    Raises:
        UsageError: It cannot be understood; names the nearest flag or sub-command that there is.
    """
    while command.subcommands:
        command, args = choose(command, args), args[1:]
    given = Given(command)
    end = list(args).index("--") if "--" in args else len(args)
    after = list(args[end + 1 :])
    _flags(given, list(args[:end]))
    if not command.rest:
        given.words += after
    elif end < len(args):
        given.rest = after
    _check_words(given)
    if command.rest_required and not given.rest:
        raise refusal(command, f"{command.rest} is missing after --")
    return given


def take(command: Command, args: Sequence[str]) -> tuple[list[str], Given]:
    """Takes the flags of `command` out of a command line before `--`; every other word stays as it stands.

    Raises:
        UsageError: One of them has no value.
    """
    given, left = Given(command), []
    words = list(args)
    end = words.index("--") if "--" in words else len(words)
    own = iter(words[:end])
    options = _by_spelling(command)
    for word in own:
        name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        option = options.get(name)
        if option is None:
            left.append(word)
        elif not option.value:
            given.add(option, "")
        else:
            value = value if equals else next(own, "")
            if not value:
                raise UsageError(f"Missing value for {option.name}")
            given.add(option, value)
    return left + words[end:], given


def choose(command: Command, args: Sequence[str]) -> Command:
    """The sub-command that the first word names.

    Raises:
        UsageError: It names none.
    """
    known = [name for sub in command.subcommands for name in (sub.word, *sub.aliases)]
    if not args:
        raise refusal(command, f"which of {', '.join(known)}?")
    for sub in command.subcommands:
        if args[0] == sub.word or args[0] in sub.aliases:
            return sub
    raise refusal(command, f'Unknown {command.name} command "{args[0]}"{nearest(args[0], known)}')


def _flags(given: Given, own: list[str]) -> None:
    command = given.command
    options = _by_spelling(command)
    at = 0
    while at < len(own):
        word = own[at]
        at += 1
        name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        option = options.get(name)
        if option is None:
            # A lone dash is stdin, and with one dash a word may be an argument, such as a negative number.
            if word.startswith("--") or (len(word) > 1 and word[0] == "-" and not command.arguments):
                label = f"{command.name} option".strip()
                raise refusal(command, f'Unknown {label} "{name}"{nearest(name, list(options))}')
            given.words.append(word)
        elif not option.value:
            if equals:
                raise refusal(command, f"{name} takes no value")
            given.add(option, "")
        else:
            if not equals:
                if at == len(own):
                    raise refusal(command, f"missing value for {name} ({option.value})", option.usage_exit)
                value = own[at]
                at += 1
            given.add(option, _checked(command, option, value))


def _by_spelling(command: Command) -> dict[str, Option]:
    return {name: option for option in command.options for name in (option.name, *option.aliases)}


def _checked(command: Command, option: Option, value: str) -> str:
    if option.choices and value not in option.choices:
        known = ", ".join(option.choices[:-1]) + f" or {option.choices[-1]}"
        hint = nearest(value, option.choices)
        raise refusal(command, f'{option.name} must be {known}, not "{value}"{hint}')
    if option.minimum is not None:
        is_number = value.isascii() and value.isdigit() and len(value) <= 15
        if not is_number or int(value) < option.minimum or (option.maximum and int(value) > option.maximum):
            problem = f'{option.name} must be {_range(option)}, not "{value}"'
            raise refusal(command, problem, option.usage_exit)
    return value


def _range(option: Option) -> str:
    if option.maximum:
        return f"an integer from {option.minimum} to {option.maximum}"
    names = {0: "a non-negative integer", 1: "a positive integer"}
    return names.get(option.minimum or 0, f"an integer of at least {option.minimum}")


def _check_words(given: Given) -> None:
    command, words = given.command, given.words
    arguments = command.arguments
    for argument, word in zip(arguments, words, strict=False):
        if argument.choices and word not in argument.choices:
            known = ", ".join(argument.choices)
            hint = nearest(word, argument.choices)
            raise refusal(command, f'{argument.name} must be one of {known}, not "{word}"{hint}')
    missing = [argument.name for argument in arguments[len(words) :] if argument.required]
    if missing:
        raise refusal(command, f"{missing[0]} is missing")
    if len(words) > len(arguments) and not (arguments and arguments[-1].repeat):
        raise refusal(command, f'Unknown argument "{words[len(arguments)]}"')


def refusal(command: Command, problem: str, usage_exit: int = 0) -> UsageError:
    """The error for a command line of `command`, with its usage and its exit code.

    Args:
        usage_exit: Another exit code than the command's.
    """
    end = "" if problem.endswith("?") else "."
    if (usage_exit or command.usage_exit) == 2:
        return ScriptUsageError(f"Error: {problem}{end} Usage: {command.usage}")
    return UsageError(f"{problem[0].upper()}{problem[1:]}{end} Usage: {command.usage}")


def nearest(word: str, known: Sequence[str]) -> str:
    """` (did you mean "..."?)`, or nothing where no known word is near."""
    from difflib import get_close_matches

    near = get_close_matches(word, known, n=1)
    return f' (did you mean "{near[0]}"?)' if near else ""
