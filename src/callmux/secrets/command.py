"""The value of a `cmd:` reference: what a program prints, in a bounded time and size, and without a shell.

Called by `callmux.secrets.resolving`. The words are split as a shell splits them, and nothing else of a shell
happens: no variable is filled in, nothing is piped. No message holds what the program printed, on either
output, nor its arguments.
"""

from __future__ import annotations

import os
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from callmux.config.secrets import MAX_BYTES
from callmux.errors import SecretError
from callmux.text import NotText, text_of

SECONDS = 30.0
"""How long a command may take: a password manager may ask for a fingerprint."""
LOOK_SECONDS = 0.1
"""How often is looked whether nobody waits any more."""


def output_of(
    text: str,
    base_dir: Path,
    env: Mapping[str, str],
    seconds: float = SECONDS,
    given_up: Callable[[], bool] | None = None,
) -> str:
    """What a command prints, less one final line end.

    Args:
        text: The command line.
        base_dir: The directory it runs in: that of the configuration file.
        env: Its whole environment.
        seconds: How long it may take.
        given_up: Says that nobody waits any more; the command is ended then.

    Raises:
        SecretError: It cannot be run, fails, takes too long, or prints nothing or too much.
    """
    if sys.platform == "win32":
        raise SecretError("runs a command, which does not work on Windows yet: use env:, file: or keyring:")
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise SecretError(f"has a command that cannot be split into words: {error}") from None
    if not words:
        raise SecretError("has an empty command")
    program = words[0]
    try:
        process = subprocess.Popen(
            words,
            cwd=base_dir,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its words cannot be used"
        raise SecretError(f'could not run the command "{program}": {reason}') from None
    assert process.stdout is not None
    try:
        data = _read(process, program, time.monotonic() + seconds, seconds, given_up)
        try:
            code = process.wait(1.0)
        except subprocess.TimeoutExpired:
            raise SecretError(f'the command "{program}" closed its output and did not end') from None
    finally:
        with suppress(ProcessLookupError, PermissionError):
            # What it started lives in its group.
            os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()
        process.wait()
    if code != 0:
        how = f"failed with exit code {code}" if code > 0 else f"was ended by signal {-code}"
        raise SecretError(f'the command "{program}" {how}: run it in a terminal to see why')
    return _value(data, program)


def _read(
    process: subprocess.Popen[bytes],
    program: str,
    deadline: float,
    seconds: float,
    given_up: Callable[[], bool] | None,
) -> bytes:
    assert process.stdout is not None
    descriptor, data, ended = process.stdout.fileno(), b"", False
    # Not `select`: a process with many connections has descriptors beyond its bound.
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise SecretError(f'the command "{program}" took longer than {seconds:g} s')
        if given_up is not None and given_up():
            raise SecretError(f'the command "{program}" was ended: nobody waits for it any more')
        if not poll.poll(0 if ended else min(left, LOOK_SECONDS) * 1000):
            if ended:
                # An agent that it has started may keep its output open for ever.
                return data
            ended = process.poll() is not None
            continue
        if not (more := os.read(descriptor, MAX_BYTES + 1 - len(data))):
            return data
        data += more
        if len(data) > MAX_BYTES:
            raise SecretError(f'the command "{program}" printed more than {MAX_BYTES} bytes')


def _value(data: bytes, program: str) -> str:
    try:
        value = text_of(data, "it")
    except NotText:
        raise SecretError(f'the command "{program}" printed something that is not UTF-8 text') from None
    value = value.removesuffix("\n").removesuffix("\r") if value.endswith("\n") else value
    if not value:
        raise SecretError(f'the command "{program}" printed nothing')
    if "\0" in value:
        raise SecretError(f'the command "{program}" printed a zero byte')
    return value
