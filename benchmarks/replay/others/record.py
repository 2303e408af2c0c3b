"""Records the four other tasks with their real servers: a browser, a database, a search, a tracker.

Called by `benchmarks/context.py --record-others`. Needs git, Node.js, Chromium, and in `.cache/recording` the
packages of `NPM` (`npm install --ignore-scripts --prefix .cache/recording ...`) and, in a virtual environment
`py`, those of `PYPI`.
"""

from __future__ import annotations

import contextlib
import functools
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from replay.others import OTHER_SERVERS, OTHERS, tickets
from replay.others.browser import SHOP
from replay.process import Process
from replay.record import kept, listings_of, moved
from replay.recording import HOME, Call, Recording
from replay.tasks import two_calls
from replay.ways import Direct
from replay.workplace import CACHE, workplace

NPM = ("@playwright/mcp@0.0.83", "@zeeg/dex@0.16.0")
PYPI = ("mcp-server-sqlite==2025.4.25", "agents-docs==0.45.0")


def record_others() -> dict[str, int]:
    """Does all four and writes their traces; the calls of each."""
    counts = {}
    for name, task in OTHERS.items():
        recording = Recording(name)
        # A clone is all that the other tasks have in common with these.
        with workplace(two_calls) as place, contextlib.ExitStack() as stack:
            shop = stack.enter_context(_served(place.home / "shop"))
            task.prepare(place.home)
            processes = {
                key: stack.enter_context(Process(command, place.home, None, place.home))
                for key, command in commands(place.home).items()
            }
            listed = listings_of(processes)
            call = functools.partial(_called, processes, place.home, shop)
            if task is tickets:
                tickets.file(call)
            task.perform(Direct(functools.partial(_recorded, recording, call), []))
        recording.save()
        counts[name] = len(recording.calls)
        OTHER_SERVERS.write_text(listed, "utf-8")
    return counts


def commands(home: Path) -> dict[str, list[str]]:
    """How each real server is started."""
    npm = CACHE / "recording" / "node_modules" / ".bin"
    pypi = CACHE / "recording" / "py" / "bin"
    chromium = shutil.which("chromium") or shutil.which("google-chrome") or "chromium"
    headless = ["--headless", "--isolated", "--no-sandbox", "--executable-path", chromium]
    return {
        "browser": [str(npm / "playwright-mcp"), *headless],
        "sqlite": [str(pypi / "mcp-server-sqlite"), "--db-path", str(home / "sales.db")],
        "handbook": [str(pypi / "agents-docs"), "serve"],
        "tickets": [str(npm / "dex"), "mcp", "--storage-path", str(home / "tickets")],
    }


def _called(processes: dict[str, Process], home: Path, shop: str, asked: Call) -> dict[str, Any]:
    """A call of a real server, with the names of the trace in the call and in what is answered."""
    arguments = moved(moved(asked.arguments, HOME, str(home)), SHOP, shop)
    result: dict[str, Any] = processes[asked.server].call(asked.tool, arguments)
    told: dict[str, Any] = moved(moved(result, str(home), HOME), shop, SHOP)
    return told


def _recorded(recording: Recording, call: Callable[[Call], dict[str, Any]], asked: Call) -> str:
    """The text of a call that goes into the trace."""
    return kept(recording, asked, call(asked))


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is written to the terminal."""


@contextlib.contextmanager
def _served(folder: Path) -> Iterator[str]:
    """The address of a web server for a folder."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
