"""callmux doctor"""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from callmux.cli import doctor
from callmux.doctor.byte_code import ByteCode
from callmux.errors import UsageError
from callmux.upstream.probe import ProbeResult
from tests.redis_server import own_prefix


async def two_tools(
    name: str, server: object, *, timeout_seconds: float, base_dir: Path, **_: object
) -> ProbeResult:
    return ProbeResult(["get_item", "create_item"], None)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without clients."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "XDG_CONFIG_HOME", "CALLMUX_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("callmux.doctor.byte_code.byte_code", lambda kept: ByteCode())
    return home


def examined(
    document: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[int, dict[str, Any], str]:
    path = tmp_path / "c.json"
    path.write_text(document)
    code = doctor.run(["--json"], str(path), two_tools)
    answer = json.loads(capsys.readouterr().out)
    assert doctor.run([], str(path), two_tools) == code
    return code, answer, capsys.readouterr().out


def test_a_slow_start_is_warned_about_and_is_no_issue(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "callmux.doctor.byte_code.byte_code", lambda kept: ByteCode(None, ["it starts slowly"])
    )
    code, answer, text = examined('{"servers": {"a": {"command": "/bin/sh"}}}', tmp_path, capsys)
    assert (code, answer["warnings"]) == (0, ["it starts slowly"])
    assert "Warning: it starts slowly" in text
    assert "byteCode" not in answer


def test_where_byte_code_is_kept_is_told_and_no_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callmux.doctor.byte_code.byte_code", lambda kept: ByteCode("kept in /c"))
    _, answer, text = examined('{"servers": {"a": {"command": "/bin/sh"}}}', tmp_path, capsys)
    assert (answer["byteCode"], answer["warnings"]) == ("kept in /c", [])
    assert "Byte code: kept in /c" in text


def test_a_healthy_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, answer, text = examined('{"servers": {"a": {"command": "/bin/sh"}}}', tmp_path, capsys)
    assert code == 0
    assert answer == {
        "ok": True,
        "configPath": str(tmp_path / "c.json"),
        "format": "native",
        "serverCount": 1,
        "cacheTtlSeconds": 0,
        "maxConcurrency": 20,
        "issues": [],
        "warnings": [],
        "servers": [
            {
                "name": "a",
                "command": "/bin/sh",
                "status": "ok",
                "executablePath": "/bin/sh",
                "toolCount": 2,
                "issues": [],
            }
        ],
        "clients": [],
    }
    assert text.startswith("Status: ok\n")


@pytest.mark.parametrize("document", ["{nope", "[]", '{"servers": {}, "metaOnly": 1}'])
def test_a_file_that_does_not_load_is_a_report(
    document: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, answer, text = examined(document, tmp_path, capsys)
    assert (code, answer["ok"], answer["format"], answer["serverCount"]) == (1, False, "invalid", 0)
    assert len(answer["issues"]) == 1
    assert f"Issue: {answer['issues'][0]}" in text


def test_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the default one nor the one that the variable names."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CALLMUX_CONFIG", raising=False)
    assert doctor.run(["--json"], None) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["format"] == "missing"
    assert answer["configPath"] == str(tmp_path / ".config" / "callmux" / "config.json")
    monkeypatch.setenv("CALLMUX_CONFIG", "/nowhere.json")
    assert doctor.run(["--json"], None) == 1
    assert "CALLMUX_CONFIG names" in json.loads(capsys.readouterr().out)["issues"][0]


def test_what_clients_have_entered_counts(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".claude.json").write_text('{"mcpServers": {"callmux": {"command": "/gone/callmux"}}}')
    code, answer, text = examined('{"servers": {}}', tmp_path, capsys)
    assert (code, answer["ok"], answer["clients"][0]["status"]) == (1, False, "error")
    assert answer["issues"][0].startswith(f'client claude ({home}/.claude.json) "callmux": its program')
    assert text.count('/gone/callmux" does not exist') == 1


def test_a_listener_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    assert doctor.run(["--url", url, "--json"], None) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["ok"], answer["url"], answer["mcpUrl"]) == (False, url, f"{url}/mcp")
    assert doctor.run(["--url", url], None) == 1
    assert f"Issue: nothing listens at {url}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--bogus"], "Unknown doctor option"),
        (["--cwd", "/"], "--cwd needs --url"),
        (["--url", "nota"], "--url must begin with http"),
        (["--url", "http://h", "--header", "hunter2"], "Name:Value"),
        (["--url", "http://h", "--token-file", "/no/such/file"], "did not contain a non-empty token"),
    ],
)
def test_usage(args: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        doctor.run(args, None)
    assert "hunter2" not in error.value.message


def test_what_listeners_share_is_looked_at(
    redis_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_KEY", "a key that is long enough")
    state = {"url": redis_url, "key": "env:STATE_KEY", "keyPrefix": own_prefix()}
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"servers": {}, "state": state}))
    assert doctor.run([], str(path), two_tools) == 0
    assert ", 0 listeners share it" in capsys.readouterr().out
    monkeypatch.setenv("STATE_KEY", "short")
    assert doctor.run(["--json"], str(path), two_tools) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["issues"] == ["state.key must have at least 16 characters"]
    assert "state" not in report
