"""The `callmux` command: takes `--config` out, picks the command, turns errors into exit codes.

Imports a command only when it is chosen, and nothing heavy before: every agent session starts one of these
processes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from callmux import __version__
from callmux.cli.commands import COMMANDS
from callmux.errors import CallmuxError, UsageError
from callmux.text import check_words

VERSION = {"--version", "-v", "-V"}

READER_LEFT = 141
"""What a shell reports of a program that the end of its reader ended."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line. Gives the exit code."""
    args = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _run(args)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Whoever read has left. Python flushes once more at its end, which is to find an open file.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_LEFT
    except CallmuxError as error:
        if error.exit_code == 2:
            print(error.message, file=sys.stderr)
            return 2
        from callmux.config.veil import EVERYWHERE

        print(f"[callmux] Fatal: {EVERYWHERE.hide(error.message)}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.filename is None:
            raise
        # Such as a directory that belongs to somebody else: whoever runs a command can mend that.
        reason = f'cannot read or write "{os.fspath(error.filename)}": {error.strerror}'
        print(f"[callmux] Fatal: {reason}. Check its owner and mode (ls -ld)", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(args: list[str]) -> int:
    check_words(args)
    args, config = take_config(args)
    own = args[: args.index("--")] if "--" in args else args
    if "--help" in own or "-h" in own:
        from callmux.cli.help import show

        show([word for word in own if not word.startswith("-")] if args[0] in COMMANDS else [])
        return 0
    if not args or args[0].startswith("-"):
        if VERSION & set(own):
            print(__version__)
            return 0
        from callmux.cli import serve

        return serve.run(spread(args), config)
    return _command(args[0], args[1:], config)


def _command(name: str, args: list[str], config: str | None) -> int:
    if name == "version" and not args:
        print(__version__)
        return 0
    if name in COMMANDS:
        module = import_module(f"callmux.cli.{COMMANDS[name]}")
        code: int = getattr(module, "run" if COMMANDS[name] == name else name)(args, config)
        return code
    from callmux.cli.parsing import nearest

    hint = nearest(name, [*COMMANDS, "version"])
    raise UsageError(f'unknown command "{name}"{hint}. See callmux --help; a server\'s command goes after --')


def spread(args: list[str]) -> list[str]:
    """`args` with every `--flag=value` before a `--` as two words, which is what run mode reads."""
    end = args.index("--") if "--" in args else len(args)
    own = (word.split("=", 1) if word.startswith("--") else [word] for word in args[:end])
    return [part for parts in own for part in parts] + args[end:]


def take_config(args: list[str]) -> tuple[list[str], str | None]:
    """Takes every `--config PATH` and `--config=PATH` before a `--` out of `args`; the last one counts.

    Raises:
        UsageError: It has no value.
    """
    end = args.index("--") if "--" in args else len(args)
    own, rest = args[:end], args[end:]
    config = None
    left = []
    words = iter(own)
    for word in words:
        if word == "--config":
            config = next(words, None)
        elif word.startswith("--config="):
            config = word[len("--config=") :]
        else:
            left.append(word)
            continue
        if not config:
            raise UsageError("Missing value for --config")
    return left + rest, config
