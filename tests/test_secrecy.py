"""A secret in each place of a configuration, servers that repeat it, and each way out: it never appears."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from callmux.secrets.vault import Vault
from tests.support import free_port

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX")

TELLS = """
import os, sys
print("usage:", " ".join(sys.argv), file=sys.stderr)
for name in sys.argv[1].split(","):
    print("environment:", name, "=", repr(os.environ.get(name)), file=sys.stderr)
given = " ".join(os.environ.get(name, "") for name in sys.argv[1].split(","))
sys.exit(f"cannot start with {sys.argv[2:]}, {given}")
"""
"""A server that says all it was given, as a usage message and as its last words."""

REFUSES = """
import json, os, sys
given = " ".join([*sys.argv[1:], os.environ.get("GIVEN", "")])
for line in sys.stdin:
    print(json.dumps({"jsonrpc": "2.0", "id": json.loads(line).get("id"), "error": {"code": -1,
          "message": "not with " + given, "data": {"given": given}}}), flush=True)
"""
"""A server that refuses the handshake and repeats what it was given."""

CALLED = """
import json, os, sys
given = " ".join([*sys.argv[1:], os.environ.get("GIVEN", "")])
for line in sys.stdin:
    request = json.loads(line)
    answer = {"jsonrpc": "2.0", "id": request.get("id")}
    if request["method"] == "initialize":
        answer["result"] = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                            "serverInfo": {"name": "x", "version": "1", "title": "run with " + given},
                            "instructions": "I was started with " + given}
    elif request["method"] == "tools/list":
        answer["result"] = {"tools": [{"name": "t", "inputSchema": {"type": "object"},
                                       "description": "A tool of a server with " + given}]}
    elif request["method"] == "tools/call":
        answer["error"] = {"code": -32000, "message": "not with " + given, "data": [given]}
    else:
        continue
    print(json.dumps(answer), flush=True)
"""
"""A server that describes its tool with what it was given, and whose tool fails with the same."""


def sentinel(n: int) -> str:
    return f"s3ntinel{n:03d}xq7w"


class Echo(BaseHTTPRequestHandler):
    """Refuses with everything it was told: `/challenge` in the challenge, `/rpc` in a JSON-RPC error."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        told = " ".join(f"{name}: {value}" for name, value in self.headers.items()) + " " + self.path
        if "rpc" in self.path:
            answer = {
                "jsonrpc": "2.0",
                "id": json.loads(body).get("id"),
                "error": {"code": 1, "message": told},
            }
            self._answer(400, json.dumps(answer).encode(), {"Content-Type": "application/json"})
        else:
            self._answer(
                401, told.encode(), {"WWW-Authenticate": f'Bearer error="{told[:150]}", token="{told}"'}
            )

    do_GET = do_POST

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""


@pytest.fixture(scope="module")
def echo() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


