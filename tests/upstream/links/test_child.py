"""A real child process: what it says, how it ends, and that it does end."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from callmux.config.veil import Veil
from callmux.protocol.jsonrpc import Malformed, Message, Notification
from callmux.protocol.lines import LineBuffer
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.guardian import Enrolment, Guardian
from callmux.upstream.leftovers import MARK
from callmux.upstream.links import child as child_module
from callmux.upstream.links import child_output
from callmux.upstream.links.child import ChildLink, Launch
from callmux.upstream.links.container import container_run
from callmux.upstream.links.link import Listener
from callmux.upstream.process_bound import ProcessBound
from tests.left import engine as engine_module
from tests.support import MOST_TURNS, SECONDS, loop_factory, real_loop, run, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX")


@pytest.fixture(autouse=True, params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> Iterator[str]:
    """Both loops: the standard library's and the one that is used where it is installed."""
    factory = None if request.param == "asyncio" else pytest.importorskip("uvloop").new_event_loop
    token = loop_factory.set(factory)
    yield request.param
    loop_factory.reset(token)


ENV = {"PATH": os.environ.get("PATH", os.defpath)}
SAY = "import json, sys, time\ndef say(m): print(json.dumps({'method': m}), flush=True)\n"
WAIT = "time.sleep(300)\n"


ENGINE = engine_module.__file__


class Watched:
    """A link with everything it told."""

    def __init__(self, link: ChildLink, shown: list[str]) -> None:
        self.link = link
        self.shown = shown
        self.messages: list[Message] = []
        self.lost: list[str] = []

    def listener(self) -> Listener:
        return Listener(
            received=lambda message, id: self.messages.append(message),
            failed=lambda id, failure: None,
            lost=lambda failure: self.lost.append(failure.cause),
        )

    @property
    def methods(self) -> list[str]:
        return [m.method for m in self.messages if isinstance(m, Notification)]

    async def hears(self, method: str) -> None:
        await until(lambda: method in self.methods, f"{method!r}; so far {self.messages!r}, {self.shown!r}")


@asynccontextmanager
async def child(script: str, *args: str, **launch: Any) -> AsyncIterator[Watched]:
    """A Python child that runs `script`; ended with its guardian afterwards."""
    guardian = Guardian()
    shown: list[str] = []
    given: dict[str, Any] = {"command": sys.executable, "args": ["-c", script, *args], "env": ENV, **launch}
    watched = Watched(ChildLink("s", Launch(**given), guardian, shown.append), shown)
    try:
        await watched.link.open(watched.listener())
        yield watched
    finally:
        await watched.link.close()
        guardian.close()


def open_descriptors() -> int:
    return len(os.listdir("/dev/fd"))


def is_over(watched: Watched) -> bool:
    """Whether our loop has seen the end of the process: nothing of it is left at the end of the test then."""
    transport = watched.link._transport
    return transport is None or transport.get_returncode() is not None


def alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@real_loop()
async def test_lines_travel_both_ways_in_order() -> None:
    echo = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"
    async with child(echo) as watched:
        for n in range(100):
            watched.link.send(b'{"method":"%d"}\n' % n)
        await watched.hears("99")
        assert watched.methods == [str(n) for n in range(100)]
        assert watched.lost == []


@real_loop()
async def test_big_lines_pass_whole() -> None:
    """Many times what a pipe holds, both ways at once."""

    echo = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"
    async with child(echo) as watched:
        body = json.dumps({"method": "big", "params": "x" * 8_000_000}).encode() + b"\n"
        watched.link.send(body)
        watched.link.send(b'{"method":"small"}\n')
        await watched.hears("small")
        assert watched.methods == ["big", "small"]
        big = watched.messages[0]
        assert isinstance(big, Notification)
        assert big.params is not None
        assert len(bytes(big.params)) == 8_000_002


