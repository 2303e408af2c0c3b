"""How an option is written and described, in the help and in `docs/cli.md`. Pure.

Called by `callmux.cli.help` and `callmux.cli.manual`.
"""

from __future__ import annotations

from callmux.cli.grammar.terms import Option


def option_words(option: Option) -> str:
    """A flag and its value, such as `--port PORT`."""
    return f"{option.name} {option.value}" if option.value else option.name


def option_help(option: Option) -> str:
    """What a flag does, what it may be, and what holds without it."""
    text = chosen(option.help, option.choices)
    if option.repeat:
        text += "; repeatable"
    return f"{text} ({option.default})" if option.default else text


def chosen(help: str, choices: tuple[str, ...]) -> str:
    """What an argument is, and the words it may be."""
    return f"{help}: {', '.join(choices)}" if choices else help
