"""`callmux demo`: runs the demonstration, prints its table or its trace. Called by `callmux.cli.main`."""

from __future__ import annotations

import contextlib
import json
import shlex
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import msgspec

from callmux.cli.grammar.demo import COMMANDS
from callmux.cli.parsing import read, refusal
from callmux.demo import report, task, trace
from callmux.demo.agent import Agent, DemoFailed
from callmux.errors import UsageError


class _Options(msgspec.Struct):
    calls: int = 12
    delay_ms: int = 150
    as_json: bool = False
    callmux: str | None = None


def run(args: list[str], config_option: str | None) -> int:
    """Runs the command.

    Args:
        args: What follows `demo` on the command line.
        config_option: The value of a global `--config`.

    Returns:
        The exit code.

    Raises:
        UsageError: The arguments cannot be understood.
    """
    if config_option is not None:
        raise UsageError("demo brings its own configuration: leave --config out")
    options = _parse(args)
    try:
        with _ended_by_signals(), tempfile.TemporaryDirectory(prefix="callmux-demo-") as folder:
            _demonstrate(options, Path(folder))
    except DemoFailed as failure:
        print(f"callmux demo: {failure.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("callmux demo: interrupted; what it started has been ended", file=sys.stderr)
        return 130
    return 0


def _parse(args: list[str]) -> _Options:
    given = read(COMMANDS[0], args)
    options = _Options(as_json=given.on("--json"), callmux=given.text("--callmux"))
    if options.callmux is not None and not options.callmux.strip():
        raise refusal(given.command, "--callmux is empty")
    if (calls := given.number("--calls")) is not None:
        options.calls = calls
    if (delay := given.number("--delay")) is not None:
        options.delay_ms = delay
    return options


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM ends the demonstration as Ctrl-C does, so that nothing it started is left behind.

    Both do, also where whoever started us had SIGINT ignored, as shells do for what runs in the background.
    """

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _demonstrate(options: _Options, folder: Path) -> None:
    config_file = folder / "config.json"
    config = task.configuration(sys.executable, folder, options.delay_ms, issues=options.calls * 2)
    # Both ways are to deliver everything: a shortened result would make callmux look better than it is here.
    config["responseShield"] = {"enabled": False}
    config_file.write_text(json.dumps(config), "utf-8")
    callmux = shlex.split(options.callmux) if options.callmux else [sys.executable, "-m", "callmux"]
    if not options.as_json:
        network = f"each call takes {options.delay_ms} ms in its server"
        print(f"callmux in front of two servers, tracker and notes;\n{network}. Working ...\n", flush=True)
    # At worst the calls run one after the other.
    call_seconds = 30 + options.calls * options.delay_ms / 1000
    with Agent([*callmux, "--config", str(config_file)], call_seconds) as agent:
        equal = task.perform(agent, options.calls, folder)
    titled = _entries()
    if options.as_json:
        _print_json(options, agent.trace, equal, titled)
    else:
        # What is last is what one sees: on a small terminal the rest has scrolled away.
        print(report.entries_text(titled))
        print("\nChecked, both ways did the same:")
        print("".join(f"  {sentence}\n" for sentence in equal))
        print(report.table(agent.trace))


def _entries() -> dict[str, str]:
    """What to put where; what to do first where this installation is gone when the demonstration ends."""
    from callmux.cli.own_entry import this_program
    from callmux.clients.program import NotInstalled, lasting, start_command

    try:
        command = start_command(lasting(this_program()), absolute=True)
    except NotInstalled as error:
        return {"First": error.message}
    configuration = task.configuration(sys.executable, None, 0, issues=200)
    return report.entries(command, "~/.config/callmux/config.json", configuration)


def _print_json(
    options: _Options, messages: list[trace.Message], equal: list[str], titled: dict[str, str]
) -> None:
    shown = {
        "calls": options.calls,
        "delayMs": options.delay_ms,
        "bytesPerToken": trace.BYTES_PER_TOKEN,
        "table": trace.rows(messages),
        "tokensRead": {way: trace.tokens_read(messages, way) for way in (trace.ONE_BY_ONE, trace.CALLMUX)},
        "checked": equal,
        "entries": titled,
        "trace": messages,
    }
    print(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode())