@real_loop()
async def test_a_line_beyond_the_limit_is_told_by_its_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for that id is told; the next line is whole."""
    original = LineBuffer
    monkeypatch.setattr(child_output, "LineBuffer", lambda *limit: original(*(limit or (1000,))))

    script = SAY + 'print(\'{"id":7,"result":"\' + "x" * 5000 + \'"}\')\nsay("next")\n' + WAIT
    async with child(script) as watched:
        await watched.hears("next")
        first = watched.messages[0]
        assert isinstance(first, Malformed)
        assert (first.id, first.is_response) == (7, True)
        assert first.message == "the message is larger than 1000 bytes"


@real_loop()
async def test_stderr_is_shown_line_by_line_and_the_last_lines_are_kept() -> None:
    script = SAY + 'for n in range(70): print("line", n, file=sys.stderr)\nsay("done")\n' + WAIT
    async with child(script) as watched:
        await until(lambda: len(watched.shown) == 70, "the lines")
        assert watched.shown == [f"line {n}" for n in range(70)]
        words = watched.link.last_words()
        assert words == [f"line {n}" for n in range(10, 70)]
        assert watched.methods in ([], ["done"])


@real_loop()
async def test_a_last_line_on_stderr_counts_without_its_newline() -> None:
    """Most often it says why the server ended."""

    async with child('import sys; sys.stderr.write("no token given"); sys.exit(3)') as watched:
        await until(lambda: watched.lost, "the end")
        assert watched.lost == ["the server ended with exit code 3"]
        assert watched.shown == ["no token given"]
        assert watched.link.last_words() == ["no token given"]


@real_loop()
async def test_a_long_line_on_stderr_is_cut() -> None:
    script = 'import sys; print("x" * 500_000, file=sys.stderr); print("next", file=sys.stderr)'
    async with child(script) as watched:
        await until(lambda: "next" in watched.shown, "the next line")
        assert watched.shown == ["x" * 2000, "next"]


@real_loop()
@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("token=hunter22!", "token=[redacted]!"),
        ("hunter22hunter22", "[redacted][redacted]"),
        ("a hunter22-and-more b", "a [redacted] b"),
        ("x" * 1995 + "hunter22", "x" * 1995 + "[reda"),
        ("nothing of ours", "nothing of ours"),
    ],
)
async def test_secrets_are_not_shown(written: str, shown: str) -> None:
    """Neither is half of one at the end of a long line, nor the rest of a longer one."""

    script = "import sys; print(sys.argv[1], file=sys.stderr)"
    veil = Veil({"hunter22", "hunter22-and-more"})
    async with child(script, written, veil=veil) as watched:
        await until(lambda: watched.shown, "the line")
        assert watched.shown == [shown]
        assert watched.link.last_words() == [shown]


@real_loop()
@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("", "the server ended with exit code 0"),
        ("import sys; sys.exit(7)", "the server ended with exit code 7"),
        ("import os; os.kill(os.getpid(), 9)", "the server was ended by signal 9"),
        ("import os, time; os.close(1); time.sleep(300)", "the server closed its output"),
    ],
)
async def test_how_it_ended_is_told_once(script: str, reason: str) -> None:
    async with child(script) as watched:
        await until(lambda: watched.lost, "the end")
        watched.link.send(b'{"method":"too late"}\n')
        await watched.link.close()
        assert watched.lost == [reason]


@real_loop()
async def test_what_it_wrote_before_it_ended_is_received_first() -> None:
    async with child(SAY + 'say("last words")') as watched:
        await until(lambda: watched.lost, "the end")
        assert watched.methods == ["last words"]


@real_loop()
@pytest.mark.parametrize("cut", [0, 5])
@pytest.mark.parametrize("patience", [child_output.EXITED_SECONDS, 0.0])
async def test_a_last_line_without_its_end_counts_where_it_is_whole(
    cut: int, patience: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a message is none: whoever waits for it is told how the server ended. A loop that comes late sees
    that there is nothing to wait for any more, and reads what is there all the same."""
    monkeypatch.setattr(child_output, "EXITED_SECONDS", patience)
    line = json.dumps({"method": "last"})
    script = f"import sys; sys.stdout.write({line[: len(line) - cut]!r}); sys.stdout.flush()"
    async with child(script) as watched:
        await until(lambda: watched.lost, "the end")
        assert watched.methods == ([] if cut else ["last"])
        assert len(watched.messages) == (0 if cut else 1)
        assert watched.lost == ["the server ended with exit code 0"]


@real_loop()
async def test_a_grandchild_that_holds_the_pipe_does_not_hide_the_end() -> None:
    script = (
        "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'])"
    )
    async with child(script) as watched:
        await until(lambda: watched.lost, "the end")
        assert watched.lost == ["the server ended with exit code 0"]


