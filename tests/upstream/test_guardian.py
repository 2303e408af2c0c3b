"""When we die, however we die, our children die with us, and theirs."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from callmux.upstream import guardian as guardian_module
from callmux.upstream import leftovers
from callmux.upstream.guardian import Guardian
from callmux.upstream.leftovers import MARK, Container, Marked
from tests.support import SECONDS, eventually, python, real_loop, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX")

OWNER = """
import subprocess, sys
from callmux.upstream.guardian import Guardian
guardian = Guardian()
family = sys.argv[1]
for _ in range(2):
    child = subprocess.Popen([sys.executable, "-c", family], start_new_session=True, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
    guardian.watch(child.pid)
    print(child.pid, child.stdout.readline().strip(), flush=True)
print(guardian.pid, flush=True)
sys.stdin.read()
"""
"""Two children, each with a grandchild, all deaf to SIGTERM."""

FAMILY = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(300)"
grandchild = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE)
grandchild.stdout.readline()
print(grandchild.pid, flush=True)
time.sleep(300)
"""


def gone(pid: int) -> bool:
    """It has ended; a zombie that nobody collects counts."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def children() -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for child in started:
        if child.poll() is None:
            child.kill()
        child.wait()


def sleeper(children: list[subprocess.Popen[bytes]]) -> int:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], start_new_session=True)
    children.append(child)
    return child.pid


def ended(children: list[subprocess.Popen[bytes]], pid: int) -> bool:
    return next(child for child in children if child.pid == pid).poll() is not None


def test_nothing_survives_a_killed_owner() -> None:
    """Grandchildren that ignore SIGTERM included, and the guardian itself."""
    owner = python("-c", OWNER, FAMILY, stderr=None)
    assert owner.stdin is not None
    assert owner.stdout is not None
    pids = [int(pid) for _ in range(3) for pid in owner.stdout.readline().split()]
    try:
        assert len(pids) == 5
        assert not any(gone(pid) for pid in pids)
        owner.send_signal(signal.SIGKILL)
        owner.wait(10)
        eventually(lambda: all(gone(pid) for pid in pids), "the family's end", 10)
    finally:
        for pid in pids:
            if not gone(pid):
                os.kill(pid, signal.SIGKILL)
        owner.kill()
        owner.wait()
        owner.stdin.close()
        owner.stdout.close()


def test_closing_ends_what_is_still_on_the_list(children: list[subprocess.Popen[bytes]]) -> None:
    guardian = Guardian()
    kept, released, other = sleeper(children), sleeper(children), sleeper(children)
    for pid in (released, kept, other):
        guardian.watch(pid)
    guardian.release(released)
    helper = guardian.pid
    assert helper is not None
    guardian.close()
    eventually(lambda: ended(children, kept) and ended(children, other), "the watched ones' end")
    assert not ended(children, released)
    assert gone(helper)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_a_group_leaves_the_list_wherever_it_stands(
    children: list[subprocess.Popen[bytes]], order: tuple[int, ...]
) -> None:
    guardian = Guardian()
    pids = [sleeper(children) for _ in range(3)]
    for pid in pids:
        guardian.watch(pid)
    for place in order:
        guardian.release(pids[place])
    guardian.close()
    assert not any(ended(children, pid) for pid in pids)


def test_a_stopped_child_ends_too(children: list[subprocess.Popen[bytes]]) -> None:
    guardian = Guardian()
    pid = sleeper(children)
    guardian.watch(pid)
    os.kill(pid, signal.SIGSTOP)
    guardian.close()
    eventually(lambda: ended(children, pid), "the stopped one's end")


def test_a_guardian_without_children_starts_nothing() -> None:
    guardian = Guardian()
    guardian.release(12345)
    assert guardian.pid is None
    assert repr(guardian) == "Guardian(pid=None)"
    guardian.close()


def test_it_stands_apart_from_our_terminal(children: list[subprocess.Popen[bytes]]) -> None:
    """Control-C reaches our process group and must not reach it."""
    guardian = Guardian()
    guardian.watch(sleeper(children))
    assert guardian.pid is not None
    assert os.getsid(guardian.pid) == guardian.pid
    assert Path("/") == Path(psutil.Process(guardian.pid).cwd())
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(guardian.pid, number)
    guardian.watch(sleeper(children))
    assert not gone(guardian.pid)
    guardian.close()
    guardian.close()


def test_a_killed_guardian_is_replaced_with_its_list(children: list[subprocess.Popen[bytes]]) -> None:
    """With the next child; the earlier children are on the new one's list as well."""
    guardian = Guardian()
    first, second = sleeper(children), sleeper(children)
    guardian.watch(first)
    before = guardian.pid
    assert before is not None
    os.kill(before, signal.SIGKILL)
    eventually(lambda: gone(before), "the guardian's end")
    guardian.watch(second)
    assert guardian.pid not in (None, before)
    guardian.close()
    eventually(lambda: ended(children, first) and ended(children, second), "both ends")


def test_a_killed_guardian_fails_nobody(children: list[subprocess.Popen[bytes]]) -> None:
    guardian = Guardian()
    pid = sleeper(children)
    guardian.watch(pid)
    assert guardian.pid is not None
    os.kill(guardian.pid, signal.SIGKILL)
    eventually(lambda: guardian.pid is None or gone(guardian.pid), "the guardian's end")
    guardian.release(pid)
    guardian.close()
    assert guardian.pid is None


def test_without_a_shell_there_is_no_guardian(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "exists", lambda path: False)
    guardian = Guardian()
    guardian.watch(12345)
    assert guardian.pid is None
    guardian.close()


def test_a_guardian_that_hangs_is_killed(
    children: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing is bounded, whatever happens to it."""
    guardian = Guardian()
    guardian.watch(sleeper(children))
    helper = guardian._process
    assert helper is not None
    os.kill(helper.pid, signal.SIGSTOP)
    original = helper.wait
    monkeypatch.setattr(helper, "wait", lambda seconds=None: original(seconds and min(seconds, 0.2)))
    guardian.close()
    assert helper.returncode == -signal.SIGKILL


def test_a_child_puts_itself_on_the_list(children: list[subprocess.Popen[bytes]]) -> None:
    """Before its program runs: we may be killed before we know its process id."""
    guardian = Guardian()
    enrolment = guardian.enrolment()
    assert enrolment.group == 0
    child = subprocess.Popen(["sleep", "300"], start_new_session=True, preexec_fn=enrolment)
    children.append(child)
    assert enrolment.group == child.pid
    # Told again, it still leaves the list as a whole.
    guardian.watch(child.pid)
    guardian.close()
    eventually(lambda: ended(children, child.pid), "its end")


def test_a_child_that_was_told_of_twice_is_released_at_once(children: list[subprocess.Popen[bytes]]) -> None:
    guardian = Guardian()
    child = subprocess.Popen(["sleep", "300"], start_new_session=True, preexec_fn=guardian.enrolment())
    children.append(child)
    guardian.watch(child.pid)
    guardian.release(child.pid)
    guardian.close()
    assert child.poll() is None


def test_a_child_whose_program_cannot_be_run_can_be_released() -> None:
    guardian = Guardian()
    enrolment = guardian.enrolment()
    with pytest.raises(OSError, match="no-such-program"):
        subprocess.Popen(["/no-such-program"], start_new_session=True, preexec_fn=enrolment)
    assert enrolment.group > 0
    guardian.release(enrolment.group)
    guardian.close()


def test_a_killed_guardian_is_replaced_before_a_child_enrols(children: list[subprocess.Popen[bytes]]) -> None:
    guardian = Guardian()
    guardian.watch(sleeper(children))
    before = guardian.pid
    assert before is not None
    os.kill(before, signal.SIGKILL)
    eventually(lambda: gone(before), "the guardian's end")
    guardian.enrolment()
    assert guardian.pid not in (None, before)
    guardian.close()
    eventually(lambda: ended(children, children[0].pid), "the first child's end")


def test_without_a_guardian_a_child_starts_all_the_same(
    children: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os.path, "exists", lambda path: False)
    enrolment = Guardian().enrolment()
    children.append(subprocess.Popen(["sleep", "300"], start_new_session=True, preexec_fn=enrolment))
    assert enrolment.group == 0


# ---- what leaves its group ----------------------------------------------------------------------------

STRAY = """
import os, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
print(os.getpid(), flush=True)
os.close(1)
time.sleep(300)
"""
"""A daemon: in a session of its own, without a parent."""

MASTER = """
import subprocess, sys
from pathlib import Path
from callmux.upstream.guardian import Guardian
from callmux.upstream.leftovers import MARK, Container
guardian = Guardian(Path(sys.argv[3]))
mark = guardian.mark()
engine = [sys.argv[2], "stop"]
guardian.expect(mark, Container("box", [], engine, [], {}, None))
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], start_new_session=True, env={MARK: mark},
                         stdout=subprocess.PIPE, text=True, preexec_fn=guardian.enrolment())