class Scene:
    """A configuration with a sentinel in every place.

    Attributes:
        places: What each sentinel is in, by the sentinel.
    """

    def __init__(self, folder: Path, echo: str) -> None:
        self.folder = folder
        self.places: dict[str, str] = {}
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("CALLMUX", "XDG"))}
        self.env |= {"HOME": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)}
        self.servers: dict[str, Any] = {}
        for what, script in (("tells", TELLS), ("refuses", REFUSES), ("called", CALLED)):
            self._programs(what, script)
        for path in ("challenge", "rpc"):
            self._remotes(path, echo)
        document = {
            "servers": self.servers,
            "auditLog": {"enabled": True, "path": "audit.jsonl", "includeRequestBody": True},
            "connectTimeoutMs": 20_000,
            "reconnectPolicy": {"initialDelayMs": 60_000},
        }
        self.config = folder / "c.json"
        self.config.write_text(json.dumps(document))

    def new(self, place: str) -> str:
        value = sentinel(len(self.places))
        self.places[value] = place
        return value

    def variable(self, place: str) -> str:
        name = f"OUTER{len(self.places)}"
        self.env[name] = self.new(place)
        return name

    def file(self, place: str) -> str:
        path = self.folder / f"secret{len(self.places)}"
        path.write_text(self.new(place) + "\n")
        return str(path)

    def kept(self, place: str) -> str:
        name = f"kept{len(self.places)}"
        Vault(self.folder / ".local/state/callmux/secrets").set(name, self.new(place))
        return name

    def _programs(self, what: str, script: str) -> None:
        def add(name: str, *args: str, **more: Any) -> None:
            command = {"command": sys.executable, "args": ["-c", script, "GIVEN,OUTER_TOKEN", *args]}
            self.servers[f"{what}-{name}"] = {**command, **more}

        add("flag", "--token", self.new("a flag"), f"--api-key={self.new('a flag with =')}")
        add("access", "--access-token", self.new("a flag"), "-p", self.new("a short flag"))
        add(
            "url",
            f"postgres://bob:{self.new('a URL argument')}@db/x",
            f"https://h/?api_key={self.new('query')}",
        )
        add("header", "-H", f"Authorization: Bearer {self.new('a header argument')}")
        add("json", "--config", json.dumps({"apiKey": self.new("JSON in an argument")}))
        add(
            "variable",
            f"${{{self.variable('a variable in an argument')}}}",
            f"x=${{{self.variable('inside')}}}y",
        )
        add("file", f"--key=${{file:{self.file('a file in an argument')}}}")
        add("env", env={"GIVEN": self.new("env")})
        add("envvar", env={"GIVEN": f"a ${{{self.variable('a variable in env')}}} b"})
        add("envurl", env={"GIVEN": f"mysql://root:{self.new('a URL in env')}@db"})
        more = self.folder / f"{what}.env"
        more.write_text(f"GIVEN={self.new('an envFile')}\n")
        add("envfile", envFile=str(more))
        add("refenv", envRefs={"GIVEN": f"env:{self.variable('envRefs')}"})
        add("reffile", envRefs={"GIVEN": f"file:{self.file('a file of envRefs')}"})
        add("wholeenv", env={"GIVEN": f"env:{self.variable('a whole variable')}"})
        add("wholefile", env={"GIVEN": f"file:{self.file('a whole file')}"})
        add("command", env={"GIVEN": f"cmd:cat {self.file('the output of a command')}"})
        add("keyring", env={"GIVEN": f"keyring:{self.kept('a keyring')}"})
        add("argument", f"--any=${{keyring:{self.kept('a keyring in an argument')}}}")
        add("refcmd", envRefs={"GIVEN": f"cmd:cat {self.file('a command of envRefs')}"})
        broken = f"cmd:sh -c 'cat {self.file('a command that fails')}; cat secret* >&2; exit 1'"
        add("broken", env={"GIVEN": broken})
        self.env["OUTER_TOKEN"] = self.env.get("OUTER_TOKEN") or self.new("an inherited token")
        if what == "tells":
            self.servers["no-program"] = {"command": f"${{{self.variable('command')}}}"}
            self.servers["no-directory"] = {
                "command": "cat",
                "cwd": "/nowhere",
                "env": {"A": self.new("env")},
            }

    def _remotes(self, path: str, echo: str) -> None:
        from base64 import b64encode

        def add(name: str, url: str, **headers: str) -> None:
            self.servers[f"{path}-{name}"] = {"url": url, "headers": headers}

        url = f"http://{echo}/{path}"
        add("bearer", url, Authorization=f"Bearer {self.new('a bearer header')}")
        add("key", url, **{"X-Api-Key": self.new("a header"), "X-Other": self.new("another header")})
        basic = b64encode(f"bob:{self.new('a basic header')}".encode()).decode()
        self.places[basic] = "base64 of a basic header"
        add("basic", url, Authorization=f"Basic {basic}")
        add("user", f"http://bob:{self.new('user information')}@{echo}/{path}")
        add("query", f"{url}?token={self.new('a query')}&x=1")
        add("path", f"{url}/${{{self.variable('a variable in a URL')}}}/mcp")
        add("headervar", url, Authorization=f"Bearer ${{{self.variable('a variable in a header')}}}")
        add("whole", url, **{"X-Key": f"env:{self.variable('a whole variable of a header')}"})
        add("keyring", url, Authorization=f"Bearer ${{keyring:{self.kept('a keyring in a header')}}}")
        add("command", url, **{"X-Key": f"cmd:cat {self.file('a command of a header')}"})
        add("scheme", f"ftp://bob:{self.new('a URL of a wrong kind')}@{echo}/${{{self.variable('there')}}}")

    def run(self, *args: str) -> str:
        """All that a command says."""
        done = subprocess.run(
            [sys.executable, "-m", "callmux", *args, "--config", str(self.config)],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=120,
            cwd=self.folder,
        )
        return done.stdout + done.stderr

    def check(self, text: str, *signs: str) -> None:
        """The text holds what shows that the servers were heard, and no secret."""
        for sign in signs:
            assert sign in text, text[:3000]
        leaks = {
            place: line
            for secret, place in self.places.items()
            for line in text.splitlines()
            if secret in line
        }
        assert not leaks


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, echo: str) -> Scene:
    return Scene(tmp_path_factory.mktemp("secrecy"), echo)


