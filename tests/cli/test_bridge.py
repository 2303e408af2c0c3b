"""`callmux bridge`: its options, what it loads, and how it begins and ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from callmux.cli import bridge
from callmux.cli.bridge import BridgeOptions, read_options
from callmux.cli.grammar.bridge import COMMANDS
from callmux.cli.parsing import read
from callmux.errors import UsageError
from tests.support import SECONDS, python

URL = "http://127.0.0.1:1/mcp"

MAY_LOAD = {
    "bridge": {
        *(
            "__init__",
            "request_time",
            "budget",
            "client",
            "credentials",
            "endpoint",
            "failures",
            "greeting",
            "heads",
            "keeper",
            "link",
            "listings",
            "pages",
            "plain_calls",
        ),
        *("questions", "relay", "resuming", "silence", "stateless", "stream", "tool_call"),
    },
    "cli": {"__init__", "bridge", "commands", "headers", "main", "parsing", "process", "signals", "stderr"},
    "cli.grammar": {"__init__", "bridge", "shared", "terms"},
    "metatools": {"__init__", "table"},
    "protocol": {
        *(
            "__init__",
            "apps",
            "calling",
            "client_peer",
            "encoding",
            "failure_points",
            "fragments",
            "http_answer",
            "http_client",
            "jsonrpc",
            "lines",
            "mending",
            "nulls",
            "params",
            "peer",
            "shapes",
            "sse",
            "unanswered",
            "upstream_peer",
            "versions",
        ),
    },
    "rings": {"__init__", "envelope", "ring", "stage"},
    "session": {
        *("__init__", "backlog", "facts", "handler", "inquiries", "pulse", "request", "session"),
        "usage",
    },
    "transport": {"__init__", "hello", "stdio"},
}
"""The modules of callmux below each package; single files at the top are small."""

MAY_NOT_LOAD = {"aiohttp", "uvicorn", "starlette", "http.client", "urllib.request", "sqlite3", "argparse"}
MAY_NOT_LOAD |= {"difflib", "multiprocessing", "rich", "toons", "tomlkit", "email", "hypothesis"}


def test_it_loads_little() -> None:
    """Every agent's session starts one of these."""
    code = "import sys, callmux.cli.main, callmux.cli.bridge; print(*sys.modules)"
    loaded = set(subprocess.check_output([sys.executable, "-c", code], timeout=SECONDS, text=True).split())
    own = {name.removeprefix("callmux.") for name in loaded if name.startswith("callmux.")}
    allowed = {f"{p}.{m}".removesuffix(".__init__") for p, modules in MAY_LOAD.items() for m in modules}
    assert {name for name in own if "." in name or name in MAY_LOAD} <= allowed
    assert not {"config", "router", "upstream", "runtime", "host"} & own
    assert not MAY_NOT_LOAD & loaded


def options_of(args: list[str]) -> BridgeOptions:
    return read_options(read(COMMANDS[0], args))


