"""A container engine as it looks to its clients: containers live under a daemon, not under `docker run`.

`engine.py STATE run [OPTIONS] IMAGE WORDS...` runs WORDS as the container and stands between it and its own
stdin and stdout, as the client of a real engine does; killed, it leaves the container. SIGTERM is passed on.
`ps --quiet --filter label=...` prints ids, `stop -t SECONDS NAME` and `rm -f NAME` do what they say. Each
command line is written to STATE/log. A container is a process in a session of its own without our
environment, whose parent is gone; STATE/NAME.json says what it is.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

VALUES = {"--name", "--label", "-e", "--env", "-v", "--mount"}
LOOK_SECONDS = 0.01


def main(state: Path, words: list[str]) -> int:
    with (state / "log").open("a") as log:
        log.write(json.dumps(words) + "\n")
    while words and words[0].startswith("--context"):
        words = words[2:]
    if words[:1] == ["container"]:
        words = words[1:]
    verb, *words = words
    if verb == "run":
        return run(state, words)
    if verb == "ps":
        label = words[words.index("--filter") + 1].removeprefix("label=")
        for path in sorted(state.glob("*.json")):
            if (facts := facts_of(path)) is not None and label in facts["labels"]:
                print(facts["id"])
        return 0
    for name in words[1:] if verb == "rm" else words[2:]:
        found = named(state, name)
        if found is None:
            print(f"Error response from daemon: No such container: {name}", file=sys.stderr)
            return 1
        path, facts = found
        end(facts, float(words[1]) if verb == "stop" else 0)
        if verb == "rm" or facts["removes"]:
            remove(path, facts["id"])
        print(name)
    return 0


def facts_of(path: Path) -> dict[str, Any] | None:
    """What is known of a container; one that is just being started is waited for."""
    until = time.monotonic() + 1
    while True:
        try:
            facts: dict[str, Any] = json.loads(path.read_text())
        except FileNotFoundError:
            return None
        if facts["pid"] is not None or time.monotonic() > until:
            return facts
        time.sleep(LOOK_SECONDS)


def named(state: Path, name: str) -> tuple[Path, dict[str, Any]] | None:
    """The container of this name or id."""
    for path in state.glob("*.json"):
        if (facts := facts_of(path)) is not None and name in (path.stem, facts["id"]):
            return path, facts
    return None


def remove(path: Path, id: str) -> None:
    """Removes this very container; its name may be another's by now."""
    if (facts := facts_of(path)) is not None and facts["id"] == id:
        path.unlink(missing_ok=True)


def run(state: Path, words: list[str]) -> int:
    name, labels, removes = f"random-{os.getpid()}", [], False
    while words and words[0].startswith("-"):
        option, *words = words
        option, _, value = option.partition("=")
        if option in VALUES and not value:
            value, *words = words
        if option == "--name":
            name = value
        elif option == "--label":
            labels.append(value)
        elif option == "--rm":
            removes = True
    _, *command = words
    path = state / f"{name}.json"
    facts = {"id": uuid.uuid4().hex[:12], "labels": labels, "removes": removes, "pid": None}
    beside = state / f"{facts['id']}.new"
    beside.write_text(json.dumps(facts))
    try:
        # Whoever comes first has the name.
        os.link(beside, path)
    except FileExistsError:
        print(f"docker: Error response from daemon: Conflict. {name} is in use.", file=sys.stderr)
        return 125
    told, pid, stdin, stdout = start(command, path, facts)
    signal.signal(signal.SIGTERM, lambda *_: send(pid, signal.SIGTERM))
    threading.Thread(target=copy, args=(0, stdin), daemon=True).start()
    threading.Thread(target=copy, args=(stdout, 1), daemon=True).start()
    # The container's keeper says how it has ended; a signal may come meanwhile.
    said = b""
    while not said:
        said = os.read(told, 16) or b"137"
    return int(said)


def start(command: list[str], path: Path, facts: dict[str, Any]) -> tuple[int, int, int, int]:
    """Starts a container under a keeper, which is the daemon's part. Gives where the keeper tells of its end,
    its process id, and its stdin and stdout."""
    tells, told = os.pipe(), os.pipe()
    into, out = os.pipe(), os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            keep(command, path, facts, tells, told, into, out)
        os._exit(0)
    os.wait()
    for ours in (tells[1], told[1], into[0], out[1]):
        os.close(ours)
    pid = int(os.read(told[0], 16))
    return tells[0], pid, into[1], out[0]


def keep(
    command: list[str], path: Path, facts: dict[str, Any], tells: Any, told: Any, into: Any, out: Any
) -> None:
    """The daemon's part of a container's life; does not come back."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for theirs in (tells[0], told[0], into[1], out[0]):
        os.close(theirs)
    env = {"PATH": os.defpath, "CONTAINER": path.stem}
    if (mark := os.environ.get("CALLMUX_TEST_MARK")) is not None:
        # For the tests, which find everything by it.
        env["CALLMUX_TEST_MARK"] = mark
    if not path.exists():
        # It was removed before it was started.
        os._exit(1)
    if (pid := os.fork()) == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.dup2(into[0], 0)
        os.dup2(out[1], 1)
        os.closerange(3, 64)
        os.execve(command[0], command, env)
    # The keeper holds no end of its pipes: it has none of the daemon's client's.
    os.close(into[0])
    os.close(out[1])
    beside = path.with_name(f"{facts['id']}.new")
    beside.write_text(json.dumps({**facts, "pid": pid}))
    beside.replace(path)
    os.write(told[1], str(pid).encode())
    _, status = os.waitpid(pid, 0)
    if facts["removes"]:
        remove(path, facts["id"])
    with contextlib.suppress(BrokenPipeError):
        os.write(tells[1], str(os.waitstatus_to_exitcode(status) % 256).encode())
    os._exit(0)


def copy(source: int, target: int) -> None:
    while data := os.read(source, 65536):
        os.write(target, data)
    os.close(target)


def send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def end(container: dict[str, Any], seconds: float) -> None:
    if (pid := container["pid"]) is None:
        return
    send(pid, signal.SIGTERM)
    until = time.monotonic() + seconds
    while lives(pid) and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
    send(pid, signal.SIGKILL)
    while lives(pid):
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
