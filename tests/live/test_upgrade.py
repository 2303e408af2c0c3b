"""A running listener makes room for its next version: nothing is lost, whoever was connected goes on."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import subprocess
import threading
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support import SECONDS, eventually, free_port

from .harness import callmux, python_server, run, stdio, text_of, until, write_config
from .test_listener import HELLO, post, request, run_listener
from .test_shutdown import Call, Caller, greeted, ledger_config, until_begun

HANDOVERS = 3


def pid_at(port: int) -> int:
    """The process that answers now."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    connection.request("GET", "/health")
    found: int = json.loads(connection.getresponse().read())["pid"]
    connection.close()
    return found


def next_pid(port: int, before: int) -> int:
    """The process that answers once it is another one than `before`, which has ended by then."""
    eventually(lambda: pid_at(port) != before, "the new process")
    eventually(lambda: not psutil.pid_exists(before) or _is_gone(before), "the end of the old process")
    return pid_at(port)


def _is_gone(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def end(port: int, pid: int) -> None:
    process = psutil.Process(pid)
    process.terminate()
    process.wait(20)


class Load(threading.Thread):
    """A client that calls without pause and keeps its connection as long as it is told it may."""

    def __init__(self, port: int, name: str) -> None:
        super().__init__(daemon=True)
        self._port, self._name = port, name
        self._enough = threading.Event()
        self.answered: list[str] = []
        self.lost: list[str] = []
        self.start()

    def run(self) -> None:
        caller = Caller(self._port)
        caller.greets()
        number = 0
        while not self._enough.is_set():
            number += 1
            token = f"{self._name}-{number}"
            params = {"name": "write", "arguments": {"token": token}}
            try:
                answer = caller.posts(request(number, "tools/call", params))
                body = answer.read()
                closes = answer.headers.get("connection") == "close"
                assert answer.status == 200, body
                assert token.encode() in body, body
            except (AssertionError, http.client.HTTPException, OSError) as error:
                self.lost.append(f"{token}: {error!r}")
                break
            self.answered.append(token)
            if closes:
                caller.close()
        caller.close()

    def ends(self) -> None:
        self._enough.set()
        self.join(20)
        assert not self.is_alive()


def _all_go_on(loads: list[Load], counts: list[int]) -> bool:
    return all(
        len(load.answered) > count or bool(load.lost) for load, count in zip(loads, counts, strict=True)
    )


def test_no_request_is_lost_over_handovers_under_load(tmp_path: Path) -> None:
    port = free_port()
    with run_listener(tmp_path, ledger_config(tmp_path), port):
        pid = pid_at(port)
        loads = [Load(port, f"load{n}") for n in range(3)]
        try:
            for _ in range(HANDOVERS):
                counts = [len(load.answered) for load in loads]
                psutil.Process(pid).send_signal(signal.SIGUSR2)
                pid = next_pid(port, pid)
                eventually(
                    partial(_all_go_on, loads, counts),
                    "every client to go on",
                )
        finally:
            for load in loads:
                load.ends()
            end(port, pid)
        assert [load.lost for load in loads] == [[]] * len(loads)
        rows = (tmp_path / "ledger").read_text().splitlines()
        done = [row.split()[1] for row in rows if row.startswith("done ")]
        assert sorted(done) == sorted(token for load in loads for token in load.answered)


def test_a_call_in_flight_finishes_where_it_began_and_its_session_goes_on(tmp_path: Path) -> None:
    port = free_port()
    with run_listener(tmp_path, ledger_config(tmp_path), port) as process, greeted(port) as caller:
        call = Call(port, caller.session, 2500, "long")
        until_begun(tmp_path, "long")
        _, _, ended = post(port, request(1, "initialize", HELLO))
        gone = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        gone.request("DELETE", "/mcp", headers={"Mcp-Session-Id": ended or ""})
        assert gone.getresponse().status == 200
        gone.close()
        process.send_signal(signal.SIGUSR2)
        pid = next_pid(port, process.pid)
        try:
            assert b"long" in call.result()
            assert call.status == 200
            assert process.wait(20) == 0
            assert post(port, request(2, "tools/list", {}), caller.session)[0] == 200
            assert post(port, request(3, "tools/list", {}), ended)[0] == 404
        finally:
            end(port, pid)


def test_a_bridge_and_its_client_notice_nothing(tmp_path: Path) -> None:
    port = free_port()

    async def story(process: subprocess.Popen[bytes]) -> None:
        url = f"http://127.0.0.1:{port}/mcp"
        async with callmux(tmp_path, "bridge", "--url", url) as client:
            await client.initialize()
            assert "write" in await client.names()
            slow = client.send("tools/call", {"name": "slow", "arguments": {"token": "slow", "ms": 2500}})
            await until("the call to begin", lambda: "begin slow " in (tmp_path / "ledger").read_text())
            process.send_signal(signal.SIGUSR2)
            number = 0
            while process.poll() is None:
                number += 1
                await client.call("write", {"token": f"w{number}"})
            assert "slow" in text_of((await slow)["result"])
            await client.call("write", {"token": "after"})
            assert client.said.count("connected to the listener") == 1
            servers = json.loads(config.read_text())["servers"]
            write_config(config, {**servers, "b": servers["a"]})
            await until("news on the stream of the new process", client.changes)
            assert {"a__write", "b__write"} <= await client.names()
        rows = [
            row.split()[1] for row in (tmp_path / "ledger").read_text().splitlines() if row[:5] == "begin"
        ]
        assert sorted(rows) == sorted(["slow", "after", *(f"w{n + 1}" for n in range(number))])

    config = ledger_config(tmp_path)
    with run_listener(tmp_path, config, port) as process:
        try:
            run(story(process))
        finally:
            end(port, pid_at(port))


@pytest.mark.parametrize("kind", ["bad configuration", "a server that must start"])
def test_a_new_version_that_cannot_start_leaves_the_old_one_serving(kind: str, tmp_path: Path) -> None:
    port = free_port()
    config = ledger_config(tmp_path)
    with run_listener(tmp_path, config, port) as process, greeted(port) as caller:
        if kind == "bad configuration":
            config.write_text("{")
        else:
            write_config(config, {"gone": stdio(["/nonexistent/server"])}, strictStartup=True)
        process.send_signal(signal.SIGUSR2)
        log = tmp_path / "listener.log"
        eventually(lambda: "does not take over" in log.read_text(), "the attempt to fail")
        assert "Fatal" in log.read_text()
        assert pid_at(port) == process.pid
        answer = caller.posts(request(1, "tools/list", {}))
        assert (answer.status, answer.headers.get("connection")) == (200, None)
        answer.read()


def test_the_service_manager_hears_who_answers_and_when(tmp_path: Path) -> None:
    port = free_port()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        with run_listener(tmp_path, ledger_config(tmp_path), port, env=env) as process:
            assert manager.recv(200).decode() == f"MAINPID={process.pid}\nREADY=1"
            process.send_signal(signal.SIGUSR2)
            told = manager.recv(200).decode()
            pid = next_pid(port, process.pid)
            assert told == f"MAINPID={pid}\nREADY=1"
            end(port, pid)
            assert manager.recv(200).decode() == "STOPPING=1"


def test_a_question_asked_before_is_answered_after_and_a_call_begun_before_is_cancelled_after(
    tmp_path: Path,
) -> None:
    port = free_port()
    config = ledger_config(tmp_path)
    asks = stdio(python_server("../conformance/server.py"))
    entries = json.loads(config.read_text())["servers"]
    write_config(config, {**entries, "asks": asks})
    hello = {**HELLO, "capabilities": {"elicitation": {}}}
    with run_listener(tmp_path, config, port) as process:
        _, _, session = post(port, request(0, "initialize", hello))
        note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        assert post(port, note, session)[0] == 202
        with contextlib.closing(Caller(port)) as asked, contextlib.closing(Caller(port)) as slow:
            asked.session = slow.session = session
            params = {"name": "asks__test_elicitation", "arguments": {"message": "who?"}}
            answer = asked.posts(request(1, "tools/call", params))
            question = next_message(answer)
            assert question["method"] == "elicitation/create"
            params = {"name": "a__slow", "arguments": {"token": "endless", "ms": 60_000}}
            endless = slow.posts(request(2, "tools/call", params))
            process.send_signal(signal.SIGUSR2)
            eventually(lambda: refuses_nobody(port, process.pid), "the new process")
            cancel = {"method": "notifications/cancelled", "params": {"requestId": 2}}
            given = {"action": "accept", "content": {"username": "ada", "email": "a@example.org"}}
            assert post(port, {"jsonrpc": "2.0", **cancel}, session)[0] == 202
            reply = {"jsonrpc": "2.0", "id": question["id"], "result": given}
            assert post(port, reply, session)[0] == 202
            assert "ada" in json.dumps(next_message(answer)["result"])
            assert b'"result"' not in endless.read()
        pid = next_pid(port, process.pid)
        end(port, pid)


def next_message(answer: http.client.HTTPResponse) -> Any:
    """The next message of an event stream."""
    while line := answer.readline():
        if line.startswith(b"data: {"):
            return json.loads(line.removeprefix(b"data: "))
    raise AssertionError("the stream has ended")


def refuses_nobody(port: int, before: int) -> bool:
    """Only the new process takes connections now."""
    return all(pid_at(port) != before for _ in range(5))


def test_an_old_process_that_still_finishes_calls_can_be_stopped(tmp_path: Path) -> None:
    port = free_port()
    with run_listener(tmp_path, ledger_config(tmp_path), port) as process, greeted(port) as caller:
        call = Call(port, caller.session, 60_000, "endless")
        until_begun(tmp_path, "endless")
        process.send_signal(signal.SIGUSR2)
        eventually(lambda: refuses_nobody(port, process.pid), "the new process")
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert b'"result"' not in call.result()
        end(port, pid_at(port))