@pytest.mark.parametrize(
    "command",
    [
        ["doctor"],
        ["doctor", "--json"],
        ["server", "test", "--all"],
        ["server", "test", "--all", "--json"],
    ],
    ids=" ".join,
)
def test_commands_that_try_the_servers_show_no_secret(command: list[str], scene: Scene) -> None:
    scene.check(scene.run(*command), "cannot start with", "not with", "(HTTP 401)", "[redacted]")


@pytest.mark.parametrize("command", [["server", "list"], ["server", "list", "--json"]], ids=" ".join)
def test_lists_show_no_secret_and_urls_that_can_be_read(command: list[str], scene: Scene) -> None:
    scene.check(
        scene.run(*command), "tells-flag", "--token [redacted]" if "--json" not in command else "--token"
    )
    assert "http://[redacted]@" in scene.run(*command)


def test_a_check_of_the_configuration_shows_no_secret(scene: Scene) -> None:
    scene.check(scene.run("config", "check"))


@pytest.fixture(scope="module")
def heard(scene: Scene) -> dict[str, str]:
    """What a listener says on each way."""
    port = free_port()
    log = scene.folder / "log"
    with log.open("wb") as out:
        command = [sys.executable, "-m", "callmux", "--listen", str(port), "--config", str(scene.config)]
        listener = subprocess.Popen(command, env=scene.env, stdout=out, stderr=out, cwd=scene.folder)
    try:
        ways = {"ready": _get(f"http://127.0.0.1:{port}/ready", listener)}
        base = f"http://127.0.0.1:{port}/mcp"
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}

        def post(method: str, params: Any) -> str:
            body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
            request = urllib.request.Request(base, body, headers)
            with urllib.request.urlopen(request, timeout=60) as answer:
                if (session := answer.headers.get("Mcp-Session-Id")) is not None:
                    headers["Mcp-Session-Id"] = session
                return str(answer.read().decode())

        info = {"name": "x", "version": "1"}
        post("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info})
        headers["MCP-Protocol-Version"] = "2025-11-25"
        ways["status"] = post("tools/call", {"name": "callmux_status", "arguments": {}})
        asked = {"descriptions": True, "sessions": True}
        ways["described"] = post("tools/call", {"name": "callmux_status", "arguments": asked})
        calls = []
        for name in scene.servers:
            calls.append(post("tools/call", {"name": f"{name}__t", "arguments": {}}))
            call = {"server": name, "tool": "t", "arguments": {}}
            calls.append(post("tools/call", {"name": "callmux_call", "arguments": call}))
        ways["calls"] = "\n".join(calls)
        ways["metrics"] = _get(f"http://127.0.0.1:{port}/metrics", listener)
        ways["processes"] = _command_lines(listener.pid)
    finally:
        listener.terminate()
        listener.wait(30)
    kept = list((scene.folder / ".local/state/callmux").rglob("*.json"))
    ways["kept"] = "\n".join(path.read_text() for path in kept)
    ways["log"] = log.read_text()
    ways["audit"] = (scene.folder / "audit.jsonl").read_text()
    return ways


def _get(url: str, listener: subprocess.Popen[bytes]) -> str:
    """Waits until the listener answers, and then until every server is up or has failed."""
    from urllib.error import HTTPError, URLError

    deadline = threading.Event()
    timer = threading.Timer(60, deadline.set)
    timer.start()
    try:
        while not deadline.is_set():
            assert listener.poll() is None
            try:
                with urllib.request.urlopen(url, timeout=60) as answer:
                    return str(answer.read().decode())
            except HTTPError as error:
                return error.read().decode()
            except URLError:
                deadline.wait(0.05)
    finally:
        timer.cancel()
    raise AssertionError("the listener does not answer")


def _command_lines(pid: int) -> str:
    """What `ps` shows of callmux and of its guardian; a server's own arguments are its own."""
    listener = psutil.Process(pid)
    own = [listener, *(p for p in listener.children() if p.name() in ("sh", "dash", "bash"))]
    return "\n".join(" ".join(process.cmdline()) for process in own)


@pytest.mark.parametrize("way", ["ready", "status", "described", "kept", "calls", "log"])
def test_a_listener_shows_no_secret(way: str, heard: dict[str, str], scene: Scene) -> None:
    signs = {
        "ready": ["cannot start with", "(HTTP 401)"],
        "status": ["cannot start with", "(HTTP 401)"],
        "described": ["A tool of a server with"],
        "kept": ["A tool of a server with"],
        "calls": ["not with", "cannot start with", "(HTTP 401)"],
        "log": ["usage:", "cannot start with", "not with", "(HTTP 401)"],
    }
    scene.check(heard[way], *signs[way], "[redacted]")


@pytest.mark.parametrize(
    ("way", "sign"), [("metrics", "callmux_http_requests_total"), ("audit", '"event":"call"')]
)
def test_what_a_listener_counts_and_writes_down_shows_no_secret(
    way: str, sign: str, heard: dict[str, str], scene: Scene
) -> None:
    scene.check(heard[way], sign)


def test_a_list_of_processes_shows_no_secret(heard: dict[str, str], scene: Scene) -> None:
    scene.check(heard["processes"], "callmux", "sh")


ASKS = "\n".join(
    json.dumps(message)
    for message in (
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": {"name": "x", "version": "1"},
            },
        },
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "t", "arguments": {}}},
    )
)


