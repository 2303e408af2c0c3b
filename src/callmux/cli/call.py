"""`callmux call`, `parallel`, `batch`, `pipeline`: tools from a shell, those of a running listener or not.

Called by `callmux.cli.main`. A script starts one of these for every call: what they load is counted, see
`tests/cli/test_call.py`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from callmux.cli.conversing import converse
from callmux.cli.grammar.call import COMMANDS
from callmux.cli.parsing import Given, read, refusal
from callmux.metatools.table import traits
from callmux.shell.failure import ShellFailed
from callmux.shell.message import call_params, with_format
from callmux.shell.outcome import Outcome, exit_code, field, read_result
from callmux.shell.payload import fan_out, read_entry, read_object
from callmux.shell.rendering import as_it_came, failure_text, in_format, pretty, readable
from callmux.text import NotText, text_of

_BY_NAME = {command.name: command for command in COMMANDS}


def run(args: list[str], config_option: str | None) -> int:
    """`callmux call`. Gives the exit code."""
    given = read(_BY_NAME["call"], args)
    tool, typed = given.words[0], given.word(1)
    if typed is not None and given.text("--file") is not None:
        raise refusal(given.command, "give the arguments as JSON or with --file, not both")
    if typed is not None:
        arguments = read_object(_stdin() if typed == "-" else typed)
    else:
        arguments = _from_file(given) or "{}"
    return _call(given, tool, arguments, config_option)


def parallel(args: list[str], config_option: str | None) -> int:
    """`callmux parallel`. Gives the exit code."""
    return _several("parallel", args, config_option)


def batch(args: list[str], config_option: str | None) -> int:
    """`callmux batch`. Gives the exit code."""
    return _several("batch", args, config_option)


def pipeline(args: list[str], config_option: str | None) -> int:
    """`callmux pipeline`. Gives the exit code."""
    return _several("pipeline", args, config_option)


def _several(verb: str, args: list[str], config_option: str | None) -> int:
    given = read(_BY_NAME[verb], args)
    arguments = _from_file(given)
    if arguments is None:
        if not given.words:
            raise refusal(given.command, "there is nothing to call: give 'TOOL JSON' words, or --file")
        arguments = fan_out(verb, [read_entry(word) for word in given.words])
    elif given.words:
        raise refusal(given.command, "give the calls as words or with --file, not both")
    return _call(given, f"callmux_{verb}", arguments, config_option)


def _from_file(given: Given) -> str | None:
    path = given.text("--file")
    if path is None:
        return None
    if path == "-":
        return read_object(_stdin(), "payload from stdin")
    try:
        text = text_of(Path(path).read_bytes(), path)
    except OSError as error:
        raise ShellFailed(f'--file "{path}" cannot be read: {error.strerror or error}') from None
    except NotText as error:
        raise ShellFailed(f"--file {error.message}") from None
    return read_object(text, f'payload in "{path}"')


def _stdin() -> str:
    try:
        return text_of(sys.stdin.buffer.read(), "stdin")
    except NotText as error:
        raise ShellFailed(error.message) from None


def _call(given: Given, tool: str, arguments: str, config_option: str | None) -> int:
    _check_output(given)
    own = traits(tool)
    if own is not None and own.formatted:
        # Whatever the listener's default is: only JSON can be looked into.
        arguments = with_format(arguments, (_wanted(given) if _comes_so(given) else None) or "json")
    with converse(given, config_option, f"tools/call {tool}") as conversation:
        result = conversation.ask("tools/call", call_params(tool, arguments))
        outcome = read_result(result)
        code = exit_code(tool, outcome)
        # Before the session is ended: nobody is to wait for that.
        _show(given, result, outcome)
    return code


def _check_output(given: Given) -> None:
    ways = [name for name in ("--raw", "--field", "--full") if given.on(name)]
    if given.on("--raw") and len(ways) == 1 and (given.on("--json") or given.on("--output-format")):
        ways.append("--output-format")
    if "--full" in ways and "--field" in ways:
        ways = []
    if len(ways) > 1 and ways != ["--raw", "--field"]:
        raise refusal(given.command, f"{' and '.join(ways)} exclude each other")


def _wanted(given: Given) -> str | None:
    return given.text("--output-format") or ("json" if given.on("--json") else None)


def _comes_so(given: Given) -> bool:
    """Whether an answer is printed in the form in which it came."""
    whole = not given.on("--full") and not given.on("--raw") and given.text("--field") is None
    return whole and _wanted(given) in ("plain", "shortest")


def _show(given: Given, result: dict[str, Any], outcome: Outcome) -> None:
    wanted = _wanted(given)
    path = given.text("--field")
    raw = given.on("--raw")
    if outcome.is_error and (raw or (wanted is None and sys.stdout.isatty() and not given.on("--full"))):
        text = "\n".join(outcome.texts) if raw else failure_text(outcome.value)
        print(text, file=sys.stderr)
    elif path is not None and not outcome.is_error:
        value = field(result if given.on("--full") else outcome.value, path)
        write(value if raw and isinstance(value, str) else in_format(value, wanted or "json"))
    elif given.on("--full"):
        write(in_format(result, wanted or "json"))
    elif _comes_so(given):
        write(as_it_came(outcome))
    elif raw:
        write("\n".join(outcome.texts) if outcome.texts else pretty(outcome.value))
    elif wanted is None and sys.stdout.isatty():
        write(readable(outcome))
    else:
        write(in_format(outcome.value, wanted or "json"))


def write(text: str) -> None:
    """Prints a result as UTF-8, whatever the locale; on a terminal, as far as it can show it.

    A reader that has left, such as `head`, is no error.
    """
    try:
        if sys.stdout.isatty():
            encoding = sys.stdout.encoding or "utf-8"
            print(text.encode(encoding, "replace").decode(encoding))
        else:
            sys.stdout.flush()
            sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace") + b"\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more at its end; that is to find an open file.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
