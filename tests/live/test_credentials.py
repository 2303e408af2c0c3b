"""Tokens of a real listener: taken away while in use, shown for the session of somebody else, and servers."""

from __future__ import annotations

import http.client
import json
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from callmux.config.secrets import hash_token
from tests.support import SECONDS, eventually, free_port

from .harness import python_server, stdio, write_config
from .test_attacks import AS_DEV, AS_OPS, BEARER, DEV, OPS, ask, listening
from .test_directories import called, greeted, mirror, text
from .test_listener import post, request, run_listener
from .test_upgrade import end


def configured(tmp_path: Path, *tokens: Any) -> Path:
    servers = {"a": stdio(python_server("ledger_server.py", tmp_path / "ledger"))}
    return write_config(tmp_path / "c.json", servers, auth={"mode": "bearer", "tokens": list(tokens)})


@contextmanager
def stream(port: int, session: str, **headers: str) -> Iterator[http.client.HTTPResponse]:
    """The open stream of a session."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    head = {"Accept": "text/event-stream", "Mcp-Session-Id": session, **headers}
    connection.request("GET", "/mcp", headers=head)
    with closing(connection), connection.getresponse() as answer:
        assert answer.status == 200
        assert answer.readline() != b""
        yield answer


def test_a_token_taken_out_of_the_file_stops_at_once_and_the_others_notice_nothing(
    tmp_path: Path,
) -> None:
    """Weak spot L29 of callmux (npm)."""
    port = free_port()
    with run_listener(tmp_path, configured(tmp_path, OPS, DEV), port):
        mine, theirs = greeted(port, **AS_OPS), greeted(port, **AS_DEV)
        with stream(port, theirs, **AS_DEV) as ended:
            configured(tmp_path, OPS, {**DEV, "id": "other"})
            eventually(lambda: "Reloaded config" in (tmp_path / "listener.log").read_text(), "the reload")
            # It is somebody else's token now.
            assert post(port, request(5, "ping", {}), theirs, **AS_DEV)[0] == 404
            configured(tmp_path, OPS)
            eventually(lambda: ask(port, **AS_DEV)[0] == 401, "the token to stop")
            # Its stream is over, and was not cut.
            assert ended.read().strip() == b""
        assert post(port, request(6, "ping", {}), mine, **AS_OPS)[0] == 200


def test_a_session_is_its_owners_after_a_restart_and_an_upgrade(tmp_path: Path) -> None:
    """Weak spot L25 of callmux (npm)."""
    port = free_port()
    config = configured(tmp_path, OPS, DEV)
    with run_listener(tmp_path, config, port):
        session = greeted(port, **AS_OPS)
    with run_listener(tmp_path, config, port) as process:
        for n in range(3):
            assert post(port, request(n, "ping", {}), session, **AS_DEV)[0] == 404
            assert post(port, request(n, "ping", {}), session)[0] == 401
        assert post(port, request(7, "ping", {}), session, **AS_OPS)[0] == 200
        process.send_signal(signal.SIGUSR2)
        pid = next_pid(port, process.pid)
        try:
            assert post(port, request(8, "ping", {}), session, **AS_DEV)[0] == 404
            assert post(port, request(9, "ping", {}), session, **AS_OPS)[0] == 200
        finally:
            end(port, pid)


def next_pid(port: int, before: int) -> int:
    """The process that answers once it is another one than `before`; `/health` needs a token here."""

    def pid() -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        connection.request("GET", "/health", headers=AS_OPS)
        found: int = json.loads(connection.getresponse().read())["pid"]
        connection.close()
        return found

    eventually(lambda: pid() != before, "the new process")
    return pid()


def test_the_token_that_let_a_client_in_reaches_no_server(tmp_path: Path) -> None:
    """Weak spot L25 of callmux (npm)."""
    with mirror() as url:
        port = free_port()
        entry = {"url": url, "headers": {"authorization": "Bearer own"}, "forwardHeaders": ["Authorization"]}
        config = write_config(tmp_path / "c.json", {"m": entry}, auth=BEARER)
        with run_listener(tmp_path, config, port):
            sessions = {name: greeted(port, **head) for name, head in (("ops", AS_OPS), ("dev", AS_DEV))}

            def asked(n: int) -> str:
                name, head = ("ops", AS_OPS) if n % 2 else ("dev", AS_DEV)
                return text(called(port, sessions[name], "whoami", {"n": n}, id=100 + n, **head))

            with ThreadPoolExecutor(4) as threads:
                assert set(threads.map(asked, range(40))) == {"Bearer own"}
        assert "secret" not in (tmp_path / "listener.log").read_text()


def test_a_stored_result_is_read_by_its_principal_in_any_session_and_by_nobody_else(tmp_path: Path) -> None:
    with mirror() as url:
        port = free_port()
        config = write_config(tmp_path / "c.json", {"m": {"url": url}}, auth=BEARER)
        with run_listener(tmp_path, config, port):
            short = called(port, greeted(port, **AS_OPS), "large", **AS_OPS)
            ref = json.loads(text(short))["_callmux"]["ref"]
            page = {"ref": ref, "limit": 1}
            own = called(port, greeted(port, **AS_OPS), "callmux_get_result", page, **AS_OPS)
            assert "isError" not in own or not own["isError"]
            stolen = called(port, greeted(port, **AS_DEV), "callmux_get_result", page, **AS_DEV)
            missing = called(
                port, greeted(port, **AS_DEV), "callmux_get_result", {**page, "ref": "r_none"}, **AS_DEV
            )
            assert stolen["isError"]
            assert text(stolen).replace(ref, "X") == text(missing).replace("r_none", "X")


def test_wrong_tokens_are_answered_alike_whatever_is_wrong_with_them(tmp_path: Path) -> None:
    with listening(tmp_path, auth=BEARER) as port:
        seen = set()
        for wrong in ("x", "ops-secre", "ops-secret1", "OPS-SECRET", "scrypt$1024$8$1", "a" * 8000):
            status, headers = ask(port, Authorization=f"Bearer {wrong}")
            seen.add((status, headers["www-authenticate"], headers["content-length"]))
        assert len(seen) == 1


def test_a_token_stops_before_a_server_that_comes_with_the_same_change_is_up(tmp_path: Path) -> None:
    port = free_port()
    log = tmp_path / "listener.log"
    with run_listener(tmp_path, configured(tmp_path, OPS, DEV), port):
        assert ask(port, **AS_DEV)[0] == 200
        hangs = stdio([sys.executable, "-c", "import time; time.sleep(600)"])
        auth = {"mode": "bearer", "tokens": [OPS]}
        write_config(tmp_path / "c.json", {"a": hangs, "b": hangs}, auth=auth, connectTimeoutMs=60_000)
        eventually(lambda: ask(port, **AS_DEV)[0] == 401, "the token to stop")
        assert "Reloaded config" not in log.read_text()
        assert ask(port, **AS_OPS)[0] == 200


def test_agents_with_tokens_of_their_own_may_begin_all_at_once(tmp_path: Path) -> None:
    """As they do after a restart: none of them is refused for the sake of the others."""
    tokens = [{"id": f"agent{n}", "hash": hash_token(f"token{n}")} for n in range(12)]
    with (
        listening(tmp_path, auth={"mode": "bearer", "tokens": tokens}) as port,
        ThreadPoolExecutor(12) as threads,
    ):
        asked = threads.map(lambda n: ask(port, Authorization=f"Bearer token{n}")[0], range(12))
        assert list(asked) == [200] * 12
