"""A real listener, attacked from outside: limits, forged addresses, floods, deep and endless bodies."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support import SECONDS, eventually, free_port

from .harness import python_server, stdio, write_config
from .test_listener import HELLO, post, request, run_listener

OPS = {
    "id": "ops",
    "hash": "scrypt$1024$8$1$b3BzLXNlY3JldDAxMjM0NQ$jJ9urypeY6jgTGudkge2CCfOyAiQJTw1Mi7glxNEAn0",
}
DEV = {
    "id": "dev",
    "hash": "scrypt$1024$8$1$ZGV2LXNlY3JldDAxMjM0NQ$jmjHneAzZugECQRw_gf0QT2I_tJ89Nk6sTNAJ_G2HRw",
}
BEARER = {"mode": "bearer", "tokens": [OPS, DEV]}
AS_OPS, AS_DEV = {"Authorization": "Bearer ops-secret"}, {"Authorization": "Bearer dev-secret"}


@contextmanager
def listening(tmp_path: Path, **more: Any) -> Iterator[int]:
    """The port of a listener in front of one server with a ledger."""
    port = free_port()
    servers = {"a": stdio(python_server("ledger_server.py", tmp_path / "ledger"))}
    with run_listener(tmp_path, write_config(tmp_path / "c.json", servers, **more), port) as process:
        yield port
        assert process.poll() is None
        assert "failed in callmux itself" not in (tmp_path / "listener.log").read_text()


def ask(port: int, path: str = "/health", **headers: str) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.headers.items()}


def test_what_one_principal_asks_too_much_of_is_not_taken_from_others(tmp_path: Path) -> None:
    """Weak spot L34 of callmux (npm)."""
    controls = {"globalRequestsPerMinute": 8, "principalRequestsPerMinute": 2}
    with listening(tmp_path, auth=BEARER, abuseControls=controls) as port:
        statuses = [ask(port, **AS_OPS)[0] for _ in range(7)]
        assert statuses == [200] * 2 + [429] * 5
        assert [ask(port, **AS_DEV)[0] for _ in range(3)] == [200, 200, 429]
        # Six are left for those without a good token, too: they count, and are refused as what they are.
        assert [ask(port, Authorization="Bearer x")[0] for _ in range(5)] == [401] * 4 + [429]


def test_requests_in_flight_are_refused_with_a_time_to_come_back(tmp_path: Path) -> None:
    """Weak spot L34 of callmux (npm)."""
    with listening(tmp_path, auth=BEARER, abuseControls={"principalMaxInFlight": 1}) as port:
        stream = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        stream.request("GET", "/sse", headers=AS_OPS)
        assert stream.getresponse().status == 200
        status, headers = ask(port, **AS_OPS)
        assert (status, headers["retry-after"]) == (429, "1")
        assert ask(port, **AS_DEV)[0] == 200
        stream.close()


def test_a_flood_of_wrong_tokens_is_bounded_and_stops_nobody_who_is_known(tmp_path: Path) -> None:
    """Weak spot L29 of callmux (npm)."""
    controls = {"addressFailedAuthPerMinute": 10}
    with listening(tmp_path, auth=BEARER, abuseControls=controls) as port:
        assert ask(port, **AS_OPS)[0] == 200
        found: Counter[int] = Counter()
        lock = threading.Lock()

        def flood(worker: int) -> None:
            for n in range(20):
                status, headers = ask(port, Authorization=f"Bearer wrong-{worker}-{n}")
                assert status != 429 or int(headers["retry-after"]) >= 1
                with lock:
                    found[status] += 1

        workers = [threading.Thread(target=flood, args=(n,)) for n in range(8)]
        for worker in workers:
            worker.start()
        assert [ask(port, **AS_OPS)[0] for _ in range(20)] == [200] * 20
        for worker in workers:
            worker.join(60)
        # Those under way when the tenth failed are let through.
        assert 10 <= found[401] <= 14
        assert found[401] + found[429] == 160
        assert ask(port, **AS_DEV)[0] == 429, (
            "its token is not known yet, and its address has failed too often"
        )
        assert ask(port, **AS_OPS)[0] == 200


@pytest.mark.parametrize("kind", ["token", "tokenRef"])
def test_guesses_are_bounded_whatever_they_are_compared_with(kind: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken")
    tokens = [{"id": "ops", kind: "t0ken" if kind == "token" else "file:token"}]
    controls = {"addressFailedAuthPerMinute": 5, "globalRequestsPerMinute": 8}
    auth = {"mode": "bearer", "tokens": tokens}
    with listening(tmp_path, auth=auth, abuseControls=controls) as port:
        assert ask(port, Authorization="Bearer t0ken")[0] == 200
        guesses = [ask(port, Authorization=f"Bearer guess{n}")[0] for n in range(12)]
        assert guesses == [401] * 5 + [429] * 7
        # What was refused unseen took nothing from those who are known.
        assert [ask(port, Authorization="Bearer t0ken")[0] for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        (None, 403),
        ("192.0.2.7", 200),
        ("::ffff:192.0.2.7", 200),
        ("198.51.100.1", 403),
        # The client wrote what stands first, the proxy what stands last.
        ("192.0.2.7, 198.51.100.1", 403),
        ("198.51.100.1, 192.0.2.7", 200),
        ("192.0.2.7, unknown", 403),
        ("192.0.2.66", 403),
    ],
)
def test_behind_a_proxy_the_lists_see_the_client(forwarded: str | None, status: int, tmp_path: Path) -> None:
    """Weak spot L31 of callmux (npm)."""
    controls = {
        "trustedProxies": ["127.0.0.1"],
        "cidrAllowlist": ["192.0.2.0/24"],
        "cidrDenylist": ["192.0.2.66"],
    }
    with listening(tmp_path, abuseControls=controls) as port:
        given = {} if forwarded is None else {"X-Forwarded-For": forwarded}
        assert ask(port, **given)[0] == status
        assert ask(port, "/mcp", **given)[0] == (400 if status == 200 else 403)


def test_without_a_trusted_proxy_a_forged_address_changes_nothing(tmp_path: Path) -> None:
    forged = {"X-Forwarded-For": "192.0.2.7", "Forwarded": "for=192.0.2.7", "X-Real-IP": "192.0.2.7"}
    with listening(tmp_path, abuseControls={"cidrAllowlist": ["192.0.2.0/24"]}) as port:
        assert ask(port, **forged)[0] == 403
    with listening(tmp_path, abuseControls={"cidrDenylist": ["127.0.0.0/8"]}) as port:
        assert ask(port, **forged)[0] == 403


def _reloaded(log: Path, times: int) -> bool:
    return log.read_text().count("Reloaded config") == times


def test_windows_go_on_over_a_reload(tmp_path: Path) -> None:
    """Of something else; a limit with another number begins anew."""
    controls: dict[str, Any] = {"principalRequestsPerMinute": 3}
    servers = {"a": stdio(python_server("ledger_server.py", tmp_path / "ledger"))}
    with listening(tmp_path, abuseControls=controls) as port:
        assert [ask(port)[0] for _ in range(4)] == [200] * 3 + [429]
        log = tmp_path / "listener.log"
        for n, (most, status) in enumerate([(3, 429), (4, 200)], 1):
            controls = {"principalRequestsPerMinute": most, "cidrDenylist": [f"192.0.2.{n}"]}
            write_config(tmp_path / "c.json", servers, abuseControls=controls)
            eventually(partial(_reloaded, log, n), "the reload")
            assert ask(port)[0] == status


SAYS_ENVIRONMENT = """
import json, os, sys
for line in sys.stdin:
    request = json.loads(line)
    result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
              "serverInfo": {"name": "x", "version": "1"}}
    if request["method"] == "tools/list":
        result = {"tools": [{"name": "env", "inputSchema": {"type": "object"}}]}
    elif request["method"] == "tools/call":
        result = {"content": [{"type": "text", "text": " ".join(sorted(os.environ))}]}
    if "id" in request:
        print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}), flush=True)