@real_loop()
@pytest.mark.parametrize(
    ("launch", "reason"),
    [
        ({"command": "no-such-command"}, 'its command "no-such-command" was not found on PATH'),
        ({"command": "/no/such/file"}, 'its command "/no/such/file" does not exist'),
        ({"command": "/"}, 'its command "/" is a directory (/), not a program'),
        ({"command": sys.executable, "cwd": "/no/such/dir"}, 'its directory "/no/such/dir" is not there'),
        ({"command": sys.executable, "args": ["-c", "a\0b"]}, "arguments or variables holds a NUL character"),
        ({"command": sys.executable, "env": {**ENV, "A": "a\0b"}}, "holds a NUL character"),
        (
            {"command": "python", "env": {"PATH": "/nowhere"}},
            'its command "python" was not found on PATH (searched: /nowhere)',
        ),
    ],
)
async def test_what_cannot_be_started_is_said(launch: dict[str, Any], reason: str) -> None:
    """Nothing was sent, so whoever called may try again."""

    with pytest.raises(CallFailure) as caught:
        async with child("", **launch):
            raise AssertionError("it must not start")
    assert reason in caught.value.cause
    assert caught.value.category is Category.TRANSPORT
    assert not caught.value.started


@real_loop()
async def test_a_child_whose_guardian_cannot_be_started_is_not_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(self: Guardian) -> Enrolment:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(Guardian, "enrolment", fails)
    bound, launch, guardian = ProcessBound(), Launch(command=sys.executable, args=[], env=ENV), Guardian()
    watched = Watched(link := ChildLink("s", launch, guardian, print, bound), [])
    with pytest.raises(CallFailure, match="cannot be started"):
        await link.open(watched.listener())
    await link.close()
    await guardian.end()
    assert bound.running == 0


