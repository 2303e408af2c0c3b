"""Whole processes: how long each command of callmux takes from its start to its end.

    python benchmarks/commands.py [--against "node .../callmux.js"] [--rounds 15] [--callmux "..."]
                                  [--only TEXT] [--json FILE]

Calls go through one listener in front of a bare server. With a second product both run in turn, and the ratio
is taken pair by pair, so that a busy machine slows both. Every command has an empty home directory.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from ports import free_port, listens

SERVER = Path(__file__).with_name("server.py")
OURS, OTHER = "callmux", "other"
SECONDS = 60


class Case(NamedTuple):
    """A command line; `URL`, `CONFIG` and `NEW` in it are filled in.

    Attributes:
        words: Without the program.
        both: The other product has it, too.
        floor: The ratio to the other product that has to hold; 0 for none.
        aim: The ratio that is aimed at.
        stdin: What it reads; the end of it ends a command that serves.
        code: Its exit code.
    """

    words: str
    both: bool = True
    floor: float = 0
    aim: float = 0
    stdin: bytes = b""
    code: int = 0


_HELLO = (
    b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},'
    b'"clientInfo":{"name":"bench","version":"1"}}}\n'
)
CASES = [
    Case('call get_item {"id":5} --url URL', floor=0.35, aim=0.2),
    Case("parallel get_item tool_0001 --url URL", floor=0.35, aim=0.2),
    Case("tools list --json --url URL", floor=0.35, aim=0.2),
    Case("--version"),
    Case("--help"),
    Case("call --help", both=False),
    Case("instructions"),
    Case("completion bash", both=False),
    Case("init --config NEW"),
    Case("server list --json --config CONFIG"),
    Case("config check --config CONFIG", both=False),
    Case("client status --json"),
    Case("doctor --json --config CONFIG"),
    Case("doctor --json --url URL", code=0),
    Case("daemon install --dry-run --json --user --config CONFIG"),
    Case("bridge --url URL", both=False, stdin=_HELLO),
    Case("--config CONFIG", both=False, stdin=_HELLO),
]


@contextmanager
def listening(callmux: list[str], folder: Path, config: Path) -> Iterator[str]:
    """The address of a listener of ours in front of a bare server."""
    port = free_port()
    process = subprocess.Popen(
        [*callmux, "--config", str(config), "--listen", str(port)],
        env=environment(folder / "listener"),
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + SECONDS
        while not listens(port):
            if time.monotonic() > end or process.poll() is not None:
                raise SystemExit("the listener did not start")
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.terminate()
        process.wait(SECONDS)


def environment(home: Path) -> dict[str, str]:
    home.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CALLMUX_")}
    return kept | {"HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "NO_COLOR": "1"}


def once(command: list[str], case: Case, fill: dict[str, str], folder: Path) -> float:
    """Milliseconds from the start of the process to its end."""
    new = folder / "new.json"
    new.unlink(missing_ok=True)
    words = [fill.get(word, str(new) if word == "NEW" else word) for word in case.words.split()]
    env = environment(folder / "home")
    began = time.perf_counter()
    done = subprocess.run(
        [*command, *words],
        input=case.stdin,
        env=env,
        cwd=folder,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    took = (time.perf_counter() - began) * 1000
    if done.returncode != case.code:
        said = done.stderr.decode(errors="replace")[-300:] or done.stdout.decode(errors="replace")[-300:]
        raise SystemExit(f"{shlex.join(command)} {case.words}: exit code {done.returncode}\n{said}")
    return took


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Every figure, by command."""
    ours = shlex.split(options.callmux)
    other = shlex.split(options.against) if options.against else None
    config = folder / "config.json"
    server = {"command": sys.executable, "args": [str(SERVER), "--tools", "5"]}
    config.write_text(json.dumps({"servers": {"bench": server}}), "utf-8")
    shown: dict[str, Any] = {}
    with listening(ours, folder, config) as url:
        fill = {"URL": url, "CONFIG": str(config)}
        for case in (case for case in CASES if options.only in case.words):
            pair = other if case.both else None
            samples = []
            for n in range(options.rounds + 1):
                sample = {OURS: once(ours, case, fill, folder)}
                if pair is not None:
                    sample[OTHER] = once(pair, case, fill, folder)
                # The first round fills caches.
                samples += [sample] if n else []
            row: dict[str, Any] = {f"{OURS}_ms": median(sample[OURS] for sample in samples)}
            if pair is not None:
                row[f"{OTHER}_ms"] = median(sample[OTHER] for sample in samples)
                row["ratio"] = median(sample[OURS] / sample[OTHER] for sample in samples)
            shown[case.words] = row
            print(_line(case, row), flush=True)
    return shown


def _line(case: Case, row: dict[str, Any]) -> str:
    line = f"{case.words:<58}{row[f'{OURS}_ms']:>8.0f} ms"
    if "ratio" in row:
        line += f"{row[f'{OTHER}_ms']:>8.0f} ms {row['ratio']:>6.2f}x"
        if case.floor:
            met = (
                "aim met"
                if row["ratio"] <= case.aim
                else "floor met"
                if row["ratio"] <= case.floor
                else "MISSED"
            )
            line += f"  (floor {case.floor}x, aim {case.aim}x: {met})"
    return line


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--callmux", default=f"{shlex.quote(sys.executable)} -m callmux", help="the command to measure"
    )
    parser.add_argument("--against", help="a second product, such as callmux (npm)")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", default="", help="only command lines that hold this")
    parser.add_argument("--json", type=Path, help="where to write all figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="callmux-bench-") as folder:
        shown = measure(options, Path(folder))
    if options.json:
        options.json.write_text(json.dumps(shown, indent=2), "utf-8")


if __name__ == "__main__":
    main()
