"""What is found in a configuration and its servers."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from callmux.config.check import check_document
from callmux.config.load import load_config
from callmux.config.servers import StdioServer
from callmux.doctor.checks import (
    Probe,
    config_findings,
    examine,
    find_command,
    tokens_kept_back,
)
from callmux.doctor.directories import open_directories
from callmux.doctor.report import Report
from callmux.upstream.probe import ProbeResult
from tests.certificates import Authority

SH = {"command": "/bin/sh"}


def answering(*tools: str, error: str | None = None) -> Probe:
    async def probe(
        name: str, server: object, *, timeout_seconds: float, base_dir: Path, **_: object
    ) -> ProbeResult:
        return ProbeResult(list(tools), error)

    return probe


async def failing(
    name: str, server: object, *, timeout_seconds: float, base_dir: Path, **_: object
) -> ProbeResult:
    raise ConnectionRefusedError(111, "refused")


async def silent(
    name: str, server: object, *, timeout_seconds: float, base_dir: Path, **_: object
) -> ProbeResult:
    await asyncio.Event().wait()
    raise AssertionError


async def never_asked(
    name: str, server: object, *, timeout_seconds: float, base_dir: Path, **_: object
) -> ProbeResult:
    raise AssertionError(f"{name} was asked")


def report_on(tmp_path: Path, servers: dict[str, Any], probe: Probe, **rest: Any) -> Report:
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"servers": servers, **rest}))
    loaded = load_config(path, {"PATH": "/bin:/usr/bin"})
    return asyncio.run(examine(loaded, probe, {"PATH": "/bin:/usr/bin"}))


def test_a_server_that_answers_is_fine(tmp_path: Path) -> None:
    """Tools are counted as clients see them."""
    servers = {"a": {"command": "sh"}, "b": {"url": "http://h/?token=x", "tools": ["t"]}}
    report = report_on(tmp_path, servers, answering("t", "u"))
    a, b = report.servers
    assert report.ok
    assert (a.status, a.tool_count, a.executable_path) == ("ok", 2, "/bin/sh")
    assert (b.status, b.tool_count, b.command) == ("ok", 1, "http://h/?token=[redacted]")


@pytest.mark.parametrize(
    ("probe", "issue"),
    [
        (answering(error="it crashed"), "connect/list-tools failed: it crashed"),
        (failing, "connect/list-tools failed: [Errno 111] refused"),
        (silent, "connect/list-tools failed: no answer within 0.05 s (connectTimeoutMs)"),
    ],
)
def test_a_server_that_does_not_answer_is_an_error(tmp_path: Path, probe: Probe, issue: str) -> None:
    """The original calls it ok, or never comes back. Weak spot C3 of callmux (npm)."""
    report = report_on(tmp_path, {"a": SH, "b": SH}, probe, connectTimeoutMs=50)
    assert not report.ok
    assert [server.status for server in report.servers] == ["error", "error"]
    assert report.issues == [f"a: {issue}", f"b: {issue}"]


@pytest.mark.parametrize(
    ("entry", "issue"),
    [
        ({"command": "/no/such/program"}, 'command "/no/such/program" does not exist'),
        ({"command": "no-such-program"}, 'command "no-such-program" was not found on PATH'),
        ({"command": "/"}, 'command "/" is a directory'),
        ({**SH, "cwd": "/no/such/place"}, 'cwd "/no/such/place" is not a directory'),
        ({"command": "${NOT_THERE}"}, "servers.a.command uses ${NOT_THERE}"),
    ],
)
def test_what_cannot_start_is_not_asked(tmp_path: Path, entry: dict[str, Any], issue: str) -> None:
    report = report_on(tmp_path, {"a": entry}, never_asked)
    assert report.servers[0].status == "error"
    assert report.servers[0].issues[0].startswith(issue)


def test_a_disabled_server_is_no_error(tmp_path: Path) -> None:
    """Weak spot C3 of callmux (npm)."""
    servers = {"a": {"command": "/no/such/program", "disabled": True}}
    report = report_on(tmp_path, servers, never_asked)
    assert (report.ok, report.servers[0].status) == (True, "disabled")


def test_whitelisted_tools_that_are_not_there_are_named(tmp_path: Path) -> None:
    """Weak spot C4 of callmux (npm)."""
    servers = {"a": {**SH, "tools": ["get_item", "get_itm"], "alwaysLoad": ["zzz"]}}
    report = report_on(tmp_path, servers, answering("get_item", "create_item"))
    assert report.issues == [
        'a: tools names "get_itm", which the server does not have: did you mean "get_item"?',
        'a: alwaysLoad names "zzz", which the server does not have',
    ]
    assert report.servers[0].tool_count == 1


def test_values_of_variables_are_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"servers": {"a": {"command": "/bin/sh", "args": ["${WORD}"]}}}))
    loaded = load_config(path, {"WORD": "hunter2"})
    report = asyncio.run(examine(loaded, answering(), {}))
    assert report.servers[0].command == "/bin/sh ${WORD}"


def test_servers_are_asked_a_few_at_a_time(tmp_path: Path) -> None:
    now, most = 0, 0

    async def probe(
        name: str, server: object, *, timeout_seconds: float, base_dir: Path, **_: object
    ) -> ProbeResult:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1
        return ProbeResult([], None)

    report = report_on(tmp_path, dict.fromkeys("abcdef", SH), probe, maxConcurrency=2)
    assert [server.name for server in report.servers] == list("abcdef")
    assert most == 2


def findings(**document: Any) -> list[str]:
    checked = check_document({"servers": {}, **document})
    assert checked.errors == []
    return config_findings(checked.config)


def oidc(issuer: str, uri: str) -> list[str]:
    auth = {
        "mode": "oidc_jwt",
        "issuer": issuer,
        "audience": "a",
        "jwksUri": uri,
        "allowInsecureJwksUri": True,
    }
    return findings(auth=auth)


def test_a_configuration_without_dangers() -> None:
    assert findings() == []
    assert oidc("https://i", "https://i/j") == oidc("https://i", "http://[::1]/j") == []


def test_dangers_are_found() -> None:
    assert "allowInsecureRemoteListener is enabled" in findings(allowInsecureRemoteListener=True)[0]
    assert "without auth" in findings(authorization={"rules": [{"effect": "allow"}]})[0]
    assert "auth.issuer should use https://" in oidc("http://i", "https://i/j")[0]
    assert "auth.jwksUri should use https://" in oidc("https://i", "http://i/j")[0]


def test_a_root_for_files_that_is_not_there_is_found() -> None:
    """C18: it keeps the original from starting, and its `doctor` says ok."""
    assert findings(fileReferenceRoots=["/no/such/place"]) == [
        'fileReferenceRoots: "/no/such/place" is not a directory'
    ]


def test_tokens_are_looked_at() -> None:
    tokens = [{"id": "a", "token": "x"}, {"id": "a", "tokenRef": "env:X"}]
    auth = {"mode": "bearer", "tokens": tokens}
    assert findings(auth=auth) == [
        'auth.tokens["a"] uses a plaintext token: use hash ("callmux token hash") or tokenRef',
        'auth.tokens contains duplicate token id "a"',
    ]
    assert findings(management={"auth": auth})[0].startswith("management.auth.tokens")


def test_a_command_with_a_separator_counts_from_its_directory(tmp_path: Path) -> None:
    """There the process starts."""
    program = tmp_path / "run"
    program.write_text("#!/bin/sh\n")
    server = StdioServer(command="./run", cwd=str(tmp_path))
    assert find_command(server, {}) is None
    program.chmod(0o755)
    assert find_command(server, {}) == str(program)


def test_the_servers_own_path_wins(tmp_path: Path) -> None:
    program = tmp_path / "run"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    server = StdioServer(command="run", env={"PATH": str(tmp_path)})
    assert find_command(server, {"PATH": "/bin"}) == str(program)


def test_secrets_that_others_can_read_are_a_warning(tmp_path: Path) -> None:
    servers: dict[str, Any] = {
        "a": {**SH, "env": {"API_TOKEN": "x"}},
        "b": {"url": "http://h", "headers": {"Authorization": "Bearer ${TOKEN}"}},
        "c": {**SH, "env": {"LANG": "C"}},
    }

    def warnings(mode: int) -> list[str]:
        path = tmp_path / "c.json"
        path.write_text(json.dumps({"servers": servers}))
        path.chmod(mode)
        return asyncio.run(examine(load_config(path, {"TOKEN": "x"}), answering(), {})).warnings

    assert warnings(0o600) == []
    (warning,) = warnings(0o644)
    assert "(servers.a)" in warning
    assert "chmod 600" in warning
    servers["a"]["env"] = {}
    assert warnings(0o644) == []
    for entry in (
        {**SH, "args": ["--token=x1y2"]},
        {"url": "http://al:pw@h"},
        {"url": "http://h/?api_key=x"},
    ):
        servers["d"] = entry
        assert "(servers.d)" in warnings(0o644)[0]
    servers["d"] = {**SH, "args": ["--token=${TOKEN}", "-p", "80"]}
    assert warnings(0o644) == []


def test_servers_that_ask_for_the_token_of_clients_are_named() -> None:
    servers = {
        "crm": {"url": "https://u:p4ss@crm.example/mcp", "forwardHeaders": ["Authorization"]},
        "own": {"url": "https://own.example/mcp", "forwardHeaders": ["x-own-token"]},
    }
    bearer = {"mode": "bearer", "tokens": [{"id": "a", "tokenRef": "env:T"}]}
    oidc = {"mode": "oidc_jwt", "issuer": "https://i", "audience": "a", "jwksUri": "https://i/j"}

    def warnings(**more: Any) -> list[str]:
        checked = check_document({"servers": servers, **more})
        assert checked.errors == []
        return tokens_kept_back(checked.config)

    assert warnings() == []
    (kept,) = warnings(auth=bearer)
    assert kept.startswith('"crm"')
    assert "not passed on" in kept
    (sometimes,) = warnings(auth=oidc)
    assert "only where the audience" in sometimes
    assert "p4ss" not in sometimes


def test_a_certificate_that_a_listener_would_refuse_is_found(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    cert, key = authority.issue()
    assert findings(tls={"certFile": str(cert), "keyFile": str(key)}) == []
    other = authority.issue("other")[1]
    (found,) = findings(tls={"certFile": str(cert), "keyFile": str(other)})
    assert found.startswith(f"tls: {other} does not fit the certificate")


def test_proxies_that_are_everybody_are_found() -> None:
    controls = {"trustedProxies": ["10.0.0.0/8", "0.0.0.0/0"]}
    (found,) = findings(abuseControls=controls)
    assert found.startswith('abuseControls.trustedProxies: "0.0.0.0/0" is everybody')


def test_whoever_lets_clients_with_tokens_choose_any_directory_is_warned() -> None:
    servers = {"npx": SH, "everybody": {**SH, "cwdMode": "global"}, "far": {"url": "https://h/mcp"}}
    auth = {"mode": "bearer", "tokens": [{"id": "a", "tokenRef": "env:T"}]}

    def warnings(**more: Any) -> list[str]:
        checked = check_document({"servers": servers, **more})
        assert checked.errors == []
        return open_directories(checked.config)

    (warning,) = warnings(auth=auth)
    assert 'have "npx" started in any directory' in warning
    assert warnings() == warnings(auth=auth, sessionCwdRoots=[]) == []
    assert warnings(auth=auth, sessionCwdRoots=["/srv"]) == []


def test_what_a_preset_sets_is_in_the_report(tmp_path: Path) -> None:
    report = report_on(tmp_path, {"a": SH}, answering("t"), preset="lean", cacheTtlSeconds=5)
    assert report.cache_ttl_seconds == 5
    sets, instead = report.preset or []
    assert sets.startswith('Preset "lean" sets: metaOnly true')
    assert instead == "The file itself goes before it: cacheTtlSeconds 5 (not 60)"
    assert not report_on(tmp_path, {"a": SH}, answering("t")).preset
