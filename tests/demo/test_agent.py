"""The tiny client, against scripted processes in place of a callmux."""

from __future__ import annotations

import json
import os
import signal
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from callmux.demo import agent as module
from callmux.demo.agent import Agent, DemoFailed
from tests.support import SECONDS

PRELUDE = """
import json, sys, time
def send(**m): print(json.dumps({"jsonrpc": "2.0", **m}), flush=True)
def read(): return json.loads(sys.stdin.readline())
"""


def scripted(body: str, seconds: float = SECONDS) -> Agent:
    return Agent([sys.executable, "-c", PRELUDE + textwrap.dedent(body)], seconds)


def test_a_call_is_traced_with_what_the_model_sees() -> None:
    with scripted(
        """
        m = read()
        text = {"type": "text", "text": '{"ü": 1}'}
        send(id=m["id"], result={"content": [text], "structuredContent": {"ü": 1}})
        sys.stdin.read()
        """
    ) as agent:
        assert agent.call("look", {"at": [1, 2]}, "part", "way") == {"ü": 1}
    sent, received = agent.trace
    assert (sent.kind, sent.tool, sent.part, sent.way) == ("sent", "look", "part", "way")
    assert sent.context_bytes == len('look{"at":[1,2]}')
    assert received.context_bytes == len('{"ü": 1}'.encode()) < received.bytes
    assert received.ms >= sent.ms


def test_requests_of_the_other_side_and_notifications_do_not_disturb_a_call() -> None:
    with scripted(
        """
        m = read()
        send(method="notifications/message", params={})
        send(id=m["id"], method="ping")
        assert read() == {"jsonrpc": "2.0", "id": m["id"], "result": {}}
        send(id=m["id"], result={"content": [{"type": "text", "text": "1"}]})
        sys.stdin.read()
        """
    ) as agent:
        assert agent.call("t", {}) == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("read(); sys.exit('boom')", "(?s)callmux ended.*boom"),
        ("read(); time.sleep(60)", "no answer within 0.5 s"),
        ("read(); print('hello', flush=True); sys.stdin.read()", "not JSON"),
        ("send(id=read()['id'], error={'code': 1, 'message': 'no'}); sys.stdin.read()", "refused.*no"),
        (
            "send(id=read()['id'], result={'isError': True, 'content': [{'type': 'text', 'text': 'bad'}]});"
            "sys.stdin.read()",
            "failed: bad",
        ),
    ],
)
def test_what_goes_wrong_is_a_sentence(monkeypatch: pytest.MonkeyPatch, body: str, message: str) -> None:
    monkeypatch.setattr(module, "END_SECONDS", 0.2)
    with (
        scripted(body, 0.5 if "sleep" in body else SECONDS) as agent,
        pytest.raises(DemoFailed, match=message),
    ):
        agent.call("t", {})


def test_a_callmux_that_ignores_everything_is_ended_by_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "END_SECONDS", 0.2)
    agent = scripted(
        """
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        m = read()
        send(id=m["id"], result={"content": [{"type": "text", "text": "1"}]})
        while True: time.sleep(60)
        """
    )
    agent.call("t", {})
    agent.close()
    assert agent._process.returncode == -9


def test_a_command_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(DemoFailed, match="could not be started"):
        Agent(["/nowhere/callmux"], 1)


NOTED = """
import pathlib, signal
notes = pathlib.Path({notes!r})
def note(word): notes.open("a").write(word + " ")
signal.signal(signal.SIGTERM, lambda *_: (note("asked"), sys.exit()))
send(id=read()["id"], result={{"content": [{{"type": "text", "text": "1"}}]}})
sys.stdin.read()
note("input ended")
{last}
"""


def test_its_last_words_are_read_however_late_they_come() -> None:
    """Its output ends before it says why."""
    body = "read(); import os; os.close(1); time.sleep(0.2); print('boom', file=sys.stderr, flush=True)"
    with scripted(body) as agent, pytest.raises(DemoFailed, match=r"(?s)callmux ended.*boom"):
        agent.call("t", {})


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, it ends by itself where it can."""
    monkeypatch.setattr(module, "END_SECONDS", SECONDS)


@pytest.mark.usefixtures("patient")
def test_callmux_is_left_to_end_by_itself_when_nothing_is_under_way(tmp_path: Path) -> None:
    with scripted(NOTED.format(notes=str(tmp_path / "notes"), last="")) as agent:
        agent.call("t", {})
    assert (tmp_path / "notes").read_text() == "input ended "


@pytest.mark.usefixtures("patient")
def test_callmux_is_asked_to_end_at_once_where_the_demonstration_breaks_off(tmp_path: Path) -> None:
    """It does not see its input end first, at which it waits for the calls under way."""
    agent = scripted(NOTED.format(notes=str(tmp_path / "notes"), last="time.sleep(60)"))
    agent.call("t", {})
    agent.__exit__(KeyboardInterrupt, None, None)
    assert (tmp_path / "notes").read_text() == "asked "


def test_a_second_interrupt_ends_callmux_by_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = NOTED.format(notes=str(tmp_path / "notes"), last="")
    agent = scripted(body.replace("sys.exit()", "None"))
    agent.call("t", {})
    real_wait = agent._process.wait

    def interrupted_once(timeout: float | None = None) -> int:
        monkeypatch.setattr(agent._process, "wait", real_wait)
        raise KeyboardInterrupt

    monkeypatch.setattr(agent._process, "wait", interrupted_once)
    with pytest.raises(KeyboardInterrupt):
        agent.close(in_order=False)
    assert agent._process.returncode == -signal.SIGKILL


def test_an_end_does_not_wait_for_a_pipe_that_somebody_else_holds_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A process of the callmux that was killed may live on for a while, with its pipes."""
    monkeypatch.setattr(module, "END_SECONDS", 0.2)
    agent = scripted(
        "import subprocess; p = subprocess.Popen(['sleep', '60']); send(pid=p.pid); sys.stdin.read()"
    )
    holder = json.loads(agent._answers.get(timeout=SECONDS) or b"")["pid"]
    closed = threading.Thread(target=agent.close, daemon=True)
    closed.start()
    closed.join(20)
    try:
        assert not closed.is_alive()
    finally:
        os.kill(holder, signal.SIGKILL)
    for reader, pipe in zip(agent._readers, (agent._process.stdout, agent._process.stderr), strict=True):
        reader.join(20)
        assert pipe is not None
        pipe.close()
