"""The log goes where the flags say, as they say, and without any secret."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from callmux.cli import own_log
from callmux.cli.grammar.serve import COMMANDS
from callmux.cli.own_log import LogOptions, begin, log_options, show
from callmux.cli.parsing import read
from callmux.cli.process import log_to_stderr
from callmux.config.veil import EVERYWHERE, Veil
from callmux.errors import UsageError
from tests.support import SECONDS, eventually, free_port

log = logging.getLogger("callmux.test")


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The log of the tests themselves is as it was afterwards."""
    root = logging.getLogger("callmux")
    before = root.handlers[:], root.level, root.propagate
    root.handlers[:] = []
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    yield
    root.handlers[:], root.level, root.propagate = before


def test_the_flags_say_how_the_log_looks() -> None:
    words = ["--log-level", "debug", "--cache", "5", "--log-file", "x.log", "--log-format", "json"]
    given = read(COMMANDS[0], [*words, "--", "server", "--log-level", "whatever"])
    assert log_options(given) == LogOptions(level="debug", file="x.log", format="json")
    assert log_options(read(COMMANDS[0], ["--listen", "1"])) == LogOptions()


@pytest.mark.parametrize(
    "words",
    [["--log-level", "loud"], ["--log-format", "xml"], ["--log-file"], ["--log-level"]],
    ids=lambda words: " ".join(words),
)
def test_a_value_that_cannot_be_is_refused_with_the_flag(words: list[str]) -> None:
    with pytest.raises(UsageError, match=words[0]):
        read(COMMANDS[0], words)


def test_what_is_below_the_level_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr()
    begin(LogOptions(level="warning"))
    log.info("small talk")
    log.warning("something")
    assert capsys.readouterr().err == "[callmux] something\n"


def test_json_lines_have_time_level_logger_and_message_without_secrets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    EVERYWHERE.learn(Veil(["a-secret-of-the-log-4711"]))
    log_to_stderr()
    begin(LogOptions(format="json"))
    log.warning('server "x" said\r\n%s', "a-secret-of-the-log-4711 \x1b[2J \u2028 \ud800")
    show("git", "fatal: \x1b[31mno\x1b[0m")
    try:
        raise ValueError("a-secret-of-the-log-4711")
    except ValueError as error:
        log.error("it broke", exc_info=error)
    printed = capsys.readouterr().err
    assert "4711" not in printed
    assert len(printed.splitlines()) == 3
    first, second, third = map(json.loads, printed.splitlines())
    assert (first["level"], first["logger"]) == ("warning", "callmux.test")
    assert first["message"] == 'server "x" said\r\n[redacted] \x1b[2J \u2028 ?'
    assert first["time"].endswith("Z")
    assert (second["server"], second["message"], second["level"]) == ("git", "[git] fatal: no", "info")
    assert "ValueError: [redacted]" in third["error"]


def test_a_file_takes_the_place_of_stderr_and_may_be_moved_at_any_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "logs" / "callmux.log"
    log_to_stderr()
    begin(LogOptions(file=str(path)))
    log.info("one")
    eventually(path.exists)
    eventually(lambda: "one" in path.read_text())
    path.rename(tmp_path / "old.log")
    log.warning("two")
    eventually(path.exists)
    eventually(lambda: path.read_text().endswith(" WARNING two\n"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert capsys.readouterr().err == ""


def test_a_file_that_cannot_be_written_is_said_on_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    log_to_stderr()
    begin(LogOptions(file=str(tmp_path / "file" / "x.log")))
    log.info("one")
    said: list[str] = []

    def complained() -> bool:
        said.append(capsys.readouterr().err)
        return "cannot be written" in "".join(said)

    eventually(complained)


def test_what_a_server_prints_is_in_the_log_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "own.log"
    flags = ["--log-file", str(path), "--log-format", "json", "--log-level", "debug"]
    server = ["--", sys.executable, "-c", "import sys; sys.stderr.write('hello\\n')"]
    greeting = b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}\n'
    listing = b'{"jsonrpc":"2.0","id":2,"method":"tools/list"}\n'
    words = [sys.executable, "-m", "callmux", *flags, *server]
    done = subprocess.run(words, input=greeting + listing, capture_output=True, timeout=60, check=True)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert any("hello" in line["message"] and "server" in line for line in lines)
    assert b"hello" not in done.stderr


def test_a_bridge_takes_the_flags(tmp_path: Path) -> None:
    path = tmp_path / "own.log"
    url = f"http://127.0.0.1:{free_port()}/mcp"
    words = [sys.executable, "-m", "callmux", "bridge", "--url", url, "--log-file", str(path)]
    greeting = b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}\n'
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as bridge:
        assert bridge.stdin is not None
        bridge.stdin.write(greeting)
        bridge.stdin.flush()
        eventually(path.exists)
        bridge.stdin.close()
        bridge.terminate()
    assert " WARNING " in path.read_text()


def test_what_ends_the_process_is_in_the_log_and_on_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "own.log"
    log_to_stderr()
    begin(LogOptions(file=str(path)))
    error = RuntimeError("the roof is on fire")
    sys.excepthook(RuntimeError, error, None)
    eventually(path.exists)
    eventually(lambda: "the roof is on fire" in path.read_text())
    assert "its log says more" in capsys.readouterr().err


def test_a_start_without_these_flags_does_not_load_it() -> None:
    assert own_log.__name__ == "callmux.cli.own_log"
    code = "import sys, callmux.cli.main, callmux.cli.serve, callmux.cli.bridge; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], timeout=SECONDS, text=True).split()
    assert "callmux.cli.own_log" not in loaded