def test_a_file_that_is_no_program_is_said(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\x00\x01 no program")
    program.chmod(0o755)

    async def scene() -> str:
        try:
            async with child("", command=str(program)) as watched:
                # uvloop leaves it to the shell, as a terminal does.
                await until(lambda: watched.lost, "the end")
                return watched.lost[0]
        except CallFailure as failure:
            return failure.cause

    said = run(scene())
    assert "cannot be started" in said or "the server ended with exit code" in said


@real_loop()
async def test_it_holds_no_descriptor_but_the_three() -> None:
    """Nor does what it starts: uvloop would leave it the other names of its pipes."""

    script = SAY + "import os; say(str([f for f in range(3, 300) if os.path.exists(f'/dev/fd/{f}')]))\n"
    keep = os.dup(2)
    os.set_inheritable(keep, True)
    try:
        async with child(script + WAIT) as watched:
            await until(lambda: watched.methods, "its descriptors")
            assert watched.methods == ["[]"]
    finally:
        os.close(keep)


@real_loop()
async def test_it_gets_its_own_environment_and_directory(tmp_path: Path) -> None:
    directory = str(tmp_path.resolve())

    script = (
        SAY + "import os; say(os.getcwd()); say(repr(os.environ.get('A'))); say(repr(os.environ.get('HOME')))"
    )
    env: Mapping[str, str] = {**ENV, "A": "ä"}
    async with child(script, cwd=str(tmp_path), env=env) as watched:
        await watched.hears("None")
        assert watched.methods == [directory, "'ä'", "None"]


@real_loop()
async def test_closing_lets_it_end_by_itself() -> None:
    """Its stdin is closed first: a server that listens to that may clean up."""

    script = SAY + 'say("up"); sys.stdin.read(); print("cleaned up", file=sys.stderr)'
    async with child(script) as watched:
        await watched.hears("up")
        pid = watched.link.pid
        assert pid is not None
        assert repr(watched.link) == f"ChildLink('s', pid={pid})"
        await watched.link.close()
        assert watched.shown == ["cleaned up"]
        assert watched.lost == []
        assert not alive(pid)


DEAF = "import signal, subprocess; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
STOPPED = "import os, signal; say('up'); os.kill(os.getpid(), signal.SIGSTOP)\n"


@real_loop()
@pytest.mark.parametrize("script", [
    pytest.param(SAY + "say('up')\n" + WAIT, id="deaf to the end of stdin"),
    pytest.param(SAY + DEAF + "say('up')\n" + WAIT, id="deaf to SIGTERM"),
    pytest.param(SAY + STOPPED + WAIT, id="stopped"),
    pytest.param(SAY + DEAF + STOPPED + WAIT, id="stopped and deaf"),
])  # fmt: skip
async def test_closing_is_bounded_whatever_it_does(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that it waits, taken together, is no more than it says: a second and a half."""
    protocol, waited = child_output.ChildOutput, list[float]()
    original = protocol.ended

    async def ended(self: Any, seconds: float) -> bool:
        waited.append(seconds)
        return await original(self, seconds)

    monkeypatch.setattr(protocol, "ended", ended)
    async with child(script) as watched:
        await watched.hears("up")
        pid = watched.link.pid
        assert pid is not None
        await asyncio.gather(watched.link.close(), watched.link.close())
        assert waited
        assert sum(waited) <= 1.5
        assert not alive(pid)
        assert watched.lost == []
        await watched.link.close()


@real_loop()
async def test_closing_ends_what_it_started() -> None:
    """Also where it has ended itself before."""

    script = SAY + DEAF + (
        "deaf = 'import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); "
        "time.sleep(300)'\n"
        "c = subprocess.Popen([sys.executable, '-c', deaf], stdout=subprocess.PIPE)\n"
        "c.stdout.readline(); say(str(c.pid))"
    )  # fmt: skip
    async with child(script) as watched:
        await until(lambda: watched.lost, "the end")
        grandchild = int(watched.methods[0])
        assert alive(grandchild)
        await watched.link.close()
        await until(lambda: not alive(grandchild), "the grandchild's end")


@real_loop()
async def test_closing_may_be_cancelled_and_still_ends_it() -> None:
    async with child(SAY + DEAF + "say('up')\n" + WAIT) as watched:
        await watched.hears("up")
        pid = watched.link.pid
        assert pid is not None
        closing = asyncio.create_task(watched.link.close())
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        await until(lambda: is_over(watched), "the child's end")
        assert not alive(pid)


@real_loop()
async def test_a_start_that_is_given_up_leaves_nothing() -> None:
    """Whenever that is: neither the process, nor its pipes, of which nobody knows yet."""
    guardian = Guardian()
    launch = Launch(command=sys.executable, args=["-c", SAY + DEAF + WAIT], env=ENV)
    first = ChildLink("s", launch, guardian, print)
    await first.start()
    await first.close()
    # With what all of them share.
    before, children = open_descriptors(), psutil.Process().children()
    for turns in range(MOST_TURNS):
        link = ChildLink("s", launch, guardian, print)
        starting = asyncio.create_task(link.start())
        for _ in range(turns):
            await asyncio.sleep(0)
        if starting.done():
            await link.close()
            break
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await until(lambda: psutil.Process().children() == children, "the end of the process")
        await until(lambda: open_descriptors() == before, "the end of its pipes")
    assert turns >= 2
    await guardian.end()


@real_loop()
async def test_nothing_is_received_after_closing() -> None:
    script = SAY + "say('up')\nsys.stdin.read()\nsay('late')\nprint(1, file=sys.stderr, flush=True)\n" + WAIT
    async with child(script) as watched:
        await watched.hears("up")
        await watched.link.close()
        assert watched.methods == ["up"]
        watched.link.send(b"{}\n")


@real_loop()
async def test_a_link_that_was_never_opened_can_be_closed() -> None:
    link = ChildLink("s", Launch(command="x", args=[], env={}), Guardian(), print)
    link.send(b"{}\n")
    assert (link.pid, link.last_words()) == (None, [])
    await link.close()


@real_loop()
async def test_its_group_is_noted_and_released() -> None:
    """The guardian ends it if we are killed, and leaves it alone once it has ended."""

    class Noting(Guardian):
        def __init__(self) -> None:
            super().__init__()
            self.notes: list[Any] = []

        def watch(self, group: int) -> None:
            self.notes.append(("watch", group))

        def release(self, group: int) -> None:
            self.notes.append(("release", group))

    guardian = Noting()
    watched = Watched(
        ChildLink("s", Launch(command=sys.executable, args=["-c", SAY + WAIT], env=ENV), guardian, print),
        [],
    )
    await watched.link.open(watched.listener())
    pid = watched.link.pid
    assert pid is not None
    assert os.getpgid(pid) == pid != os.getpgrp()
    await watched.link.close()
    assert guardian.notes == [("watch", pid), ("release", pid)]
    guardian.close()


def test_the_signal_of_a_group_that_is_gone_is_no_failure() -> None:
    child_module._signal(None, signal.SIGTERM)
    child_module._signal(2**22 + 1, signal.SIGTERM)


@real_loop()
async def test_stderr_is_read_to_its_end_before_the_end_is_told() -> None:
    """Whatever is noticed first: the end of the process, of its output, or of its stderr."""

    guardian = Guardian()
    shown: list[str] = []
    orders: list[list[tuple[int | None, bool]]] = [
        [(1, False), (None, False), (2, True)],
        [(None, False), (2, False), (1, True)],
    ]
    for order in orders:
        told: list[CallFailure] = []
        listener = Listener(lambda *_: None, lambda *_: None, told.append)
        protocol = child_output.ChildOutput(shown.append, Veil())
        protocol.hear(listener)
        for what, is_told in order:
            if what == 2:
                protocol.pipe_data_received(2, b"why")
            if what is None:
                protocol.process_exited()
            else:
                protocol.pipe_connection_lost(what, None)
            assert bool(told) is is_told
        assert list(protocol.stderr) == ["why"]
    guardian.close()


@real_loop()
async def test_a_pipe_that_something_else_holds_open_does_not_hide_the_end() -> None:
    script = "import subprocess, sys; print('why', file=sys.stderr); subprocess.Popen(['sleep', '60'])"
    async with child(script) as watched:
        await until(lambda: watched.lost, "the end")
        assert watched.lost == ["the server ended with exit code 0"]
        assert watched.link.last_words() == ["why"]


@real_loop()
async def test_a_flood_of_lines_leaves_turns_for_others_and_keeps_its_order() -> None:
    """The last of them come before the end is told, though the process is gone by then."""

    flood = (
        SAY + "print('log\\n' * 20_000 + '[\\n' * 20_000, end=''); say('a'); print('x\\n' * 9_000); say('b')"
    )
    turns = 0
    most = 0
    seen = 0

    async with child(flood) as server:
        while not server.lost:
            await asyncio.sleep(0)
            turns += 1
            most = max(most, len(server.messages) - seen)
            seen = len(server.messages)
        assert server.methods == ["a", "b"]
        assert sum(isinstance(message, Malformed) for message in server.messages) == 49_000
        assert most <= 2 * child_output.MOST_LINES


# ---- what leaves its group, and containers -------------------------------------------------------------

DAEMON = """
import os, subprocess, time
read, write = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.write(write, str(os.getpid()).encode())
        time.sleep(300)
    os._exit(0)
os.wait()
say(os.read(read, 16).decode())
"""


async def daemon_of(watched: Watched) -> int:
    await until(lambda: watched.methods, "the daemon's process id")
    return int(watched.methods[0])


@real_loop()
@pytest.mark.parametrize("ends", ["by itself", "when its stdin ends", "by force"])
async def test_what_it_started_in_a_session_of_its_own_ends_with_it(ends: str) -> None:
    rest = {"by itself": "", "when its stdin ends": "sys.stdin.read()\n"}.get(ends, WAIT)
    async with child(SAY + DAEMON + rest) as watched:
        pid = await daemon_of(watched)
        if ends == "by itself":
            await until(lambda: watched.lost, "the end")
        assert alive(pid)
        await watched.link.close()
        assert not alive(pid)


@real_loop()
async def test_it_outlives_a_server_that_is_to_leave_it() -> None:
    async with child(SAY + DAEMON + WAIT, leaves=True, env={**ENV, MARK: "of another callmux"}) as watched:
        pid = await daemon_of(watched)
        await watched.link.close()
    try:
        assert alive(pid)
        assert MARK not in psutil.Process(pid).environ()
    finally:
        os.kill(pid, signal.SIGKILL)


@real_loop()
async def test_each_process_has_a_mark_of_its_own_that_says_nothing() -> None:
    guardian = Guardian()
    script = SAY + f"import os; say(os.environ[{MARK!r}])\n" + WAIT
    launch = Launch(command=sys.executable, args=["-c", script], env={**ENV, MARK: "of another callmux"})
    servers = [Watched(ChildLink("s", launch, guardian, print), []) for _ in range(2)]
    try:
        for watched in servers:
            await watched.link.open(watched.listener())
            await until(lambda: watched.methods, "its mark")  # noqa: B023
        marks = [watched.methods[0] for watched in servers]
        assert len(set(marks)) == 2
        assert all(re.fullmatch(r"[0-9a-f]{32}\.[0-9]+", mark) for mark in marks)
    finally:
        for watched in servers:
            await watched.link.close()
        await guardian.end()


@real_loop()
async def test_a_close_that_is_given_up_goes_on_with_what_is_left() -> None:
    async with child(SAY + DAEMON + WAIT) as watched:
        pid = await daemon_of(watched)
        closing = asyncio.create_task(watched.link.close())
        while not closing.done():
            # Whatever it waits for is given up.
            await asyncio.sleep(0.01)
            closing.cancel()
        await until(lambda: not alive(pid) and is_over(watched), "the ends of both")


CONTAINED = """
import signal
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
say(os.environ["CONTAINER"])
say(str(os.getpid()))
for line in sys.stdin:
    pass
while "deaf" in sys.argv:
    time.sleep(300)
"""


@asynccontextmanager
async def contained(tmp_path: Path, *options: str, words: Sequence[str] = ()) -> AsyncIterator[Watched]:
    """A server in a container of an engine that is played: see tests/left/engine.py."""
    engine = tmp_path / "docker"
    engine.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {ENGINE} {tmp_path} "$@"\n')
    engine.chmod(0o755)
    inside = [sys.executable, "-I", "-S", "-c", "import os\n" + SAY + CONTAINED, *words]
    args = ["run", "-i", *options, "image", *inside]
    async with child("", command=str(engine), args=args) as watched:
        await until(lambda: len(watched.methods) == 2 or watched.lost, "its words")
        assert not watched.lost, watched.shown
        yield watched


def containers_in(tmp_path: Path) -> list[str]:
    return sorted(path.stem for path in tmp_path.glob("*.json"))


def asked_in(tmp_path: Path) -> list[str]:
    return [json.loads(line)[0] for line in (tmp_path / "log").read_text().splitlines()]


@real_loop()
async def test_a_container_has_a_name_and_ends_with_its_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However long its engine takes on a busy machine.
    monkeypatch.setattr(child_module, "EOF_SECONDS", SECONDS)
    async with contained(tmp_path, "--rm") as watched:
        name, pid = watched.methods
        assert containers_in(tmp_path) == [name]
        assert re.fullmatch(r"callmux-s-[0-9a-f]{12}-1", name)
        await watched.link.close()
        assert not alive(int(pid))
        assert containers_in(tmp_path) == []
        # It ended when its stdin did: nobody had to be asked.
        assert asked_in(tmp_path) == ["run"]


@real_loop()
@pytest.mark.parametrize("options", [("--rm",), ("--rm", "--name", "mine"), ()])
@pytest.mark.parametrize("killed", [False, True])
async def test_a_container_that_goes_on_is_stopped(
    tmp_path: Path, options: tuple[str, ...], killed: bool
) -> None:
    """Also where the engine's client was killed, which leaves its container."""
    async with contained(tmp_path, *options, words=["deaf"]) as watched:
        name, pid = watched.methods
        assert "mine" not in options or name == "mine"
        if killed:
            assert watched.link.pid is not None
            os.kill(watched.link.pid, signal.SIGKILL)
            await until(lambda: watched.lost, "the end of the client")
            assert alive(int(pid))
        await watched.link.close()
        assert not alive(int(pid))
        # Without --rm it stays, stopped, as the user has it.
        assert containers_in(tmp_path) == ([] if "--rm" in options else [name])


def test_a_container_is_stopped_in_the_directory_of_its_server_wherever_we_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guardian is elsewhere, and so may the next callmux be."""
    monkeypatch.chdir(tmp_path)
    launch = Launch(command="docker", args=("run", "image"), env={}, cwd="work")
    container = child_module._container(container_run("docker", launch.args, "s", "a.1"), launch)
    assert container is not None
    assert container.cwd == os.path.join(os.path.realpath(tmp_path), "work")


@real_loop()
async def test_another_container_of_that_name_is_not_touched(tmp_path: Path) -> None:
    async with contained(tmp_path, "--rm", "--name", "mine", words=["deaf"]) as first:
        pid = int(first.methods[1])
        with pytest.raises(AssertionError, match="in use"):
            async with contained(tmp_path, "--rm", "--name", "mine"):
                raise AssertionError("there is one of that name already")
        assert alive(pid)
        assert containers_in(tmp_path) == ["mine"]