"""


def test_servers_do_not_get_the_tokens_of_our_clients(tmp_path: Path) -> None:
    """Weak spot L28 of callmux (npm)."""
    port = free_port()
    auth = {"mode": "bearer", "tokens": [{"id": "ops", "hashRef": "env:OPS_HASH"}]}
    servers = {"a": stdio([sys.executable, "-c", SAYS_ENVIRONMENT])}
    config = write_config(tmp_path / "c.json", servers, auth=auth)
    env = {"OPS_HASH": OPS["hash"], "CALLMUX_TOKEN": "t", "HARMLESS": "1"}
    with run_listener(tmp_path, config, port, env=env):
        _, _, session = post(port, request(1, "initialize", HELLO), **AS_OPS)
        _, answer, _ = post(
            port, request(2, "tools/call", {"name": "env", "arguments": {}}), session, **AS_OPS
        )
        names = answer["result"]["content"][0]["text"].split()
        assert "HARMLESS" in names
        assert not {"OPS_HASH", "CALLMUX_TOKEN"} & set(names)


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":'
        + b'{"a":' * 200_000
        + b"1"
        + b"}" * 200_000
        + b"}",
        b"[" * 900_000,
        b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
    ids=["objects", "lists", "params"],
)
def test_bodies_of_any_depth_are_refused(body: bytes, tmp_path: Path) -> None:
    with listening(tmp_path, requestBodyMaxBytes=10_000_000) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        connection.request("POST", "/mcp", body, headers)
        assert connection.getresponse().status == 400
        connection.close()
        assert post(port, request(1, "initialize", HELLO))[0] == 200


def test_an_endless_body_is_refused_once_it_is_too_large(tmp_path: Path) -> None:
    with listening(tmp_path) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        connection.putrequest("POST", "/mcp")
        for name, value in {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}.items():
            connection.putheader(name, value)
        connection.endheaders()
        part = b" " * 65_536
        try:
            for _ in range(1000):
                connection.send(b"%x\r\n%b\r\n" % (len(part), part))
        except OSError:
            # It is answered, and its connection ended, long before.
            pass
        else:
            raise AssertionError("64 MB were taken")
        connection.close()
        assert post(port, request(1, "initialize", HELLO))[0] == 200


def test_addresses_of_the_log_and_of_errors_hold_nothing_that_was_made_up(tmp_path: Path) -> None:
    """Paths, session ids and other headers of strangers begin no line of the log."""
    with listening(tmp_path, auth=BEARER) as port:
        forged = "x%0a[callmux]%20forged%1b[2J"
        for path in (f"/{forged}", f"/mcp?{forged}", f"/messages?sessionId={forged}"):
            ask(port, path, **AS_OPS)
            ask(port, path)
        ask(port, "/mcp", **AS_OPS, **{"Mcp-Session-Id": "\x1b[2Jforged", "X-Request-Id": "a b\x1b"})
        log = (tmp_path / "listener.log").read_bytes()
        assert b"\x1b" not in log
        assert not [line for line in log.splitlines() if b"forged" in line]


def test_what_a_listener_says_of_itself_without_a_token_is_nothing(tmp_path: Path) -> None:
    with listening(tmp_path, auth=BEARER) as port:
        for path in ("/health", "/ready", "/metrics", "/mcp", "/sse", "/management/v1", "/dashboard", "/x"):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
            connection.request("GET", path)
            answer = connection.getresponse()
            assert answer.status == 401
            assert json.loads(answer.read()).keys() == {"error", "requestId"}
            connection.close()


@pytest.mark.parametrize("profile", ["dev", "staging", "prod"])
def test_each_release_profile_listens_and_lets_in_whom_it_says(profile: str, tmp_path: Path) -> None:
    path, port = tmp_path / "c.json", free_port()
    words = [sys.executable, "-m", "callmux", "init", "--profile", profile, "--config", str(path)]
    said = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout
    document = json.loads(path.read_text())
    document["servers"] = {"a": stdio(python_server("ledger_server.py", tmp_path / "ledger"))}
    path.write_text(json.dumps(document))
    token = re.search(r"shown this once: (\S+)", said)
    shows = {} if token is None else {"Authorization": f"Bearer {token[1]}"}
    with run_listener(tmp_path, path, port):
        assert ask(port)[0] == 200
        assert ask(port, "/ready")[0] == (200 if profile == "dev" else 401)
        _, _, session = post(port, request(1, "initialize", HELLO), **shows)
        call = request(2, "tools/call", {"name": "write", "arguments": {"token": "x"}})
        status, answer, _ = post(port, call, session, **shows)
        assert (status, answer["result"].get("isError", False)) == (200, False)
    if profile == "prod":
        lines = [json.loads(line) for line in (tmp_path / "audit" / "callmux.jsonl").read_text().splitlines()]
        assert {"http_request", "call"} <= {line["event"] for line in lines}
