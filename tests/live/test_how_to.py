"""The commands of docs/how-to.md, in their order, in a home of their own: each does what the page says.

`npx` and `uvx` start the servers that `scripts/interop` fetched; nothing else stands in for anything.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.support import free_port

from .harness import environment, swept

PAGE = Path(__file__).parents[2] / "docs" / "how-to.md"
SECONDS = 120.0
NOT_RUN = "<!-- not run here: scripts/try-wheel tries every way to install -->\n\n"
CLAUDE = """{
  "mcpServers": {
    "memory": { "command": "npx", "args": ["-y", "@modelcontextprotocol/server-memory"] },
    "time": { "command": "uvx", "args": ["mcp-server-time"] }
  }
}
"""
CURSOR = '{"mcpServers": {"callmux": {"command": "npx", "args": ["-y", "callmux"]}}}\n'


class Block(NamedTuple):
    """Commands of the page, and the lines that it shows of what they print."""

    task: str
    commands: list[str]
    shown: list[str]


def blocks() -> list[Block]:
    found: list[Block] = []
    for part in PAGE.read_text("utf-8").replace(NOT_RUN + "```sh", "```not-run").split("\n## ")[1:]:
        task = part.partition("\n")[0]
        for kind, text in re.findall(r"^```(sh|text)\n(.*?)^```", part, re.DOTALL | re.MULTILINE):
            if kind == "sh":
                found.append(Block(task, text.splitlines(), []))
            else:
                found[-1].shown.extend(text.splitlines())
    return found


def lacks(output: str, shown: list[str]) -> list[str]:
    """The first of the shown lines that is not in the output after those before it; `...` is anything."""
    lines = iter(output.splitlines())
    for line in shown:
        pattern = re.compile(re.escape(line).replace(re.escape("..."), ".*"))
        if line != "..." and not any(pattern.fullmatch(one) for one in lines):
            return [line]
    return []


def test_output_that_lacks_a_shown_line_is_noticed() -> None:
    assert lacks("a\nb c d\ne\n", ["a", "b...d", "...", "e"]) == []
    assert lacks("a\nb\n", ["b", "a"]) == ["a"]
    assert lacks("ab\n", ["a"]) == ["a"]


def test_the_page_has_ten_tasks_and_each_has_commands() -> None:
    assert [task.split(".")[0] for task in dict.fromkeys(block.task for block in blocks())] == [
        str(number) for number in range(1, 11)
    ]


def put_program(path: Path, text: str) -> None:
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)


def await_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=SECONDS):
                return
        except (urllib.error.URLError, OSError):
            assert process.poll() is None, "the listener has ended"
            assert time.monotonic() < end, "the listener is not ready"
            time.sleep(0.1)


def test_every_command_of_the_page_does_what_the_page_says(
    tmp_path: Path, npm_server: Callable[[str], list[str]], pypi_server: Callable[[str], list[str]]
) -> None:
    memory = shlex.join(npm_server("memory"))
    servers = {name: shlex.join(pypi_server(name)) for name in ("time", "git")}
    programs = tmp_path / "bin"
    programs.mkdir()
    package = "@modelcontextprotocol/server-memory"
    put_program(programs / "npx", f'[ "$2" = {package} ] && exec {memory}\nexit 9\n')
    cases = "".join(f"mcp-server-{name}) exec {command} ;;\n" for name, command in servers.items())
    put_program(programs / "uvx", f'case "$1" in\n{cases}esac\nexit 9\n')
    put_program(programs / "python3", f'exec {shlex.quote(sys.executable)} "$@"\n')
    put_program(programs / "callmux", f'exec {shlex.quote(sys.executable)} -m callmux "$@"\n')
    home = tmp_path / "home"
    home.mkdir()
    claude = home / ".claude.json"
    claude.write_text(CLAUDE)
    port = free_port()
    mark = f"how-to-{tmp_path.name}-{port}"
    env = environment(tmp_path, mark) | {"HOME": str(home), "PATH": f"{programs}:/usr/bin:/bin"}
    env["COLUMNS"] = "300"
    env = {key: value for key, value in env.items() if key != "XDG_CONFIG_HOME"}
    listener: subprocess.Popen[bytes] | None = None

    with swept(mark):
        try:
            for block in blocks():
                if block.task.startswith("9.") and not (home / ".cursor").exists():
                    (home / ".cursor").mkdir()
                    (home / ".cursor" / "mcp.json").write_text(CURSOR)
                output = ""
                for command in block.commands:
                    line = command.replace("4860", str(port))
                    if line.startswith("callmux --listen"):
                        listener = subprocess.Popen(
                            ["sh", "-c", f"exec {line}"], cwd=home, env=env, stderr=subprocess.DEVNULL
                        )
                        await_ready(port, listener)
                        continue
                    done = subprocess.run(
                        ["sh", "-c", line],
                        cwd=home,
                        env=env,
                        stdin=subprocess.DEVNULL,
                        capture_output=True,
                        text=True,
                        timeout=SECONDS,
                    )
                    expected = re.search(r"# exit code (\d+)", command)
                    said = f"$ {line}\n{done.stdout}{done.stderr}"
                    assert done.returncode == (int(expected[1]) if expected else 0), said
                    output += said
                assert not (missing := lacks(output, block.shown)), f"not shown: {missing}\n{output}"
        finally:
            if listener is not None:
                listener.terminate()
                listener.wait(SECONDS)
    assert claude.read_text() == CLAUDE
    assert (home / ".cursor" / "mcp.json").read_text() == CURSOR
    config = json.loads((home / ".config" / "callmux" / "config.json").read_text())
    assert set(config["servers"]) == {"git", "notes"}
