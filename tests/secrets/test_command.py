"""What a command prints is a secret; how it fails is said without a word of what it printed."""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path

import pytest

from callmux.config.secrets import MAX_BYTES
from callmux.errors import SecretError
from callmux.secrets.command import output_of

ENV = {"PATH": os.environ["PATH"], "SEEN": "by the command"}


def python(code: str) -> str:
    return shlex.join([sys.executable, "-c", code])


def test_what_it_prints_loses_one_line_end(tmp_path: Path) -> None:
    assert output_of("printf ' a b \\n\\n'", tmp_path, ENV) == " a b \n"
    assert output_of("printf 'x\\r\\n'", tmp_path, ENV) == "x"


def test_words_are_split_and_nothing_else_of_a_shell_happens(tmp_path: Path) -> None:
    """No variable, no pipe, no second command: a value that is filled in can start nothing."""
    assert output_of("echo '$SEEN;' \"a  b\" | cat && ls", tmp_path, ENV) == "$SEEN; a  b | cat && ls"
    assert output_of("sh -c 'echo $SEEN | tr a-z A-Z'", tmp_path, ENV) == "BY THE COMMAND"


def test_it_runs_beside_the_configuration_without_input(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("beside")
    assert output_of("cat token", tmp_path, ENV) == "beside"
    with pytest.raises(SecretError, match="printed nothing"):
        output_of("cat", tmp_path, ENV)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("sh -c 'echo hunter2; echo hunter2 >&2; exit 3'", 'the command "sh" failed with exit code 3'),
        ("sh -c 'echo hunter2; kill -9 $$'", 'the command "sh" was ended by signal 9'),
        ("no-such-program hunter2", 'could not run the command "no-such-program": No such file'),
        ("'unfinished hunter2", "cannot be split into words: No closing quotation"),
        ("''", "could not run"),
        ("true hunter2", 'the command "true" printed nothing'),
        ("printf 'hunter2\\377'", "not UTF-8"),
        ("printf 'hunter2\\0'", "zero byte"),
        (python(f"print('hunter2' * {MAX_BYTES})"), f"more than {MAX_BYTES} bytes"),
    ],
)
def test_a_failure_says_why_and_nothing_that_was_printed(tmp_path: Path, command: str, message: str) -> None:
    with pytest.raises(SecretError) as caught:
        output_of(command, tmp_path, ENV)
    assert message in caught.value.message
    assert "hunter2" not in caught.value.message


def test_an_endless_output_is_cut_off(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="more than"):
        output_of("yes", tmp_path, ENV)


def test_one_that_takes_too_long_is_ended_with_what_it_started(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match=r"took longer than 0\.3 s"):
        output_of("sh -c 'sleep 600 & echo $! > pid; wait'", tmp_path, ENV, 0.3)
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10
    while _runs(pid):
        assert time.monotonic() < deadline


def _runs(pid: int) -> bool:
    try:
        # A process that has ended stays listed until whoever adopted it looks.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_one_that_nobody_waits_for_is_ended(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="nobody waits"):
        output_of("sleep 600", tmp_path, ENV, given_up=lambda: True)


def test_one_that_closes_its_output_and_goes_on_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="did not end"):
        output_of("sh -c 'echo x; exec >&- 2>&-; sleep 600'", tmp_path, ENV)


def test_what_it_leaves_running_keeps_nobody_waiting(tmp_path: Path) -> None:
    """Password managers start agents, which inherit the output."""
    assert output_of("sh -c 'sleep 600 & printf token'", tmp_path, ENV, 60.0) == "token"
    big = python("import subprocess; print('x' * 60000); subprocess.Popen(['sleep', '600'])")
    assert len(output_of(big, tmp_path, ENV, 60.0)) == 60000
    with pytest.raises(SecretError, match="exit code 3"):
        output_of("sh -c 'sleep 600 & exit 3'", tmp_path, ENV, 60.0)
