"""An agent that has a shell and the `SKILL.md` of `callmux skill`: its lines, really run. Called by
`replay.measuring`.

The listener is one with the plain configuration.
"""

from __future__ import annotations

import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from replay.counting import Turn, compact
from replay.process import SECONDS, end, environment
from replay.ways import Callmux, Step, request


class Shell:
    """A shell beside a listener; it stands where a process stands whose tools are listed.

    Args:
        config: The listener's configuration.
        home: A folder in place of the user's own.

    Attributes:
        instructions: The text of SKILL.md.
    """

    def __init__(self, config: Path, home: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._address = f"http://127.0.0.1:{free.getsockname()[1]}"
        self._environment = environment(home)
        self._home = home
        port = self._address.rpartition(":")[2]
        self._listener = subprocess.Popen(
            [sys.executable, "-m", "callmux", "--config", str(config), "--listen", port],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self._environment,
        )
        self.instructions = ""

    def __enter__(self) -> Self:
        until = time.monotonic() + SECONDS
        while not self._ready():
            if time.monotonic() > until or self._listener.poll() is not None:
                self.__exit__()
                raise RuntimeError("the listener does not begin")
            time.sleep(0.1)
        self.instructions = self._run(["skill", "--print"])
        return self

    def __exit__(self, *_: object) -> None:
        end(self._listener)

    def tools(self) -> list[dict[str, Any]]:
        """None: the shell itself is there anyway."""
        return []

    def printed(self, words: Sequence[str]) -> str:
        """What a command of callmux prints."""
        return self._run([*words, "--url", f"{self._address}/mcp"])

    def _run(self, words: Sequence[str]) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "callmux", *words],
            env=self._environment,
            cwd=self._home,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        if done.returncode:
            raise RuntimeError(f"callmux {shlex.join(words)[:300]}: {done.stderr[:500]}{done.stdout[:500]}")
        return done.stdout

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._address}/ready", timeout=SECONDS) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


class Skilled(Callmux):
    """An agent that calls tools from a shell as SKILL.md says: it reads the names, then the schemas of what
    it will need, and calls with `--raw`.

    Args:
        shell: Its shell.
        names: What a tool is called, by server and own name.
        needed: The own names of the tools it will need.
    """

    def __init__(self, shell: Shell, names: Mapping[tuple[str, str], str], needed: Sequence[str]) -> None:
        # Only what a way asks of a process: its tools, and its instructions.
        self._shell = shell
        self._names = names
        self.tools, self.instructions, self.turns = [], shell.instructions, []
        self._enter([["tools", "list"]])
        wanted = [name for (_, own), name in names.items() if own in needed]
        self._enter([["tools", "schema", name] for name in wanted])

    def _enter(self, commands: Sequence[Sequence[str]]) -> str:
        """What commands print that are entered at once: a turn."""
        told = "".join(self._shell.printed(words) for words in commands)
        lines = "\n".join(shlex.join(["callmux", *words]) for words in commands)
        self.turns.append(Turn([request("shell", {"command": lines})], [told]))
        return told

    def _ask(self, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {"content": [{"type": "text", "text": self._enter([[*words(tool, arguments), "--raw"]])}]}

    def _value(self, result: Mapping[str, Any], path: str | None) -> Any:
        """Without the line end that the shell prints after a text."""
        value = super()._value(result, path)
        return value.removesuffix("\n") if isinstance(value, str) and path is None else value

    def chain(self, steps: Sequence[Step]) -> Any:
        if any(step.mapping for step in steps):
            raise RuntimeError("a step takes what an earlier one said: not simulated")
        return super().chain(steps)


def words(tool: str, arguments: Mapping[str, Any]) -> list[str]:
    """The command that makes a call, as SKILL.md shows it."""
    if tool == "callmux_batch":
        return [
            "batch",
            *(f"{arguments['tool']} {compact(item['arguments'])}" for item in arguments["items"]),
        ]
    if tool in ("callmux_parallel", "callmux_pipeline"):
        verb, key = ("parallel", "calls") if tool == "callmux_parallel" else ("pipeline", "steps")
        return [verb, *(f"{call['tool']} {compact(call['arguments'])}" for call in arguments[key])]
    return ["call", tool, compact(arguments)]
