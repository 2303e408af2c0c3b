"""The `callmux` command: takes out what every command takes, picks the command, turns errors into exit codes.

Imports a command only when it is chosen, and nothing heavy before: every agent session starts one of these
processes.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from callmux import __version__
from callmux.cli.commands import COMMANDS
from callmux.cli.grammar.shared import EVERYBODYS
from callmux.cli.parsing import nearest, read, take
from callmux.errors import CallmuxError, UsageError
from callmux.text import check_words

BY_SESSION = ("bridge",)
"""Commands that an agent starts for each of its sessions, as it does the run mode."""
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
    left, everybodys = take(EVERYBODYS, args)
    config = everybodys.text("--config")
    named = bool(left) and not left[0].startswith("-")
    if everybodys.on("--help"):
        from callmux.cli.help import show

        words = left[: left.index("--")] if "--" in left else left
        show([word for word in words if not word.startswith("-")] if named and left[0] in COMMANDS else [])
        return 0
    if named:
        return _command(left[0], left[1:], config)
    from callmux.cli.grammar.serve import COMMANDS as RUN_MODE

    given = read(RUN_MODE[0], left)
    if given.on("--version"):
        print(__version__)
        return 0
    # Nearly all that a start makes stays: the collector has nothing to find before `settle`.
    gc.disable()
    try:
        _import_msgspec()
        from callmux.cli import serve

        return serve.run(given, config)
    finally:
        gc.enable()


def _command(name: str, args: list[str], config: str | None) -> int:
    if name == "version" and not args:
        print(__version__)
        return 0
    if name in COMMANDS:
        gc.disable()  # what an import makes stays
        try:
            if name in BY_SESSION:
                _import_msgspec()
            module = import_module(f"callmux.cli.{COMMANDS[name]}")
        finally:
            gc.enable()
        code: int = getattr(module, "run" if COMMANDS[name] == name else name)(args, config)
        return code
    hint = nearest(name, [*COMMANDS, "version"])
    raise UsageError(f'unknown command "{name}"{hint}. See callmux --help; a server\'s command goes after --')


def _import_msgspec() -> None:
    """Imports msgspec without `typing_extensions`: it asks for what `typing` has by itself since Python 3.11,
    and does without where that is not installed. It takes 2 % of a start."""
    name = "typing_extensions"
    if name in sys.modules or "msgspec" in sys.modules:
        return
    sys.modules[name] = None  # type: ignore[assignment] # what an `import` takes for "not installed"
    try:
        import msgspec  # noqa: F401 - it stays
    finally:
        del sys.modules[name]
