"""docs/secrets.md: its configuration and commands do what the page says, with doubles of what it names."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from .test_how_to import lacks

PAGE = (Path(__file__).parents[2] / "docs" / "secrets.md").read_text("utf-8")

TOOL = """#!{python}
import sys
answers = {{("op", "read", "op://Private/Linear/token"): "s3cret-op",
            ("pass", "show", "api/brave"): "s3cret-pass", ("gh", "auth", "token"): "s3cret-gh"}}
print(answers[tuple([sys.argv[0].rpartition("/")[2], *sys.argv[1:]])])
"""
NPX = """#!{python}
import json, os, sys
names = ("BRAVE_API_KEY", "GITHUB_TOKEN", "API_TOKEN", "DATABASE_URL")
with open(os.environ["SEEN"], "a") as seen:
    seen.write(json.dumps({{name: os.environ[name] for name in names if name in os.environ}}) + "\\n")
for line in sys.stdin:
    message = json.loads(line)
    if "id" in message:
        result = {{"initialize": {{"protocolVersion": "2025-11-25", "capabilities": {{"tools": {{}}}},
                                   "serverInfo": {{"name": "x", "version": "1"}}}},
                  "tools/list": {{"tools": [{{"name": "t", "inputSchema": {{"type": "object"}}}}]}}}}
        end = {{"error": {{"code": -32601, "message": "no"}}}}
        if message["method"] in result:
            end = {{"result": result[message["method"]]}}
        answer = {{"jsonrpc": "2.0", "id": message["id"], **end}}
        print(json.dumps(answer), flush=True)
"""


class Double(BaseHTTPRequestHandler):
    """A remote server that notes the credential of each request."""

    seen: set[tuple[str, str]]

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.add((self.path, self.headers["Authorization"]))
        results: dict[str, Any] = {
            "initialize": {
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "x", "version": "1"},
            },
            "tools/list": {"tools": [{"name": "t", "inputSchema": {"type": "object"}}]},
        }
        if "id" not in message:
            self._answer(202, b"")
            return
        known = message["method"] in results
        end = (
            {"result": results[message["method"]]} if known else {"error": {"code": -32601, "message": "no"}}
        )
        answer = {"jsonrpc": "2.0", "id": message["id"], **end}
        self._answer(200, json.dumps(answer).encode())

    def do_GET(self) -> None:
        self._answer(405, b"")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""


@pytest.fixture
def remote() -> Iterator[tuple[str, set[tuple[str, str]]]]:
    seen: set[tuple[str, str]] = set()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Noting", (Double,), {"seen": seen}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", seen
    server.shutdown()
    thread.join()
    server.server_close()


def around(tmp_path: Path) -> dict[str, str]:
    """An environment with doubles of all programs that the page names."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("op", "pass", "gh", "npx"):
        text = NPX if name == "npx" else TOOL
        (programs / name).write_text(text.format(python=sys.executable))
        (programs / name).chmod(0o755)
    (programs / "callmux").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m callmux "$@"\n')
    (programs / "callmux").chmod(0o755)
    env = {key: value for key, value in os.environ.items() if not key.startswith(("CALLMUX", "XDG"))}
    env |= {"HOME": str(tmp_path), "PATH": f"{programs}:{env['PATH']}", "SEEN": str(tmp_path / "seen")}
    return env | {"PROD_DATABASE": "s3cret-variable", "PYTHONPATH": os.pathsep.join(sys.path)}


def run(command: str, env: dict[str, str], tmp_path: Path) -> str:
    done = subprocess.run(
        ["sh", "-ec", command], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_configuration_of_the_page_brings_every_secret_where_it_belongs(
    tmp_path: Path, remote: tuple[str, set[tuple[str, str]]]
) -> None:
    address, seen = remote
    (text,) = re.findall(r"^```json\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    document = json.loads(text)
    for name, server in document["servers"].items():
        if "url" in server:
            server["url"] = f"{address}/{name}"
    config = tmp_path / "callmux.json"
    config.write_text(json.dumps(document))
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/api.token").write_text("s3cret-file\n")
    env = around(tmp_path)
    run("printf s3cret-keyring | callmux secret set github", env, tmp_path)
    said = run(f"callmux server test --all --config {config}", env, tmp_path)
    assert seen == {("/github", "Bearer s3cret-keyring"), ("/linear", "Bearer s3cret-op")}
    given = [json.loads(line) for line in (tmp_path / "seen").read_text().splitlines()]
    assert sorted(given, key=len) == [
        {"BRAVE_API_KEY": "s3cret-pass"},
        {"GITHUB_TOKEN": "s3cret-gh", "API_TOKEN": "s3cret-file", "DATABASE_URL": "s3cret-variable"},
    ]
    assert "s3cret" not in said
    shown = run(f"callmux server list --json --config {config}", env, tmp_path)
    assert "s3cret" not in shown


def test_the_commands_of_the_page_say_what_it_shows(tmp_path: Path) -> None:
    env = {**around(tmp_path), "A_TOKEN": "hunter2"}
    config = tmp_path / ".config/callmux/config.json"
    config.parent.mkdir(parents=True)
    config.write_text('{"servers": {"x": {"command": "x", "env": {"X_TOKEN": "hunter2-x"}}}}')
    pairs = re.findall(r"^```sh\n(.*?)^```\n\n```text\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert len(pairs) == PAGE.count("```sh")
    for commands, shown in pairs:
        said = run(commands, env, tmp_path)
        assert lacks(said, shown.splitlines()) == [], said
        assert "hunter2" not in said
    assert "hunter2" not in config.read_text()
