"""What the official suite's server scenarios run against: a server alone, and callmux in front of it.

Used by `test_suite.py` and `scripts/conformance`. The server is written for every revision with the official
SDK (`modern_server.py`), or for those with a handshake alone (`server.py`). The suite speaks HTTP only:
callmux on stdio and the bridge stand behind a listener of their own.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from tests.live.harness import environment, stdio, write_config
from tests.live.test_listener import HELLO, await_port, post, request, run_listener
from tests.support import free_port

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SECONDS = 180
REVISIONS = ("2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28")
WAYS = ("direct", "listener", "stdio", "bridge", "handshake only")
"""The last is a listener in front of the server that knows nothing of 2026-07-28. Its processes, one for each
kind of clients, share their lists, as those of a server with a store behind it do."""
PLAIN = {"exposeMetaTools": False}
ASKING = (
    "test_elicitation",
    "test_elicitation_sep1034_defaults",
    "test_elicitation_sep1330_enums",
    "test_sampling",
)
"""Tools that scenarios of the revisions with a handshake ask something with."""
COMMAND = ("server",)
"""Of the suite."""
TRIES = 3
"""How often a scenario that failed is run again, through callmux and against the server alone."""


class Excluded(msgspec.Struct, frozen=True):
    """A check that is not held against callmux.

    Attributes:
        check: Its id in the suite.
        revision: Where.
        ways: Where.
        clause: What of the specification, or of docs/relay.md, makes it meaningless.
    """

    check: str
    revision: str
    ways: frozenset[str]
    clause: str


EXCLUDED: tuple[Excluded, ...] = ()
"""Nothing."""


class Ran(msgspec.Struct, frozen=True):
    """What came of the scenarios of a revision on one way.

    Attributes:
        scenarios: How many there are.
        passed: In how many nothing failed and nothing was warned of.
        checks: How many checks passed.
        bad: The checks that did not, as `scenario: check: why`.
        wrongly_excluded: Checks that are excluded here, and pass or are not there.
        unsteady: Scenarios that failed first and are not held against callmux: how they fared again.
    """

    scenarios: int
    passed: int
    checks: int
    bad: Sequence[str]
    wrongly_excluded: Sequence[str] = ()
    unsteady: Sequence[str] = ()

    def __str__(self) -> str:
        return f"{self.passed} of {self.scenarios} ({self.checks} checks)"


@contextmanager
def served(way: str, revision: str, folder: Path) -> Iterator[str]:
    """The address of one of the `WAYS`."""
    with_handshake = revision != REVISIONS[-1]
    with ExitStack() as stack:
        if way == WAYS[4]:
            lists = _made(folder / "lists")
            entry = stdio([sys.executable, "-I", str(HERE / "server.py"), str(lists)])
            yield stack.enter_context(_listening(folder / "a", entry, asked=True))
            return
        url = stack.enter_context(alone(folder))
        if way == "direct":
            yield url
            return
        if way == "stdio":
            inner = write_config(_made(folder / "b") / "callmux.json", {"conformance": {"url": url}}, **PLAIN)
            entry = stdio([sys.executable, "-m", "callmux", "--config", str(inner)])
        elif way == "bridge":
            inside = stack.enter_context(_listening(folder / "b", {"url": url}))
            entry = stdio([sys.executable, "-m", "callmux", "bridge", "--url", inside])
        else:
            entry = {"url": url}
        yield stack.enter_context(
            _listening(folder / "a", entry, asked=with_handshake and "url" not in entry)
        )


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def alone(folder: Path) -> Iterator[str]:
    """The server that speaks every revision, over HTTP: its address."""
    port = free_port()
    words = [sys.executable, "-W", "ignore", "-m", "tests.conformance.modern_server", str(port)]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(words, cwd=ROOT, stdout=log, stderr=log)
    try:
        await_port(port, process)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def _listening(folder: Path, entry: dict[str, Any], *, asked: bool = False) -> Iterator[str]:
    port = free_port()
    config = write_config(_made(folder) / "callmux.json", {"conformance": entry}, **PLAIN)
    with run_listener(folder, config, port):
        if asked:
            hear_first_questions(port)
        yield f"http://127.0.0.1:{port}/mcp"


def hear_first_questions(port: int, prefix: str = "") -> None:
    """The very first question of a tool that several sessions have called may be anybody's, so nobody sees
    it (docs/relay.md, "Questions of servers"); from then on each session is asked what is its own. The suite
    takes a session for each scenario, so without this the first of those that ask would get no question."""
    for tools in (("test_simple_text",), ASKING):
        asked = {**HELLO, "capabilities": {"sampling": {}, "elicitation": {}}}
        _, _, session = post(port, request(1, "initialize", asked))
        for number, tool in enumerate(tools, 2):
            called = {"name": prefix + tool, "arguments": {"prompt": "?", "message": "?"}}
            status, answer, _ = post(port, request(number, "tools/call", called), session)
            assert (status, answer["id"]) == (200, number)


def run_scenarios(suite: Sequence[str], revision: str, way: str, url: str, folder: Path) -> Ran:
    """Runs all server scenarios of a revision; what fails through callmux, again, beside the server alone."""
    found = _checks([*suite, *COMMAND, "--suite", "all", "--spec-version", revision, "--url", url], folder)
    excluded = {row.check for row in EXCLUDED if row.revision == revision and way in row.ways}
    bad: list[str] = []
    unsteady: list[str] = []
    passed, counts = 0, Counter[str]()
    for scenario, checks in sorted(found.items()):
        counts.update(check["status"] for check in checks)
        wrong = _wrong(checks, excluded)
        if wrong and way != WAYS[0]:
            told = _again(
                [*suite, *COMMAND, "--spec-version", revision, "--scenario", scenario], url, folder, excluded
            )
            if not _is_ours(*told):
                unsteady.append(f"{scenario}: fails {told[0]} of {TRIES} times again, alone {told[1]}")
                wrong = []
        bad += [f"{scenario}: {c['id']}: {c.get('errorMessage')}" for c in wrong]
        passed += not wrong
    failing = {c["id"] for checks in found.values() for c in _wrong(checks, set())}
    return Ran(len(found), passed, counts["SUCCESS"], bad, sorted(excluded - failing), unsteady)


def _again(words: Sequence[str], url: str, folder: Path, excluded: Set[str]) -> tuple[int, int]:
    """How often a scenario fails again: through callmux, and against the server alone."""
    fails = []
    with alone(_made(folder / "again")) as direct:
        for way, address in (("through", url), ("alone", direct)):
            runs = [_checks([*words, "--url", address], folder / "again" / f"{way}{n}") for n in range(TRIES)]
            fails.append(sum(any(_wrong(checks, excluded) for checks in found.values()) for found in runs))
    return fails[0], fails[1]


def _is_ours(through: int, alone: int) -> bool:
    """Whether a scenario that failed, and so often again, is held against callmux: most times, and more often
    than the server alone."""
    return through > max(alone, TRIES // 2)


def _checks(words: Sequence[str], folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The checks of each scenario that a command of the suite runs."""
    output = folder / "results"
    began = time.monotonic()
    done = subprocess.run(
        [*words, "--output-dir", str(output)],
        env=environment(_made(folder), ""),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    found = {_scenario(f.parent.name): json.loads(f.read_text()) for f in output.glob("*/checks.json")}
    assert found, f"nothing ran in {time.monotonic() - began:.0f} s: {done.stdout[-500:]}{done.stderr[-500:]}"
    return found


def _scenario(directory: str) -> str:
    """The scenario whose results a directory has: its name stands between what was run and when."""
    match = re.fullmatch(r"(?:server-)?(.+?)-\d{4}-\d\d-\d\dT[\dZ-]+", directory)
    assert match, directory
    return match[1]


def _wrong(checks: Sequence[dict[str, Any]], excluded: Set[str]) -> list[dict[str, Any]]:
    return [c for c in checks if c["status"] in ("FAILURE", "WARNING") and c["id"] not in excluded]
