"""The pictures of docs/dashboard.md, taken by the script that drives the page for the other browser tests.

The listener has the servers of `callmux demo`, an hour of made-up history, and an agent that goes on calling.
`CALLMUX_SCREENSHOTS=docs` puts the pictures into docs/; else they are taken and thrown away.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from callmux.config.observing import EventStore
from callmux.observe.event_store import EventDatabase
from callmux.observe.history import History
from callmux.observe.history_file import HistoryFile
from callmux.observe.samples import Sample
from tests.browser.test_page import SECONDS, STEP_SECONDS, entrance, needed
from tests.live.harness import stdio, write_config
from tests.live.test_listener import HELLO, post, request, run_listener
from tests.support import SECONDS as ANSWER_SECONDS
from tests.support import free_port

DOCS = Path(__file__).parents[2] / "docs"
NAMES = ["overview", "servers", "try", "call", "history", "phone"]
LARGEST = 150_000
"""Bytes of a picture in docs/."""
MINUTES = 58
PACE_SECONDS = 0.3
ISSUES = [101, 102, 103, 105, 106, 107]
TRAFFIC = [
    ("tracker__list_issues", {"state": "open", "limit": 5}),
    ("tracker__get_issue", {"number": 104}),
    ("notes__write_note", {"name": "release-plan", "content": "Checkout first, then search."}),
    ("notes__list_notes", {}),
    (
        "callmux_parallel",
        {"calls": [{"tool": "tracker__get_issue", "arguments": {"number": n}} for n in ISSUES]},
    ),
    ("notes__read_note", {"name": "release-plan"}),
    ("tracker__get_issue", {"number": 108}),
    ("tracker__add_comment", {"number": 104, "body": "Seen again on staging."}),
]
"""What an agent does over and over."""


def past(folder: Path, now: float) -> None:
    """Writes an hour of calls beside a configuration, as a listener would have."""
    invent = random.Random(7)
    history = History(now - 60 * MINUTES)
    file = HistoryFile(folder / "callmux-metrics.json", history)
    database = EventDatabase(EventStore(enabled=True), lambda: now, folder / "callmux-events.sqlite")
    for minute in range(MINUTES, 0, -1):
        for n in range(int(18 + 10 * invent.random() + (14 if 20 < minute < 34 else 0))):
            tool, arguments = invent.choice(TRAFFIC)
            server, _, name = tool.partition("__")
            several = not name
            status = "ok" if invent.random() < 0.985 else invent.choice(["error", "downstream_error"])
            sample = Sample(
                at=now - 60 * minute + n,
                tool=tool,
                operation="parallel" if several else "direct",
                targets=(("tracker", "get_issue", len(ISSUES)),) if several else ((server, name, 1),),
                status=status,
                code="call_timeout" if status == "error" else "",
                seconds=invent.lognormvariate(-2.6 if server == "notes" else -2.0, 0.35),
                sent=len(json.dumps(arguments)),
                received=invent.randrange(2600, 6200) if several else invent.randrange(200, 1400),
                session_id=f"session-{minute // 20}",
                request_id=f"past-{minute}-{n}",
                client="an-agent",
                principal="",
                cached=False,
            )
            history.add(sample)
            database.put(sample)
    file.close(ANSWER_SECONDS)
    assert database.close(ANSWER_SECONDS)
    assert file.problem is None
    assert database.problem is None


@contextmanager
def agent(port: int) -> Iterator[None]:
    """An agent that goes on calling until the block ends; has called everything once when it begins."""
    _, _, session = post(
        port, request(1, "initialize", {**HELLO, "clientInfo": {"name": "an-agent", "version": "1"}})
    )
    answers: list[Any] = []

    def call(n: int) -> None:
        name, arguments = TRAFFIC[n % len(TRAFFIC)]
        answers.append(
            post(port, request(n + 101, "tools/call", {"name": name, "arguments": arguments}), session)
        )

    for n in range(len(TRAFFIC)):
        call(n)
    assert all(status == 200 and "error" not in answer for status, answer, _ in answers), answers
    # And one thing that fails: the overview shows the latest errors.
    assert (
        post(port, request(100, "tools/call", {"name": "notes__find_note", "arguments": {}}), session)[0]
        == 200
    )
    done = threading.Event()

    def go_on() -> None:
        n = len(TRAFFIC)
        while not done.wait(PACE_SECONDS):
            call(n)
            n += 1

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(ANSWER_SECONDS)


def test_the_pictures_of_the_documentation_can_be_taken(tmp_path: Path) -> None:
    programs = needed()
    where = Path(os.environ.get("CALLMUX_SCREENSHOTS") or tmp_path / "pictures").absolute()
    where.mkdir(exist_ok=True)
    servers = {
        name: stdio([sys.executable, "-m", f"callmux.demo.servers.{name}", "--delay-ms", delay])
        for name, delay in (("notes", "60"), ("tracker", "120"))
    }
    config = write_config(
        tmp_path / "config.json",
        servers,
        dashboard={"enabled": True},
        eventStore={"enabled": True},
        management={"enabled": True},
    )
    past(tmp_path, time.time())
    port = free_port()
    with run_listener(tmp_path, config, port), agent(port):
        base = f"http://127.0.0.1:{port}/dashboard/"
        options = {
            "modules": programs["modules"].removesuffix("/axe-core"),
            "chromium": programs["chromium"],
            "base": base,
            "entrance": f"{base}enter?code={entrance(config, tmp_path / 'state')['code']}",
            "step": 1000 * STEP_SECONDS,
            "pictures": str(where),
        }
        words = [programs["node"], str(Path(__file__).parent / "drive.mjs"), json.dumps(options)]
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL
        )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert "failed" not in seen, f"after {seen['steps'][-1:]}: {seen['failed']} {seen.get('text')}"
    assert (seen["steps"], seen["console"], seen["elsewhere"]) == (NAMES, [], [])
    sizes = {name: (where / f"dashboard-{name}.png").stat().st_size for name in NAMES}
    assert {name: size for name, size in sizes.items() if not 5_000 < size < LARGEST} == {}


@pytest.mark.skipif((DOCS.parent / "PKG-INFO").exists(), reason="an sdist leaves the pictures out")
@pytest.mark.parametrize("name", NAMES)
def test_the_documentation_shows_each_picture(name: str) -> None:
    shown = re.findall(r"!\[[^\]]+\]\((dashboard-\w+\.png)\)", (DOCS / "dashboard.md").read_text("utf-8"))
    assert f"dashboard-{name}.png" in shown
    assert (DOCS / f"dashboard-{name}.png").stat().st_size < LARGEST
