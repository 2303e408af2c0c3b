"""The page of the dashboard in a real browser, behind a real proxy that adds a prefix.

One browser does everything in turn (`drive.mjs`), and what it saw is looked at here. Needs Debian's chromium
and nginx, Node.js, and a page that was built: `scripts/interop` sees to that.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from callmux.cli import dashboard
from callmux.dashboard.built import files
from tests.conftest import CACHE
from tests.live.harness import python_server, stdio, write_config
from tests.live.test_listener import HELLO, post, request, run_listener
from tests.support import free_port

CLIENT, MANAGER = "client-token-1234", "manager-token-1234"
SECONDS = 200
"""How long the browser may take for everything, also on a busy machine."""
TOOLS, EVENTS, BATCH = 500, 10_000, 500
STEP_SECONDS = 30
PREFIX = "/tools/callmux"
MOST_ROWS = 200
"""Elements of a list of any length."""
NGINX = """
daemon off;
master_process off;
pid {dir}/nginx.pid;
error_log {dir}/error.log;
events {{}}
http {{
    access_log {dir}/access.log;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/f;
    uwsgi_temp_path {dir}/u;
    scgi_temp_path {dir}/s;
    server {{
        listen 127.0.0.1:{port};
        location {prefix}/ {{
            proxy_pass http://127.0.0.1:{to}/;
            proxy_http_version 1.1;
            proxy_set_header Host 127.0.0.1:{to};
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_request_buffering off;
            proxy_read_timeout 1h;
        }}
    }}
}}
"""


def needed() -> dict[str, str]:
    """The programs; skips the tests where one is missing, or fails where CI promised that all are there."""
    programs = {
        "chromium": shutil.which("chromium"),
        "nginx": shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin"),
        "node": shutil.which("node"),
        "modules": str(path) if (path := CACHE / "browser" / "node_modules" / "axe-core").exists() else None,
        "page": "built" if files() else None,
    }
    if missing := [name for name, found in programs.items() if found is None]:
        why = f"not there for the browser tests: {', '.join(missing)}; run scripts/interop"
        if os.environ.get("CALLMUX_REQUIRE_BROWSER") == "1":
            pytest.fail(why)
        pytest.skip(why)
    return {name: str(found) for name, found in programs.items()}


@contextmanager
def proxy(program: str, folder: Path, to: int) -> Iterator[int]:
    """An nginx in front of a listener; gives its port."""
    folder.mkdir()
    port = free_port()
    (folder / "nginx.conf").write_text(NGINX.format(dir=folder, port=port, to=to, prefix=PREFIX))
    words = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL) as process:
        try:
            yield port
        finally:
            process.terminate()
            process.wait(timeout=20)


def entrance(config: Path, state: Path) -> dict[str, Any]:
    """What a listener that runs gives for a browser, once commands reach it."""
    end = time.monotonic() + 60
    env = {**os.environ, "XDG_STATE_HOME": str(state)}
    while not (found := dashboard._listening(str(config), env)):
        assert time.monotonic() < end, "no command reaches the listener"
        time.sleep(0.05)
    return next(iter(found.values()))


def flood(port: int) -> None:
    """Fills the list of events: a batch is one request, and each call in it an event."""
    token = {"authorization": f"Bearer {CLIENT}"}
    status, _, session = post(
        port, request(1, "initialize", {**HELLO, "protocolVersion": "2025-03-26"}), **token
    )
    assert status == 200
    for _ in range(EVENTS // BATCH):
        calls = [request(n, "tools/call", {"name": f"none_{n}", "arguments": {}}) for n in range(BATCH)]
        assert post(port, calls, session, **token)[0] == 200


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the browser saw."""
    programs, folder = needed(), tmp_path_factory.mktemp("browser")
    script = folder / "script.json"
    tools = [json.dumps({"name": f"n{n}", "inputSchema": {"type": "object"}}) for n in range(TOOLS)]
    script.write_text(json.dumps({"pages": [tools]}))
    servers = {
        "notes": stdio(python_server("ledger_server.py", folder / "ledger")),
        "many": stdio(python_server("scripted_server.py", script, folder / "many.log")),
    }
    config = write_config(
        folder / "config.json",
        servers,
        dashboard={"enabled": True, "maxEvents": EVENTS},
        auth={"mode": "bearer", "tokens": [{"id": "client", "token": CLIENT}]},
        management={
            "enabled": True,
            "auth": {"mode": "bearer", "tokens": [{"id": "boss", "token": MANAGER}]},
        },
        abuseControls={"trustedProxies": ["127.0.0.1"]},
    )
    port = free_port()
    with run_listener(folder, config, port), proxy(programs["nginx"], folder / "nginx", port) as outside:
        base = f"http://127.0.0.1:{outside}{PREFIX}"
        flood(port)
        code = entrance(config, folder / "state")["code"]
        options = {
            "modules": str(CACHE / "browser" / "node_modules"),
            "chromium": programs["chromium"],
            "base": f"{base}/dashboard/",
            "entrance": f"{base}/dashboard/enter?code={code}",
            "tokens": {"client": CLIENT, "manager": MANAGER},
            "mcp": f"{base}/mcp",
            "server": " ".join(python_server("ledger_server.py", folder / "extra")),
            "step": 1000 * STEP_SECONDS,
            "shots": os.environ.get("CALLMUX_SCREENSHOTS", ""),
        }
        words = [programs["node"], str(Path(__file__).parent / "drive.mjs"), json.dumps(options)]
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert "failed" not in found, (
            f"after {found['steps'][-1:]}: {found['failed']} {found['console']} {found['text']}"
        )
        log = (folder / "nginx" / "access.log").read_text()
        found["tokens in the log of the proxy"] = [t for t in (CLIENT, MANAGER) if t in log]
        return found


def test_everything_is_done_that_a_person_does(seen: Any) -> None:
    assert (len(seen["steps"]), seen["steps"][-1]) == (27, "many rows are few elements")
    assert seen["values"]["mayAdd"] is False
    assert seen["values"]["filter"] == "no_such_tool"


def test_the_page_asks_nobody_else_and_nothing_goes_wrong_in_it(seen: Any) -> None:
    assert seen["elsewhere"] == []
    assert seen["console"] == []
    assert seen["tokens in the log of the proxy"] == []


def test_nobody_is_kept_out_by_how_it_looks(seen: Any) -> None:
    assert seen["axe"] == []
    assert seen["wide"] == []
    assert seen["schemes"]["dark"] != seen["schemes"]["light"]


def test_the_cookie_is_for_the_dashboard_behind_the_prefix_and_goes_with_the_sign_out(seen: Any) -> None:
    path = f"{PREFIX}/dashboard"
    assert seen["values"]["cookie"] == {"path": path, "httpOnly": True, "sameSite": "Strict"}
    assert "code=" not in seen["values"]["address"]
    assert seen["values"]["cookies"] == 0


def test_lists_of_any_length_are_few_elements(seen: Any) -> None:
    rows = seen["rows"]
    assert rows["tools"]["all"] >= TOOLS
    assert rows["events"]["all"] >= EVENTS // 2
    assert 0 < rows["tools"]["shown"] <= MOST_ROWS
    assert 0 < rows["events"]["shown"] <= MOST_ROWS
