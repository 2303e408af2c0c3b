"""What a server has left is found by its mark and ended; nobody else is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from callmux.upstream import leftovers
from callmux.upstream.leftovers import ABSENT, MARK, Container, Marked, clear, containers, end, find, stop
from tests.support import eventually

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="marks are looked for on POSIX systems")

DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(300)"
SLEEPS = "import time; print(1, flush=True); time.sleep(300)"
DAEMON = """
import os, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
print(os.getpid(), flush=True)
os.close(1)
time.sleep(300)
"""

Begin = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def instance() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def begin(instance: str) -> Iterator[Begin]:
    """Starts a process with a mark, by default in a session of its own, and waits until it says something."""
    started: list[subprocess.Popen[bytes]] = []

    def start(script: str = SLEEPS, mark: str | None = None, **env: str) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", script],
            env={"PATH": os.defpath, MARK: mark or f"{instance}.1", **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        started.append(child)
        assert child.stdout is not None
        assert child.stdout.read(1)
        return child

    yield start
    for child in started:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


def ended(child: subprocess.Popen[bytes]) -> bool:
    return child.poll() is not None


@pytest.fixture(params=["/proc", "ps"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How processes are looked for; `ps` also where there is /proc."""
    if request.param == "ps":
        monkeypatch.setattr(leftovers, "PROC", "/nowhere")
    elif not os.path.exists("/proc/self/environ"):
        pytest.skip("there is no /proc")
    return str(request.param)


def test_processes_of_one_callmux_are_found_and_no_others(begin: Begin, instance: str, way: str) -> None:
    first, second = begin(mark=f"{instance}.1"), begin(mark=f"{instance}.22")
    begin(mark=f"{uuid.uuid4().hex}.1")
    # What only looks like it.
    begin(mark=f"x{instance}.1")
    begin(mark="none", OTHER=f"{MARK}={instance}.1")
    begin(f"'{MARK}={instance}.1'; {SLEEPS}", mark="none")
    found = sorted((each.pid, each.mark) for each in find(instance))
    assert found == sorted([(first.pid, f"{instance}.1"), (second.pid, f"{instance}.22")])


def test_a_variable_with_line_feeds_hides_nobody(begin: Begin, instance: str, way: str) -> None:
    child = begin(ABOVE="a\nb\n", ZZZ="c\nd")
    assert [each.pid for each in find(instance)] == [child.pid]


def test_a_daemon_that_has_left_its_parents_is_found(begin: Begin, instance: str, way: str) -> None:
    child = begin(DAEMON)
    eventually(lambda: ended(child), "the end of its parent")
    (daemon,) = find(instance)
    assert daemon.pid != child.pid
    assert end(lambda: find(instance)) == []
    assert find(instance) == []


def test_whoever_does_not_listen_is_killed(begin: Begin, instance: str, way: str) -> None:
    deaf, hears = begin(DEAF), begin()
    assert end(lambda: find(instance), 0.1) == []
    eventually(lambda: ended(deaf) and ended(hears), "their ends")
    assert (deaf.returncode, hears.returncode) == (-signal.SIGKILL, -signal.SIGTERM)


def test_a_stopped_process_ends_too(begin: Begin, instance: str) -> None:
    child = begin()
    os.kill(child.pid, signal.SIGSTOP)
    assert end(lambda: find(instance)) == []
    eventually(lambda: ended(child), "its end")
    assert child.returncode == -signal.SIGTERM


def test_whoever_starts_another_one_at_the_end_saves_nobody(begin: Begin, instance: str) -> None:
    heir = """
import os, signal, time
def fork(*_):
    if os.fork() == 0:
        os.setsid()
signal.signal(signal.SIGTERM, fork)
print(1, flush=True)
while True: time.sleep(300)
"""
    begin(heir)
    assert end(lambda: find(instance), 0.1) == []
    assert find(instance) == []


def test_nobody_is_waited_for_where_there_is_nothing(instance: str) -> None:
    assert end(lambda: find(instance)) == []


def test_what_cannot_be_ended_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "END_SECONDS", 0.05)
    # Another process has its id by now.
    other = Marked(os.getpid(), "before", "x.1")
    assert end(lambda: [other]) == [other]


def test_a_signal_reaches_no_other_process_with_the_same_id(begin: Begin, instance: str, way: str) -> None:
    child = begin()
    (found,) = find(instance)
    assert not leftovers._send(found._replace(born="earlier"), signal.SIGKILL)
    assert child.poll() is None
    assert leftovers._send(found, signal.SIGKILL)
    child.wait()
    assert not leftovers._send(found, signal.SIGKILL)


def test_one_that_may_not_be_sent_a_signal_is_left_alone(
    begin: Begin, instance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin()
    (found,) = find(instance)

    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refused)
    monkeypatch.setattr(signal, "pidfd_send_signal", refused, raising=False)
    assert not leftovers._send(found, signal.SIGTERM)


