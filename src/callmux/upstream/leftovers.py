"""What servers have left behind: processes with a mark in their environment, and containers; and their end.

A server's process has the mark, and what it starts inherits it, also in a session of its own and with another
parent. Whoever has cleared or overwritten its environment is not found. Called by
`callmux.upstream.guardian` when a server has ended, and by `callmux.upstream.belongings` for a callmux that
is gone. The guardian's helper runs this file as a script: it loads nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

MARK = "CALLMUX_SERVER_MARK"
"""The variable; its value is a random name of the callmux that started the server, a dot and a number."""
SHARED = frozenset(
    (
        *("gpg-agent", "ssh-agent", "dirmngr", "keyboxd", "scdaemon", "dbus-daemon", "adb", "watchman"),
        *("tmux", "screen", "conmon", "catatonit", "aardvark-dns", "slirp4netns", "pasta", "rootlessport"),
    )
)
"""Programs that serve the whole user once they run, whoever started them: they are left alone, and so is what
descends from them, such as the shells in a tmux."""
GRACE_SECONDS = 0.5
"""How long processes may take to end when they are asked to."""
GROUP_SECONDS = 0.3
END_SECONDS = 5.0
"""How long it is tried to end them."""
LOOK_SECONDS = 0.02
COMMAND_SECONDS = 8.0
"""How long one command of a container engine may take."""
ABSENT = "no such container"
PROC = "/proc/self/environ"
"""There where the system shows the variables of processes in files."""
_HOST = re.compile(r"[\0 ](?:TMUX=[^\0 ]*,|STY=)(\d+)[,.]")
_LINE = re.compile(r"\s*(\d+)\s+(\d+)\s+(\w{3}\s+\w{3}\s+\d+\s+[\d:]+\s+\d{4})\s+(.*)", re.DOTALL)


class Marked(NamedTuple):
    """A process that carries a mark.

    Attributes:
        pid: Its process id.
        born: When it began, as the system says it: another process with the same id has another one.
        mark: Its mark.
    """

    pid: int
    born: str
    mark: str


class _Seen(NamedTuple):
    """A process with a mark, and where it stands.

    Attributes:
        process: The process.
        parent: The process id of its parent.
        host: That of the tmux or screen that it runs in, whatever its parent is; 0 for none.
        shared: Whether its program serves the whole user.
    """

    process: Marked
    parent: int
    host: int
    shared: bool


class Container(NamedTuple):
    """A container that a server's command runs.

    Attributes:
        name: What it is called; the value of its label where the user named it.
        find: A command that prints its id, where it is not the name.
        stop: A command that stops it, without its name or id at the end.
        remove: One that removes it, where it is to be gone once it has ended.
        env: Variables that say which engine is meant.
        cwd: The directory of the command.
    """

    name: str
    find: list[str]
    stop: list[str]
    remove: list[str]
    env: dict[str, str]
    cwd: str | None


def find(instance: str) -> list[Marked]:
    """Every process that carries a mark of one callmux, but for programs that serve the whole user and what
    descends from them."""
    if sys.platform == "win32":
        return []
    looked = _in_proc(instance) if os.path.exists(PROC) else _in_ps(instance)
    seen = {each.process.pid: each for each in looked}
    return [each.process for pid, each in seen.items() if pid != os.getpid() and not _serves_user(each, seen)]


def _serves_user(each: _Seen, seen: dict[int, _Seen]) -> bool:
    """Whether a process, or one with a mark that it descends from or runs in, serves the whole user."""
    for _ in seen:
        if each.shared or ((host := seen.get(each.host)) is not None and host.shared):
            return True
        if (parent := seen.get(each.parent)) is None:
            return False
        each = parent
    return False


def end(look: Callable[[], list[Marked]], grace: float = GRACE_SECONDS) -> list[Marked]:
    """Asks all that `look` finds to end, and makes them after `grace` seconds. Gives those that still run
    after `END_SECONDS`, which nothing can end."""
    if not (found := look()):
        return []
    for each in found:
        _send(each, signal.SIGTERM)
        _send(each, signal.SIGCONT)
    _await_end(found, grace)
    until = time.monotonic() + END_SECONDS
    # Whoever starts another one in the last moment is looked for again.
    while (found := look()) and time.monotonic() < until:
        killed = [each for each in found if _send(each, signal.SIGKILL)]
        _await_end(killed, GRACE_SECONDS)
        if not killed:
            time.sleep(LOOK_SECONDS)
    return found


def stop(container: Container) -> str:
    """Stops a container, and removes it where it is to be gone then. Gives why it could not: `ABSENT` where
    there is none; empty where it is stopped."""
    names = [container.name]
    if container.find:
        names, problem = _run(container, container.find)
        if problem or not names:
            return problem or ABSENT
    _, problem = _run(container, [*container.stop, *names])
    if not problem and container.remove:
        _run(container, [*container.remove, *names])
    return ABSENT if ABSENT in problem.lower() else problem


def containers(lines: Iterable[str]) -> list[Container]:
    """The containers of a record: those that were noted and not struck out."""
    import json

    found: dict[str, Container] = {}
    for line in lines:
        what, _, rest = line.strip().partition(" ")
        # The last line may be half of one: that container was never started.
        with contextlib.suppress(ValueError, TypeError):
            if what == "+":
                container = Container(*json.loads(rest))
                found[container.name] = container
            elif what == "-":
                found.pop(rest, None)
    return list(found.values())


def clear(instance: str, record: str, groups: Iterable[int] = ()) -> bool:
    """Ends all that servers of a callmux have left which is gone, and its record with it.

    Args:
        instance: The first half of its marks.
        record: The file in which its containers are noted; empty for none.
        groups: Process groups that are known to be its own.

    Returns:
        Whether nothing is left.
    """
    groups = list(groups)
    for group in groups:
        _send_group(group, signal.SIGTERM)
        _send_group(group, signal.SIGCONT)
    marked = find(instance)
    for each in marked:
        _send(each, signal.SIGTERM)
        _send(each, signal.SIGCONT)
    if groups or marked:
        until = time.monotonic() + GROUP_SECONDS
        while time.monotonic() < until and (any(map(_is_group, groups)) or any(map(_lives, marked))):
            time.sleep(LOOK_SECONDS)
    for group in groups:
        _send_group(group, signal.SIGKILL)
    left = end(lambda: find(instance), 0)
    noted = _noted(record) if record else []
    failed: list[Container] = []

    def end_one(container: Container) -> None:
        if stop(container) not in ("", ABSENT):
            failed.append(container)

    threads = [threading.Thread(target=end_one, args=(container,)) for container in noted or ()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if left or failed or noted is None:
        return False
    if record:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(record)
    return True


def open_record(record: str | os.PathLike[str]) -> int:
    """Opens a record. Nobody else may say what is to be run.

    Raises:
        OSError: It is not there, or another user could have written it.
    """
    user, flags = os.getuid(), os.O_RDWR
    for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK"):
        flags |= getattr(os, name, 0)
    descriptor = os.open(record, flags)
    facts = os.fstat(descriptor)
    if facts.st_uid == user and not facts.st_mode & 0o022:
        return descriptor
    os.close(descriptor)
    raise PermissionError(f"{os.fspath(record)} could be another user's")


def _noted(record: str) -> list[Container] | None:
    """The containers of a record; None where it cannot be read."""
    try:
        with open(open_record(record), encoding="utf-8") as file:
            return containers(file)
    except FileNotFoundError:
        # Somebody else has ended what stood in it.
        return []
    except OSError:
        return None


def _in_proc(instance: str) -> Iterable[_Seen]:
    for name in os.listdir("/proc"):
        if name.isdigit() and (born := _born(name)) is not None:
            # Whoever begins between these two looks is found by the next.
            variables = "\0" + _read(name, "environ")
            _, found, rest = variables.partition(f"\0{MARK}={instance}.")
            if found and (stat := _stat(name)) is not None:
                process = Marked(int(name), born, f"{instance}.{rest.partition(chr(0))[0]}")
                yield _Seen(process, int(stat[1][1]), _host(variables), _is_shared(stat[0]))


def _read(pid: int | str, what: str) -> str:
    """A file of a process in /proc; empty where the process is gone, or another user's."""
    try:
        with open(f"/proc/{pid}/{what}", encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _stat(pid: int | str) -> tuple[str, list[str]] | None:
    """The name of a process, and what /proc says of it behind that; None where it has ended."""
    name, _, rest = _read(pid, "stat").partition("(")[2].rpartition(")")
    facts = rest.split()
    return None if not facts or facts[0] in "ZX" else (name, facts)


def _host(variables: str) -> int:
    """The process id of the tmux or screen in which a process with these variables runs; 0 for none."""
    found = _HOST.search(variables)
    return 0 if found is None else int(found[1])


def _born(pid: int | str) -> str | None:
    """When a process began; None where it has ended."""
    if os.path.exists(PROC):
        stat = _stat(pid)
        return None if stat is None else stat[1][19]
    match = _LINE.match(_ps("-p", str(pid), "-o", "pid=,ppid=,lstart=,stat="))
    return None if match is None or match[4].startswith("Z") else " ".join(match[3].split())


def _is_shared(name: str) -> bool:
    """Whether a program serves the whole user; tmux calls itself `tmux: server`, screen `SCREEN`."""
    return os.path.basename(name).partition(":")[0].lower() in SHARED


def _in_ps(instance: str) -> Iterable[_Seen]:
    """Where there is no /proc: `ps` prints the variables behind the command."""
    said = _ps("-axEww" if sys.platform == "darwin" else "axeww", "-o", "pid=,ppid=,lstart=,command=")
    lines: list[str] = []
    for line in said.splitlines():
        # A variable may hold line feeds.
        if _LINE.match(line) or not lines:
            lines.append(line)
        else:
            lines[-1] += f"\n{line}"
    for line in lines:
        if (match := _LINE.match(line)) is None:
            continue
        pid, text = match[1], match[4]
        _, found, rest = text.partition(f" {MARK}={instance}.")
        # In its arguments it means nothing: somebody may be looking for it.
        if found and found not in f" {_ps('-ww', '-p', pid, '-o', 'command=')}":
            mark = f"{instance}.{rest.split(maxsplit=1)[0] if rest.strip() else ''}"
            born = " ".join(match[3].split())
            shared = _is_shared(text.split(maxsplit=1)[0])
            yield _Seen(Marked(int(pid), born, mark), int(match[2]), _host(text), shared)


def _ps(*words: str) -> str:
    env = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C"}
    try:
        # What it prints is empty where a process is gone, and then it fails.
        done = subprocess.run(
            ["ps", *words], stdin=subprocess.DEVNULL, capture_output=True, env=env, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace")


def _lives(process: Marked) -> bool:
    return _born(process.pid) == process.born


def _await_end(processes: list[Marked], seconds: float) -> None:
    until = time.monotonic() + seconds
    while any(map(_lives, processes)) and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)


def _send(process: Marked, number: signal.Signals) -> bool:
    """Sends a signal to this very process. Gives whether it was there, and may be sent one."""
    descriptor = None
    try:
        # Held by its descriptor, its id cannot become another's between the look and the signal.
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                descriptor = os.pidfd_open(process.pid)
        if not _lives(process):
            return False
        if sys.platform == "linux" and descriptor is not None:
            signal.pidfd_send_signal(descriptor, number)
        else:
            os.kill(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        if descriptor is not None:
            os.close(descriptor)
    return True


def _send_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _is_group(group: int) -> bool:
    """Whether a process group has anybody left in it."""
    try:
        os.killpg(group, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return True


def _run(container: Container, words: list[str]) -> tuple[list[str], str]:
    """What a command of a container engine prints, in words, and why it failed; empty where it did not."""
    # Whoever has removed the directory is to be rid of the container all the same.
    cwd = "/" if container.cwd is not None and not os.path.isdir(container.cwd) else container.cwd
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={k: v for k, v in os.environ.items() if not k.startswith("CALLMUX_")} | container.env,
            cwd=cwd,
            timeout=COMMAND_SECONDS,
            check=False,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return [], str(error)
    said = done.stderr.decode(errors="replace").strip()
    problem = said or f"it ended with exit code {done.returncode}"
    return done.stdout.decode(errors="replace").split(), problem if done.returncode else ""


def main(words: list[str]) -> int:
    """The helper's last act: `INSTANCE RECORD GROUP...`; 0 where nothing is left."""
    instance, record, *groups = words
    return 0 if clear(instance, record, map(int, groups)) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