@pytest.mark.parametrize("path", ["challenge", "rpc"])
@pytest.mark.parametrize(
    "command", [["call", "t"], ["tools", "list"], ["doctor"], ["bridge"]], ids=lambda words: words[0]
)
@pytest.mark.parametrize("how", ["token", "header"])
def test_a_token_for_a_listener_is_not_shown_where_that_repeats_it(
    command: list[str], path: str, how: str, echo: str, scene: Scene
) -> None:
    token = "t0ken-for-a-listener"
    given = ["--token", token] if how == "token" else ["--header", f"Authorization: Bearer {token}"]
    done = subprocess.run(
        [sys.executable, "-m", "callmux", *command, "--url", f"http://{echo}/{path}", *given],
        input=f"{ASKS}\n",
        env=scene.env,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=scene.folder,
    )
    said = done.stdout + done.stderr
    assert "[redacted]" in said or path == "challenge" or command == ["doctor"]
    assert "HTTP 40" in said or path == "rpc"
    assert token not in said


def test_the_sentinels_would_be_seen(scene: Scene) -> None:
    """The servers do say them: without the veil each would be found."""
    assert len(scene.places) > 50
    with pytest.raises(AssertionError):
        scene.check(f"x {next(iter(scene.places))} y")
    argv = scene.servers["tells-flag"]["args"]
    done = subprocess.run([sys.executable, *argv], capture_output=True, text=True, timeout=60, env=scene.env)
    assert len(set(re.findall(r"s3ntinel\d{3}xq7w", done.stderr))) == 3