def test_without_descriptors_of_processes_signals_are_sent_by_id(
    begin: Begin, instance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Older kernels, and containers that forbid them."""
    child = begin()

    def missing(pid: int) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", missing, raising=False)
    assert end(lambda: find(instance)) == []
    eventually(lambda: ended(child), "its end")


@pytest.mark.skipif(sys.platform != "linux", reason="names of processes are set by a Linux call")
@pytest.mark.parametrize("name", ["adb", "tmux: server", "gpg-agent"])
def test_what_serves_the_whole_user_is_left_alone(begin: Begin, instance: str, name: str) -> None:
    named = f"open('/proc/self/comm', 'w').write({name!r}); "
    child = begin(named + SLEEPS)
    assert find(instance) == []
    assert child.poll() is None


SHELL_IN_IT = """
import os, time
named = os.getpid()
open('/proc/self/comm', 'w').write('tmux: server')
if os.fork() == 0:
    os.setsid()
    open('/proc/self/comm', 'w').write('sh')
    if os.fork() == 0:
        os.setpgid(0, 0)
        open('/proc/self/comm', 'w').write('vi')
        print(1, flush=True)
time.sleep(300)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="names of processes are set by a Linux call")
def test_what_a_user_runs_in_a_tmux_that_a_server_has_started_is_left_alone(
    begin: Begin, instance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(SHELL_IN_IT)
    other = begin()
    with monkeypatch.context() as patched:
        patched.setattr(leftovers, "SHARED", frozenset[str]())
        everybody = find(instance)
    try:
        assert len(everybody) == 4
        assert [each.pid for each in find(instance)] == [other.pid]
        assert end(lambda: find(instance)) == []
        eventually(lambda: ended(other), "its end")
        assert sum(map(leftovers._lives, everybody)) == 3
    finally:
        for each in everybody:
            leftovers._send(each, signal.SIGKILL)


DAEMON_IN_IT = """
import os, sys, time
{named}
variables = {{**os.environ, {variable!r}: {value!r}.format(os.getpid())}}
read, write = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.dup2(write, 1)
        os.execve(sys.executable, [sys.executable, "-I", "-S", "-c", {daemon!r}], variables)
    os._exit(0)
os.wait()
print(os.read(read, 9).decode(), flush=True)
time.sleep(300)
"""
"""What runs in it starts a daemon, which has no parent."""


@pytest.mark.skipif(sys.platform != "linux", reason="names of processes are set by a Linux call")
@pytest.mark.parametrize(
    ("name", "variable", "value"),
    [
        ("tmux: server", "TMUX", "/tmp/tmux-1000/default,{},0"),
        ("SCREEN", "STY", "{}.pts-0.host"),
        # It says so, but it is none.
        ("server", "TMUX", "/tmp/tmux-1000/default,{},0"),
    ],
)
def test_a_daemon_that_was_started_in_it_is_left_alone_though_it_has_no_parent(
    begin: Begin, instance: str, way: str, name: str, variable: str, value: str
) -> None:
    named = f"open('/proc/self/comm', 'w').write({name!r})"
    child = begin(DAEMON_IN_IT.format(named=named, variable=variable, value=value, daemon=SLEEPS))
    with_mark = [each for each in leftovers._in_proc(instance) if each.process.pid != child.pid]
    try:
        (daemon,) = with_mark
        assert (daemon.parent != child.pid, daemon.host) == (True, child.pid)
        # `ps` prints the command line of what is a Python program here.
        spared = name != "server" and way == "/proc"
        assert (daemon.process in find(instance)) is not spared
    finally:
        for each in with_mark:
            leftovers._send(each.process, signal.SIGKILL)


def test_parents_that_go_round_in_a_circle_are_not_followed_for_ever() -> None:
    """The ids of processes are used again while they are looked at."""
    first = leftovers._Seen(Marked(5, "a", "x.1"), 6, 0, shared=False)
    second = leftovers._Seen(Marked(6, "a", "x.1"), 5, 0, shared=False)
    assert not leftovers._serves_user(first, {5: first, 6: second})


def test_where_ps_cannot_be_run_nothing_is_found(
    begin: Begin, instance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin()
    monkeypatch.setattr(leftovers, "PROC", "/nowhere")

    def broken(*_: object, **__: object) -> None:
        raise FileNotFoundError("ps")

    monkeypatch.setattr(subprocess, "run", broken)
    assert find(instance) == []


def test_marks_are_not_looked_for_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert find("x") == []


# ---- containers ----------------------------------------------------------------------------------------


def engine(folder: Path, script: str) -> Container:
    """A container whose engine is a shell script that notes what it is asked."""
    program = folder / "engine"
    program.write_text(f'#!/bin/sh\necho "$@" >> {folder}/log\n{script}\n')
    program.chmod(0o755)
    words = [str(program)]
    return Container("mine", [], [*words, "stop", "-t", "2"], [*words, "rm", "-f"], {"A": "1"}, None)


def asked(folder: Path) -> list[str]:
    return (folder / "log").read_text().splitlines()


def test_a_container_is_stopped_by_its_name_and_removed(tmp_path: Path) -> None:
    assert stop(engine(tmp_path, "exit 0")) == ""
    assert asked(tmp_path) == ["stop -t 2 mine", "rm -f mine"]


def test_one_that_is_to_stay_is_not_removed(tmp_path: Path) -> None:
    assert stop(engine(tmp_path, "exit 0")._replace(remove=[])) == ""
    assert asked(tmp_path) == ["stop -t 2 mine"]


def test_one_with_a_label_is_stopped_by_its_id(tmp_path: Path) -> None:
    container = engine(tmp_path, 'test "$1" != ps || echo 12ab')
    assert stop(container._replace(find=[container.stop[0], "ps", "--filter", "label=x"])) == ""
    assert asked(tmp_path) == ["ps --filter label=x", "stop -t 2 12ab", "rm -f 12ab"]


def test_one_whose_label_nobody_has_is_not_there(tmp_path: Path) -> None:
    container = engine(tmp_path, "exit 0")
    assert stop(container._replace(find=[container.stop[0], "ps"])) == ABSENT
    assert asked(tmp_path) == ["ps"]


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("echo 'Error response from daemon: No such container: mine' >&2; exit 1", ABSENT),
        ("echo 'cannot connect' >&2; exit 1", "cannot connect"),
        ("exit 3", "it ended with exit code 3"),
    ],
)
def test_why_it_could_not_be_stopped_is_told(tmp_path: Path, script: str, problem: str) -> None:
    assert stop(engine(tmp_path, script)) == problem
    assert asked(tmp_path) == ["stop -t 2 mine"]