print(child.stdout.readline().strip(), guardian.pid, flush=True)
child.wait()
sys.stdin.read()
"""


def noting_engine(tmp_path: Path) -> Path:
    engine = tmp_path / "engine"
    engine.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/log\n')
    engine.chmod(0o755)
    return engine


def stray(mark: str) -> int:
    """Starts a daemon with a mark, and gives its process id."""
    child = subprocess.run(
        [sys.executable, "-c", STRAY], env={MARK: mark}, stdout=subprocess.PIPE, check=True, timeout=SECONDS
    )
    return int(child.stdout)


def test_a_daemon_and_a_container_end_with_a_killed_owner(tmp_path: Path) -> None:
    folder = tmp_path / "running"
    owner = python("-c", MASTER, STRAY, noting_engine(tmp_path), folder, stderr=None)
    assert owner.stdout is not None
    daemon, helper = map(int, owner.stdout.readline().split())
    try:
        assert not gone(daemon)
        owner.kill()
        eventually(lambda: gone(daemon) and gone(helper), "their ends")
        assert (tmp_path / "log").read_text() == "stop box\n"
        assert list(folder.iterdir()) == []
    finally:
        owner.kill()
        owner.communicate()
        if not gone(daemon):
            os.kill(daemon, signal.SIGKILL)


def test_the_groups_end_where_nothing_can_be_loaded_any_more(
    children: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upgrade has replaced the interpreter."""
    pid = sleeper(children)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    guardian = Guardian()
    guardian.watch(pid)
    guardian.close()
    eventually(lambda: ended(children, children[0].pid), "its end")


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox", "ksh", "mksh", "zsh"])
def test_the_script_is_for_every_shell(
    children: list[subprocess.Popen[bytes]], shell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`/bin/sh` is dash here, bash there, and zsh or bash on macOS."""
    if (program := shutil.which(shell)) is None:
        pytest.skip(f"{shell} is not here")
    words = [program, "sh"] if shell == "busybox" else [program]
    started = subprocess.Popen

    def start(command: list[str], **more: Any) -> subprocess.Popen[bytes]:
        return started([*words, *command[1:]] if command[0] == "/bin/sh" else command, **more)

    guardian = Guardian()
    kept, released = sleeper(children), sleeper(children)
    monkeypatch.setattr(subprocess, "Popen", start)
    mark = guardian.mark()
    guardian.expect(mark)
    daemon = stray(mark)
    for pid in (released, kept):
        guardian.watch(pid)
    guardian.release(released)
    guardian.close()
    eventually(lambda: ended(children, kept) and gone(daemon), "their ends")
    assert not ended(children, released)


@real_loop()
async def test_what_a_child_has_left_is_cleared(tmp_path: Path) -> None:
    guardian = Guardian(tmp_path / "running")
    engine = noting_engine(tmp_path)
    marks = [guardian.mark() for _ in range(3)]
    belongings = [
        guardian.expect(mark, Container(mark, [], [str(engine), "stop"], [], {}, None)) for mark in marks
    ]
    daemons = [await asyncio.to_thread(stray, mark) for mark in marks]
    await asyncio.gather(*(guardian.clear_soon(belonging) for belonging in belongings[:2]))
    assert [gone(pid) for pid in daemons] == [True, True, False]
    assert sorted((tmp_path / "log").read_text().splitlines()) == sorted(f"stop {m}" for m in marks[:2])
    await guardian.clear_soon(belongings[2])
    assert gone(daemons[2])
    await guardian.end()
    assert list((tmp_path / "running").iterdir()) == []


@real_loop()
async def test_a_container_that_has_ended_is_not_stopped_again(tmp_path: Path) -> None:
    guardian = Guardian(tmp_path / "running")
    container = Container("box", [], [str(noting_engine(tmp_path)), "stop"], [], {}, None)
    first, second = guardian.expect(guardian.mark(), container), guardian.expect(guardian.mark(), container)
    assert repr(first) == f"Belonging({first.mark})"
    await guardian.stop(first)
    guardian.stopped(second)
    await guardian.stop(second)
    await asyncio.gather(guardian.clear_soon(first), guardian.clear_soon(second))
    assert (tmp_path / "log").read_text() == "stop box\n"
    await guardian.end()


@real_loop()
async def test_a_container_that_cannot_be_stopped_is_told_and_stays_noted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Who comes next tries again."""
    guardian = Guardian(tmp_path / "running")
    belonging = guardian.expect(guardian.mark(), Container("box", [], ["/nowhere/x"], [], {}, None))
    await guardian.clear_soon(belonging)
    assert "could not stop the container box" in caplog.text
    await guardian.end()
    assert len(list((tmp_path / "running").iterdir())) == 1


@real_loop()
async def test_engines_that_hang_take_no_thread_of_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Names of hosts are looked up in these threads."""
    may_end = threading.Event()
    monkeypatch.setattr(leftovers, "stop", lambda container: str(may_end.wait(SECONDS)))
    monkeypatch.setattr(guardian_module, "STOP_SECONDS", 0.05)
    guardian = Guardian()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    try:
        box = Container("box", [], ["engine", "stop"], [], {}, None)
        belongings = [guardian.expect(guardian.mark(), box) for _ in range(2)]
        await asyncio.gather(*map(guardian.stop, belongings))
        await asyncio.gather(*map(guardian.clear_soon, belongings))
        assert await asyncio.to_thread(may_end.is_set) is False
        assert (
            caplog.text.count("could not stop the container box: its engine does not answer in 0.05 s") == 2
        )
        assert all(each.container is not None for each in belongings)
    finally:
        may_end.set()
        await guardian.end()


@real_loop()
async def test_an_end_that_is_given_up_ends_the_helper_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for what children have left, and then for the helper: both may be given up."""
    guardian = Guardian()
    guardian.watch(2**22 + 1)
    guardian.release(2**22 + 1)
    may_end, pid = asyncio.Event(), guardian.pid
    assert pid is not None
    clearing = guardian.clear_soon(guardian.expect(guardian.mark()), may_end.wait)
    ending = asyncio.get_running_loop().create_task(guardian.end())
    while not ending.done():
        await asyncio.sleep(0)
        ending.cancel()
    assert ending.cancelled()
    await until(lambda: gone(pid), "the end of the helper")
    assert guardian.pid is None
    may_end.set()
    await clearing


@real_loop()
async def test_a_process_that_cannot_be_ended_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    guardian = Guardian()
    belonging = guardian.expect(guardian.mark())
    stuck = Marked(12345678, "never", belonging.mark)
    monkeypatch.setattr(leftovers, "find", lambda instance: [stuck])
    monkeypatch.setattr(leftovers, "END_SECONDS", 0.05)
    await guardian.clear_soon(belonging)
    assert "could not end processes that a server has left: 12345678" in caplog.text
    await guardian.end()


@real_loop()
async def test_a_killed_guardian_is_replaced_at_once(
    children: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to start a child first."""
    monkeypatch.setattr(guardian_module, "RENEWAL_SECONDS", 0.05)
    guardian = Guardian()
    guardian.watch(sleeper(children))
    for _ in range(3):
        before = guardian.pid
        assert before is not None
        os.kill(before, signal.SIGKILL)
        await until(lambda: guardian.pid not in (None, before), "another guardian")  # noqa: B023
    await guardian.end()
    await until(lambda: ended(children, children[0].pid), "the child's end")


@real_loop()
async def test_a_guardian_that_is_killed_as_it_starts_fails_nobody(
    children: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    guardian = Guardian()

    def nobody_reads(*_: object) -> int:
        raise BrokenPipeError

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", nobody_reads)
        guardian.watch(sleeper(children))
    assert guardian.pid is None
    guardian.watch(sleeper(children))
    assert guardian.pid is not None
    await guardian.end()
    for child in list(children):
        await until(lambda: ended(children, child.pid), "the child's end")  # noqa: B023


@real_loop()
async def test_a_guardian_without_anything_to_guard_is_not_replaced(
    children: list[subprocess.Popen[bytes]],
) -> None:
    guardian = Guardian()
    pid = sleeper(children)
    guardian.watch(pid)
    guardian.release(pid)
    assert guardian.pid is not None
    os.kill(guardian.pid, signal.SIGKILL)
    await until(lambda: guardian.pid is None, "that it is noticed")
    guardian._renew()
    assert guardian.pid is None
    await guardian.end()


def test_a_child_that_finds_its_guardian_killed_runs_all_the_same(
    children: list[subprocess.Popen[bytes]],
) -> None:
    """It would be ended by the signal for a pipe that nobody reads."""
    guardian = Guardian()
    enrolment = guardian.enrolment()
    assert guardian.pid is not None
    os.kill(guardian.pid, signal.SIGKILL)
    eventually(lambda: guardian.pid is None or gone(guardian.pid), "the guardian's end")
    # The program has that signal as it is by default: this one sends it to itself.
    child = subprocess.Popen(
        ["/bin/sh", "-c", "kill -PIPE $$; sleep 300"], start_new_session=True, preexec_fn=enrolment
    )
    children.append(child)
    assert enrolment.group == child.pid
    assert child.wait(SECONDS) == -signal.SIGPIPE
    guardian.close()