def test_all_options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    options = options_of(
        [
            *("--url", URL, "--cwd", "sub", "--header", "X-A: b:c ", "--header=X-D:e", "--call-timeout", "7"),
            *("--token", "t", "--token-file", "f", "--autostart", "--idle-exit", "9"),
        ]
    )
    assert options.endpoint.url == URL
    assert options.cwd == str(tmp_path / "sub")
    assert options.headers == {"X-A": "b:c", "X-D": "e"}
    assert (options.call_timeout_ms, options.token, options.token_file) == (7, "t", "f")
    assert (options.autostart, options.idle_exit) == (True, 9)
    plain = options_of([f"--url={URL}", "--call-timeout", "0"])
    assert (plain.cwd, plain.call_timeout_ms, plain.autostart) == (str(tmp_path), None, False)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "--url is required"),
        (["--url"], "Missing value for --url"),
        (["--url", "nota"], "must begin with http"),
        (["--url", URL, "--bogus"], 'Unknown bridge option "--bogus"'),
        (["--ur", URL], 'did you mean "--url"'),
        (["--url", URL, "extra"], 'Unknown argument "extra"'),
        (["--url", URL, "--header", "nocolon"], "--header must use Name:Value format"),
        (["--url", URL, "--header", ": v"], "--header must use Name:Value format"),
        (["--url", URL, "--header", "a b: v"], "is not a valid header name"),
        (["--url", URL, "--header", "Host: v"], "itself sets Host"),
        (["--url", URL, "--header", "A: b\r\nC: d"], "characters that a header cannot have"),
        (["--url", URL, "--call-timeout", "1.5"], "--call-timeout must be a non-negative integer"),
        (["--url", URL, "--call-timeout", "-1"], "--call-timeout must be a non-negative integer"),
    ],
)
def test_what_cannot_be_understood(args: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        options_of(args)
    assert said in caught.value.message


def headers(*args: str, home: Path, **env: str) -> dict[str, str]:
    return bridge._headers(options_of(["--url", URL, *args]), env, home)


def test_headers_of_every_request(tmp_path: Path) -> None:
    """The user's own, where we are, who we are, and the token unless the user set one."""
    sent = headers("--cwd", "/w", "--header", "X-A: b", "--token", "t", home=tmp_path)
    assert list(sent.items()) == [
        ("X-A", "b"),
        ("x-callmux-cwd", "/w"),
        ("x-callmux-client", "stdio-bridge"),
        ("Authorization", "Bearer t"),
    ]
    own = headers("--header", "authorization: Basic x", "--token", "t", home=tmp_path)
    assert "Authorization" not in own
    assert own["authorization"] == "Basic x"
    ours = headers("--header", "X-Callmux-Client: me", "--header", "x-callmux-cwd: /x", home=tmp_path)
    assert ours == {"x-callmux-cwd": os.getcwd(), "x-callmux-client": "stdio-bridge"}


def test_a_directory_no_header_can_carry(tmp_path: Path) -> None:
    assert "x-callmux-cwd" not in headers("--cwd", "/a\nb", home=tmp_path)


def test_a_token_that_loses_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Weak spot L33 of callmux (npm)."""
    sent = headers("--token", "mine", home=tmp_path, CALLMUX_TOKEN="env")
    assert sent["Authorization"] == "Bearer env"
    assert "CALLMUX_TOKEN is set" in caplog.text
    assert "mine" not in caplog.text


def started(*args: str, tmp_path: Path) -> subprocess.Popen[bytes]:
    env = {**os.environ, "HOME": str(tmp_path)}
    return python("-m", "callmux", "bridge", *args, env=env)


def finished(process: subprocess.Popen[bytes], given: bytes | None = None) -> tuple[int, bytes, bytes]:
    out, err = process.communicate(given, timeout=SECONDS)
    return process.returncode, out, err


@pytest.mark.parametrize("args", [[], ["--url", "nota"], ["--url", URL, "--config", "x"]])
def test_usage_errors_end_it_with_1(args: list[str], tmp_path: Path) -> None:
    code, out, err = finished(started(*args, tmp_path=tmp_path), b"")
    assert (code, out) == (1, b"")
    assert err.startswith(b"[callmux] Fatal: ")
    assert b"Traceback" not in err


def test_it_ends_with_its_client(tmp_path: Path) -> None:
    """Having answered what was asked, though nobody listens."""
    messages: list[Any] = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"capabilities": {}}},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
    ]
    given = b"".join(json.dumps(message).encode() + b"\n" for message in messages)
    code, out, err = finished(started("--url", URL, tmp_path=tmp_path), given)
    hello, tools = map(json.loads, out.splitlines())
    assert hello["result"]["serverInfo"]["name"] == "callmux-bridge"
    assert tools["result"] == {"tools": []}
    assert (code, b"cannot be reached" in err) == (0, True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_0(number: signal.Signals, tmp_path: Path) -> None:
    process = started("--url", URL, tmp_path=tmp_path)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
    process.stdin.flush()
    assert json.loads(process.stdout.readline()) == {"jsonrpc": "2.0", "id": 1, "result": {}}
    process.send_signal(number)
    code, _, _ = finished(process)
    assert code == 0