def test_an_engine_that_hangs_or_is_gone_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "COMMAND_SECONDS", 0.1)
    assert "timed out" in stop(engine(tmp_path, "exec sleep 60"))
    (tmp_path / "engine").unlink()
    assert "No such file" in stop(engine(tmp_path, "")._replace(stop=["/nowhere/engine", "stop"]))


def test_a_container_is_stopped_whose_directory_has_been_removed(tmp_path: Path) -> None:
    container = engine(tmp_path, "pwd -P >> $0.where")._replace(remove=[])
    assert stop(container._replace(cwd=os.path.realpath(tmp_path))) == ""
    assert stop(container._replace(cwd=str(tmp_path / "gone"))) == ""
    assert (tmp_path / "engine.where").read_text() == f"{os.path.realpath(tmp_path)}\n/\n"


def test_an_engine_gets_its_variables_and_no_secret_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLMUX_TOKEN", "secret")
    assert stop(engine(tmp_path, f'echo "$A$CALLMUX_TOKEN" > {tmp_path}/env')) == ""
    assert (tmp_path / "env").read_text() == "1\n"


def test_a_record_tells_what_was_noted_and_not_struck_out() -> None:
    lines = ['+ ["a",[],["s"],[],{},null]', '+ ["b",[],["s"],[],{},"/x"]', "- a", '+ ["c",[],["s"', "? x", ""]
    assert containers(lines) == [Container("b", [], ["s"], [], {}, "/x")]


# ---- all of it -----------------------------------------------------------------------------------------


def test_everything_of_a_callmux_that_is_gone_ends(begin: Begin, instance: str, tmp_path: Path) -> None:
    deaf, other = begin(DEAF), begin(DEAF, mark="none")
    group = begin(DEAF, mark="none")
    container = engine(tmp_path, "exit 0")
    record = tmp_path / "record"
    record.write_text(f"+ {json.dumps(container)}\n")
    record.chmod(0o600)
    command = [sys.executable, "-I", "-S", leftovers.__file__, instance, str(record), str(group.pid)]
    assert subprocess.run(command, timeout=60, check=False).returncode == 0
    eventually(lambda: ended(deaf) and ended(group), "their ends")
    assert other.poll() is None
    assert asked(tmp_path) == ["stop -t 2 mine", "rm -f mine"]
    assert not record.exists()


def test_a_record_stays_as_long_as_its_containers_do(instance: str, tmp_path: Path) -> None:
    record = tmp_path / "record"
    record.write_text(f"+ {json.dumps(engine(tmp_path, 'exit 1'))}\n")
    record.chmod(0o600)
    assert not clear(instance, str(record))
    assert record.exists()
    engine(tmp_path, "exit 0")
    assert clear(instance, str(record))
    assert not record.exists()


@pytest.mark.parametrize("kind", ["for others to write", "a link"])
def test_nothing_is_run_for_a_record_that_another_user_could_have_written(
    kind: str, instance: str, tmp_path: Path
) -> None:
    """Somebody may put it there between the look at a record and its reading."""
    record = tmp_path / "record"
    written = record if kind == "for others to write" else tmp_path / "file"
    written.write_text(f"+ {json.dumps(engine(tmp_path, 'exit 0'))}\n")
    written.chmod(0o666 if written == record else 0o600)
    if written != record:
        record.symlink_to(written)
    assert not clear(instance, str(record))
    assert record.exists()
    assert not (tmp_path / "log").exists()


def test_a_record_that_is_gone_is_no_failure(instance: str, tmp_path: Path) -> None:
    assert clear(instance, str(tmp_path / "gone"))
    assert clear(instance, "")


def test_groups_that_are_gone_are_no_failure(begin: Begin, instance: str) -> None:
    child = begin(mark="none")
    child.kill()
    child.wait()
    assert clear(instance, "", [child.pid])
