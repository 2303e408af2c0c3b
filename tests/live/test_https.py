"""A listener that speaks https, with callmux's own clients and with whoever tries something else."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import warnings
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import Authority
from tests.support import SECONDS, eventually, free_port

from .harness import callmux, environment, python_server, run, stdio, text_of, write_config
from .test_listener import HELLO, request, run_listener


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def _config(tmp_path: Path, pair: tuple[Path, Path]) -> Path:
    tls = {"certFile": pair[0].name, "keyFile": pair[1].name}
    servers = {"a": stdio(python_server("ledger_server.py", tmp_path / "ledger"))}
    return write_config(tmp_path / "config.json", servers, tls=tls)


def _connection(port: int, authority: Authority) -> http.client.HTTPSConnection:
    context = ssl.create_default_context(cafile=str(authority.file))
    return http.client.HTTPSConnection("localhost", port, timeout=SECONDS, context=context)


def _shown(connection: http.client.HTTPSConnection) -> str:
    """The name in the certificate that a connection got."""
    assert isinstance(connection.sock, ssl.SSLSocket)
    subject: Any = (connection.sock.getpeercert() or {})["subject"]
    return str(dict(pair for entry in subject for pair in entry)["commonName"])


def _health(connection: http.client.HTTPSConnection) -> Any:
    connection.request("GET", "/health")
    answer = connection.getresponse()
    assert answer.status == 200
    return json.loads(answer.read())


def _shows(port: int, authority: Authority, name: str) -> bool:
    return _now_shown(port, authority) == name


def _now_shown(port: int, authority: Authority) -> str:
    connection = _connection(port, authority)
    _health(connection)
    name = _shown(connection)
    connection.close()
    return name


def test_a_renewed_certificate_is_shown_and_open_connections_go_on(
    tmp_path: Path, authority: Authority
) -> None:
    port = free_port()
    cert, key = authority.issue("one")
    with run_listener(tmp_path, _config(tmp_path, (cert, key)), port) as process:
        kept = _connection(port, authority)
        _health(kept)
        assert _shown(kept) == "one"
        for name in ("two", "three"):
            new_cert, new_key = authority.issue(name)
            new_key.replace(key)
            new_cert.replace(cert)
            if name == "three":
                process.send_signal(signal.SIGHUP)
            eventually(partial(_shows, port, authority, name), "the renewed certificate")
            assert _health(kept)["pid"] == process.pid
            assert _shown(kept) == "one"
        authority.issue("four")[1].replace(key)
        log = tmp_path / "listener.log"
        eventually(lambda: "does not fit the certificate" in log.read_text(), "the bad key to be refused")
        assert _now_shown(port, authority) == "three"
        kept.close()


def test_the_next_version_takes_over_with_https(tmp_path: Path, authority: Authority) -> None:
    port = free_port()
    cert, key = authority.issue("one")
    with run_listener(tmp_path, _config(tmp_path, (cert, key)), port) as process:
        new_cert, new_key = authority.issue("two")
        # It takes signals once it answers.
        assert _now_shown(port, authority) == "one"
        process.send_signal(signal.SIGUSR2)

        def pid() -> int:
            connection = _connection(port, authority)
            found: int = _health(connection)["pid"]
            connection.close()
            return found

        eventually(lambda: pid() != process.pid, "the new process")
        new_key.replace(key)
        new_cert.replace(cert)
        eventually(lambda: _now_shown(port, authority) == "two", "the certificate in the new process")
        os.kill(pid(), signal.SIGTERM)


def test_our_own_clients_speak_https_with_an_authority_of_ones_own(
    tmp_path: Path, authority: Authority
) -> None:
    port = free_port()
    url = f"https://localhost:{port}/mcp"
    trusting = {"SSL_CERT_FILE": str(authority.file)}
    with run_listener(tmp_path, _config(tmp_path, authority.issue()), port):

        def said(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "callmux", *words, "--url", url]
            whole = environment(tmp_path, "none") | env
            return subprocess.run(command, env=whole, capture_output=True, text=True, timeout=60, check=False)

        arguments = json.dumps({"token": "x"})
        done = said("call", "write", arguments, **trusting)
        assert (done.returncode, "x" in done.stdout) == (0, True), done.stderr
        assert said("doctor", **trusting).returncode == 0
        for command in (["call", "write", arguments], ["doctor"], ["tools", "list"]):
            refused = said(*command)
            text = refused.stdout + refused.stderr
            assert refused.returncode != 0
            assert "its certificate is not trusted" in text
            assert "Is it running?" not in text
            assert "SSL_CERT_FILE" in text

        async def bridged(env: dict[str, str]) -> str:
            async with callmux(tmp_path, "bridge", "--url", url, env=env) as client:
                await client.initialize()
                return text_of(await client.call("write", {"token": "y"}))

        assert "y" in run(bridged(trusting))
        assert "its certificate is not trusted" in run(bridged({}))


def test_who_does_not_speak_tls_or_speaks_an_old_one_disturbs_nobody(
    tmp_path: Path, authority: Authority
) -> None:
    port = free_port()
    with run_listener(tmp_path, _config(tmp_path, authority.issue()), port):
        for nonsense in (
            b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"\x16\x03\x01\xff\xff" * 50,
            b"",
        ):
            with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as raw:
                raw.sendall(nonsense)
                raw.shutdown(socket.SHUT_WR)
                assert b"HTTP/1.1 200" not in raw.recv(100)
        old = ssl.create_default_context(cafile=str(authority.file))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        with (
            socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as raw,
            pytest.raises((ssl.SSLError, OSError)),
        ):
            old.wrap_socket(raw, server_hostname="localhost")
        context = ssl.create_default_context(cafile=str(authority.file))
        with (
            socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as sealed,
        ):
            sealed.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\nx: " + b"x" * 100_000)
            assert sealed.recv(100).startswith(b"HTTP/1.1 431 ")
        connection = _connection(port, authority)
        connection.request(
            "POST",
            "/mcp",
            json.dumps(request(1, "initialize", HELLO)),
            {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"},
        )
        assert connection.getresponse().status == 200
        connection.close()


@pytest.mark.parametrize("how", ["flags", "configuration"])
def test_a_certificate_that_cannot_be_used_keeps_it_from_listening(
    how: str, tmp_path: Path, authority: Authority
) -> None:
    cert, key = authority.issue(begins=timedelta(days=-3), ends=timedelta(days=-1))
    words = [sys.executable, "-m", "callmux", "--listen", str(free_port())]
    if how == "flags":
        words += ["--tls-cert", str(cert), "--tls-key", str(key), "--", "cat"]
    else:
        words += ["--config", str(_config(tmp_path, (cert, key)))]
    done = subprocess.run(
        words, env=environment(tmp_path, "none"), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert f"{cert} expired on" in done.stderr


def test_without_a_configuration_file_hanging_up_ends_nothing(tmp_path: Path, authority: Authority) -> None:
    port = free_port()
    cert, key = authority.issue("one")
    words = [sys.executable, "-m", "callmux", "--listen", str(port), "--tls-cert", str(cert)]
    server = python_server("ledger_server.py", tmp_path / "ledger")
    with subprocess.Popen(
        [*words, "--tls-key", str(key), "--", *server], env=environment(tmp_path, "none")
    ) as process:
        try:

            def answers(name: str) -> bool:
                try:
                    return _now_shown(port, authority) == name
                except OSError:
                    return False

            eventually(lambda: answers("one"), "the listener")
            new_cert, new_key = authority.issue("two")
            new_key.replace(key)
            new_cert.replace(cert)
            process.send_signal(signal.SIGHUP)
            eventually(lambda: answers("two"), "the renewed certificate")
            assert process.poll() is None
        finally:
            process.terminate()
            process.wait(20)


def test_the_metadata_of_a_listener_with_https_names_an_address_of_https(
    tmp_path: Path, authority: Authority
) -> None:
    port = free_port()
    path = _config(tmp_path, authority.issue("one"))
    auth = {"mode": "bearer", "tokens": [{"id": "ops", "token": "t"}]}
    path.write_text(json.dumps({**json.loads(path.read_text()), "auth": auth}))
    with run_listener(tmp_path, path, port):
        connection = _connection(port, authority)
        connection.request("POST", "/mcp", "{}")
        refused = connection.getresponse()
        refused.read()
        where = f"https://localhost:{port}/.well-known/oauth-protected-resource/mcp"
        assert f'resource_metadata="{where}"' in refused.headers["WWW-Authenticate"]
        connection.request("GET", "/.well-known/oauth-protected-resource/mcp")
        assert json.loads(connection.getresponse().read())["resource"] == f"https://localhost:{port}/mcp"
        connection.close()
