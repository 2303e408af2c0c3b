"""The callmux command: which command runs, and which exit code comes back."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from callmux import __version__
from callmux.cli import config as config_command
from callmux.cli import serve
from callmux.cli.commands import COMMANDS
from callmux.cli.main import READER_LEFT, main
from callmux.cli.parsing import Given
from callmux.errors import CallmuxError
from tests.support import SECONDS, python


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What reaches run mode."""
    calls: list[Any] = []

    def run(given: Given, config: str | None) -> int:
        calls.append((given, config))
        return 0

    monkeypatch.setattr(serve, "run", run)
    return calls


def test_the_last_config_before_the_command_counts_and_the_servers_own_stays(served: list[Any]) -> None:
    assert main(["--config", "a", "--meta-only", "--config", "b"]) == 0
    assert main(["--", "srv", "--config", "c"]) == 0
    assert [config for _, config in served] == ["b", None]
    assert served[1][0].rest == ["srv", "--config", "c"]


def test_values_may_follow_their_flag_after_an_equals_sign(served: list[Any]) -> None:
    assert main(["--cache=5", "--config=a=b", "--env=A=b", "--meta-only", "--", "srv", "--x=y"]) == 0
    [(given, config)] = served
    assert (given.number("--cache"), given.all("--env"), given.on("--meta-only")) == (5, ["A=b"], True)
    assert (given.rest, config) == (["srv", "--x=y"], "a=b")


@pytest.mark.parametrize("args", [["--config"], ["--config", "--", "srv"], ["--config="]])
def test_a_configuration_without_its_path_is_refused(
    args: list[str], served: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(args) == 1
    assert "Missing value for --config" in capsys.readouterr().err
    assert served == []


@pytest.mark.parametrize("flag", ["-v", "--version"])
def test_a_version_flag_behind_a_command_is_no_request_for_callmuxs_version(
    flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And behind `--` it is the server's. Weak spot C13 of callmux (npm)."""
    assert main(["server", "list", flag]) == 1
    assert f'Unknown server list option "{flag}"' in capsys.readouterr().err


def test_a_reader_that_leaves_early_is_no_error() -> None:
    with python("-m", "callmux", "help", "--markdown") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(20) == READER_LEFT


STOPPED = """
import runpy

from callmux.cli import main

main._run = lambda args: exec("raise KeyboardInterrupt")
runpy.run_module("callmux", run_name="__main__")
"""


def test_ctrl_c_while_modules_are_imported_has_the_exit_code_of_any_other(tmp_path: Path) -> None:
    """Dataclasses are made by an `exec` of text, and there Python took note of the exception."""
    (tmp_path / "stopped.py").write_text(STOPPED)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    with python("-m", "stopped", env=env) as process:
        assert process.wait(20) == 130


@pytest.mark.parametrize("flag", ["--version", "-v", "--help", "-h"])
def test_version_and_help_are_ours_only_before_the_servers_command(
    flag: str, served: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Weak spot C13 of callmux (npm)."""
    assert main([flag]) == 0
    text = capsys.readouterr().out
    assert text == f"{__version__}\n" if "v" in flag else text.startswith("callmux: ")
    assert served == []
    assert main(["--", "srv", flag]) == 0
    assert [given.rest for given, _ in served] == [["srv", flag]]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("verison", 'unknown command "verison" (did you mean "version"?)'),
        ("docter", 'unknown command "docter" (did you mean "doctor"?)'),
        ("zzzz", 'unknown command "zzzz". See callmux --help'),
    ],
)
def test_a_word_that_is_no_command_is_refused_and_never_run_as_a_server(
    word: str, says: str, served: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert word not in COMMANDS
    assert main([word]) == 1
    assert says in capsys.readouterr().err
    assert served == []


def test_a_command_gets_its_arguments_and_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_command, "run", lambda args, path: 7 if (args, path) == (["x"], "c") else 1)
    assert main(["config", "x", "--config", "c"]) == 7


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (CallmuxError("broken"), 1, "[callmux] Fatal: broken\n"),
        (CallmuxError("no postgres://al:pw@h/x"), 1, "[callmux] Fatal: no postgres://[redacted]@h/x\n"),
        (
            PermissionError(13, "Permission denied", "/x/y"),
            1,
            '[callmux] Fatal: cannot read or write "/x/y": Permission denied.'
            " Check its owner and mode (ls -ld)\n",
        ),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_an_error_becomes_an_exit_code(
    error: BaseException,
    code: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(given: Given, config: str | None) -> int:
        raise error

    monkeypatch.setattr(serve, "run", run)
    assert main([]) == code
    assert capsys.readouterr().err == says


@pytest.mark.parametrize("port", [["0"], ["65536"], ["http"], []])
def test_a_bad_port_to_listen_on_is_exit_code_2(
    port: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(serve, "log_to_stderr", lambda: None)
    assert main(["--listen", *port]) == 2
    said = capsys.readouterr().err
    assert said.startswith("Error: ")
    assert "--listen" in said


@pytest.mark.parametrize("words", [["--version"], ["-v"], ["-V"], ["version"]])
def test_the_version_is_printed(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    assert capsys.readouterr().out == f"{__version__}\n"


def test_a_start_is_not_held_up_by_the_collector_which_works_again_whatever_comes_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[bool] = []

    def run(given: Given, config: str | None) -> int:
        seen.append(gc.isenabled())
        raise CallmuxError("nothing to run")

    monkeypatch.setattr(serve, "run", run)
    assert main([]) == 1
    assert (seen, gc.isenabled()) == ([False], True)


STREAMS = """
import os
import sys
from callmux.__main__ import main

sys.argv = ["callmux", "help"]
code = main()
null = os.stat(os.devnull)
for number in map(int, os.environ["CLOSED"].split()):
    assert os.path.samestat(os.fstat(number), null) and os.get_inheritable(number)
print("an é", file=sys.stderr)
os._exit(code)
"""


@pytest.mark.skipif(os.name != "posix", reason="a shell closes them")
@pytest.mark.parametrize("closed", ["0", "1", "2", "0 1 2"])
def test_a_program_that_was_started_without_a_standard_stream_works_and_gives_its_number_to_nothing_else(
    closed: str,
) -> None:
    without = " ".join(f"{number}>&-" for number in closed.split())
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {without}', "sh", sys.executable, "-c", STREAMS],
        env={**os.environ, "CLOSED": closed, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    assert bool(done.stdout) is ("1" not in closed)
    assert done.stderr.decode() == ("" if "2" in closed else "an é\n")


@pytest.mark.parametrize("command", ["", "bridge"])
def test_a_start_for_a_session_does_without_what_msgspec_asks_for_and_typing_has(command: str) -> None:
    """It is there again for whoever needs it later."""
    words = [command, "--nothing-like-this"] if command else ["--config", "nowhere.json"]
    code = f"""if True:
        import sys
        from callmux.cli.main import main
        main({words!r})
        print("msgspec" in sys.modules, "typing_extensions" in sys.modules)
        import typing_extensions, msgspec
        class Some(typing_extensions.TypedDict):
            a: typing_extensions.NotRequired[int]
        print(typing_extensions.__name__, msgspec.json.decode("{{}}", type=Some))
    """
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS
    ).stdout
    assert said.splitlines() == ["True False", "typing_extensions {}"]
