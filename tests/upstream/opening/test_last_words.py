"""Which line tells what is wrong: real outputs of real programs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from callmux.upstream.opening.last_words import LONGEST, plain, telling_line, with_words

NODE = """node:internal/modules/cjs/loader:1210
  throw err;
  ^

Error: Cannot find module 'zzz'
Require stack:
- /srv/index.js
    at Module._resolveFilename (node:internal/modules/cjs/loader:1207:15) {
  code: 'MODULE_NOT_FOUND',
  requireStack: [ '/srv/index.js' ]
}

Node.js v20.20.2"""

CAUSED = """file:///srv/index.js:3
    throw new TypeError("no key", { cause: error });
          ^

TypeError [ERR_INVALID]: no key
    at main (file:///srv/index.js:3:11) {
  [cause]: Error: inner
      at main (file:///srv/index.js:2:5)
}

Node.js v22.1.0"""

CHAINED = """INFO starting
Traceback (most recent call last):
  File "<string>", line 3, in <module>
ZeroDivisionError: division by zero

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "<string>", line 5, in <module>
    raise RuntimeError("no\\nway") from error
RuntimeError: no
way"""

GROUP = """  + Exception Group Traceback (most recent call last):
  |   File "x.py", line 1, in <module>
  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "y.py", line 2, in main
    | ValueError: API key missing"""

NPM = """npm error code ENOTCACHED
npm error request to https://registry.npmjs.org/nope-zzz failed: cache mode is 'only-if-cached' but no
npm error A complete log of this run can be found in: /root/.npm/_logs/2026-debug-0.log"""

NPM_404 = """npm warn config something
npm ERR! code E404
npm ERR! 404 Not Found - GET https://registry.npmjs.org/nope-zzz - Not found
npm ERR! 404
npm ERR! 404  'nope-zzz@*' is not in this registry."""

DOCKER = """docker: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the daemon running?

Run 'docker run --help' for more information"""

PULL = """Unable to find image 'x:latest' locally
docker: Error response from daemon: pull access denied for x, repository does not exist.
See 'docker run --help'."""

UV = """  \u00d7 No solution found when resolving tool dependencies:
  \u2570\u2500\u25b6 Because nope-zzz was not found in the package registry"""


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (NODE, "Error: Cannot find module 'zzz'"),
        (CAUSED, "TypeError [ERR_INVALID]: no key"),
        (CHAINED, "RuntimeError: no"),
        (GROUP, "| ValueError: API key missing"),
        (
            '  File "x.py", line 1\n    def\n       ^\nSyntaxError: invalid syntax',
            "SyntaxError: invalid syntax",
        ),
        (
            NPM,
            "npm error code ENOTCACHED: request to https://registry.npmjs.org/nope-zzz failed: cache mode is",
        ),
        (NPM_404, "npm error code E404: Not Found - GET https://registry.npmjs.org/nope-zzz - Not found"),
        ("npm error missing script: start\nnpm error errno 1", "npm error missing script: start"),
        (DOCKER, "docker: Cannot connect to the Docker daemon at unix:///var/run/docker.sock."),
        (PULL, "docker: Error response from daemon: pull access denied for x"),
        (UV, "\u00d7 No solution found when resolving tool dependencies:"),
        ("usage: s [-h]\ns: error: the following arguments are required: --token", "s: error: the following"),
        ("fatal: not a git repository\nuse git init", "fatal: not a git repository"),
        (
            "error: no such command: `zzz`\n\nhelp: view all with `cargo --list`",
            "error: no such command: `zzz`",
        ),
        ("bash: line 1: foo: command not found", "bash: line 1: foo: command not found"),
        (
            "thread 'main' panicked at src/main.rs:2:5:\nno key",
            "thread 'main' panicked at src/main.rs:2:5: no key",
        ),
        ("panic: no key\n\ngoroutine 1 [running]:\nmain.main()", "panic: no key"),
        (
            'Exception in thread "main" java.lang.IllegalStateException: no key\n\tat M.main(M.java:3)',
            "Exception in",
        ),
        ('{"level":"error","msg":"API_KEY is not set"}\nbye', '{"level":"error","msg":"API_KEY is not set"}'),
        ("starting up\nAPI_KEY is not set\nbye", "API_KEY is not set"),
        ("starting up\nbye", "bye"),
        ("\x1b[31mError: red\x1b[0m\nNode.js v20.1.0", "Error: red"),
        ("0 errors so far\nbye", "bye"),
        ("", ""),
        ("\n \n", ""),
    ],
)
def test_the_line_that_tells(said: str, line: str) -> None:
    found = telling_line(said.splitlines())
    assert found.startswith(line) if line else found == ""
    assert len(found) <= LONGEST + 3


def test_a_long_line_is_cut_and_nothing_said_adds_nothing() -> None:
    assert telling_line(["Error: " + "x" * 1000]) == "Error: " + "x" * (LONGEST - 7) + "..."
    assert with_words("it ended", []) == "it ended"
    assert with_words("it ended", ["no token"]) == "it ended (it said: no token)"
    assert plain(["\x1b[1mbold\x1b[0m  ", " ", "\x1b]0;title\x07x"]) == ["bold", "x"]


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ([sys.executable, "-c", "import zzz_nowhere"], "ModuleNotFoundError: No module named 'zzz_nowhere'"),
        (["node", "-e", 'require("zzz")'], "Error: Cannot find module 'zzz'"),
        (["npx", "--offline", "-y", "nope-zzz-nowhere"], "npm error code ENOTCACHED: request to "),
        (["sh", "-c", "zzz-nowhere"], "sh: "),
        (["git", "zzz-nowhere"], "git: 'zzz-nowhere' is not a git command."),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_real_programs(command: list[str], line: str, tmp_path: Path) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not there")
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, cwd=tmp_path, stdin=subprocess.DEVNULL
    )
    assert telling_line(done.stderr.splitlines()).startswith(line)
