"""`callmux dashboard` lets a browser in, at listeners that really run."""

from __future__ import annotations

import http.client
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from callmux.cli import browser, dashboard
from callmux.cli.dashboard import run
from callmux.errors import UsageError
from tests.live.harness import python_server, stdio, write_config
from tests.live.test_listener import run_listener
from tests.support import SECONDS, eventually, free_port

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Unix sockets")
AUTH = {"mode": "bearer", "tokens": [{"id": "ops", "token": "ops-token-1234"}]}


def got(url: str, cookie: str = "") -> tuple[int, Any, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=SECONDS)
    headers = {"Cookie": cookie} if cookie else {}
    connection.request("GET", f"{parts.path}?{parts.query}", headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers, body


def await_listener(config: Path) -> None:
    """Waits until commands reach the listener: its socket is there a moment after its port."""
    eventually(lambda: dashboard._listening(str(config), dict(os.environ)), "a command to reach the listener")


def test_a_printed_address_signs_one_browser_in_and_is_no_argument_of_another_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    servers = {"a": stdio(python_server("ledger_server.py", tmp_path / "l"))}
    config, port = write_config(tmp_path / "config.json", servers, auth=AUTH), free_port()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert run([], str(config)) == 1
    assert "No listener" in capsys.readouterr().err
    with run_listener(tmp_path, config, port):
        await_listener(config)
        assert run([], str(config)) == 1
        assert '"dashboard": {"enabled": true}' in capsys.readouterr().err
    document = json.loads(config.read_text())
    config.write_text(json.dumps({**document, "dashboard": {"enabled": True}}))
    opened: list[str] = []

    async def open_it(url: str) -> bool:
        opened.append(url)
        return len(opened) == 1

    monkeypatch.setattr(browser, "opened", open_it)
    monkeypatch.setenv("BROWSER", "some-browser")
    with run_listener(tmp_path, config, port):
        await_listener(config)
        assert run([], str(config)) == 0
        url = capsys.readouterr().out.strip()
        assert url.startswith(f"http://127.0.0.1:{port}/dashboard/enter?code=")
        status, headers, _ = got(url)
        assert (status, headers["location"]) == (303, "./")
        cookie = headers["set-cookie"].partition(";")[0]
        status, _, body = got(f"http://127.0.0.1:{port}/dashboard/session", cookie)
        assert json.loads(body)["may"]["look"] is True
        assert json.loads(body)["may"]["approve"] is False
        assert got(url)[1]["location"] == "./#sign-in=expired"
        assert run(["--json", "--url", "https://tools.example/x/"], str(config)) == 0
        (found,) = json.loads(capsys.readouterr().out)
        assert found["url"].startswith("https://tools.example/x/dashboard/enter?code=")
        assert run(["--url", "https://tools.example/dashboard"], str(config)) == 0
        assert capsys.readouterr().out.startswith("https://tools.example/dashboard/enter?code=")
        for wrong in ("tools.example", "ftp://x", "https://x/?a=1", "http://[", "http://x:y", "http://a:b@x"):
            with pytest.raises(UsageError, match="--url"):
                run(["--url", wrong], None)
        assert run(["--open"], str(config)) == 0
        code = capsys.readouterr().out.strip().partition("code=")[2]
        assert opened[0].startswith("file:///")
        assert code not in opened[0]
        file = Path(urlsplit(opened[0]).path)
        assert code in file.read_text()
        assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
        assert run(["--open"], str(config)) == 0
        assert "no browser took" in capsys.readouterr().err
        monkeypatch.delenv("BROWSER")
        monkeypatch.setenv("SSH_TTY", "/dev/pts/1")
        assert run(["--open"], str(config)) == 0
        assert "ssh" in capsys.readouterr().err


def test_with_several_dashboards_one_must_be_named_to_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = {"listening": True, "url": "http://127.0.0.1:1", "path": "", "code": "c"}
    monkeypatch.setattr(dashboard, "_listening", lambda config, env: {1: answer, 2: answer})
    with pytest.raises(UsageError, match="--config"):
        run(["--open"], None)
