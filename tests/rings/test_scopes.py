"""Which calls need a directory or credentials of their own, and which are refused without."""

from __future__ import annotations

import logging
import os
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from callmux.config.check import check_document
from callmux.config.oauth import OAuth
from callmux.config.servers import HttpServer, divided
from callmux.context import Directory, Scope
from callmux.errors import SessionCwdRefused, SessionCwdUnresolved
from callmux.guard.principal import Principal
from callmux.plan import ToolCall
from callmux.rings.scopes import Scopes
from tests.support import FakeClient, context, planned, play

SERVERS: dict[str, Any] = {
    "local": {"command": "x"},
    "strict": {"command": "x", "requireSessionCwd": True, "cwd": "/configured"},
    "global": {"command": "x", "cwdMode": "global", "requireSessionCwd": True},
    "remote": {"url": "http://h/mcp", "forwardHeaders": ["Authorization", "x-key"]},
    "plain": {"url": "http://h/mcp"},
}


class Bench:
    def __init__(self, **more: Any) -> None:
        checked = check_document({"servers": SERVERS, **more})
        assert checked.errors == []
        self.unresolved: Counter[str] = Counter()
        self.scopes = Scopes(checked.config, self.unresolved)
        self.asks = False

    def of(
        self,
        server: str,
        cwd: str | None = None,
        arguments: bytes | None = None,
        method: str = "tools/call",
        found: Directory | str | None = "",
        **around: Any,
    ) -> Scope | None:
        """The scope of one call, of a client that works in `found`; empty for one on stdio."""
        raw = None if arguments is None else Raw(arguments)
        asked = ToolCall(spelling="t", cwd=cwd, arguments=raw)
        call = planned(
            server=server, method=method, target="t", asked=asked, arguments=raw, seconds=1, deadline=1
        )
        if not isinstance(found, str):

            async def ask() -> Directory | None:
                return found

            # Known at once, or asked for: the same.
            self.asks = not self.asks
            around["find_cwd"] = ask if self.asks else lambda: found
        call.context = context(**around)
        if self.scopes.is_plain(call):
            return None
        scope = self.scopes.of(call)
        return scope if scope is None or isinstance(scope, Scope) else play(scope)


def test_a_server_with_a_command_works_where_its_client_does() -> None:
    bench = Bench()
    assert bench.of("local", found=Directory("/a")) == Scope(cwd="/a")
    assert bench.of("local", cwd="/b", found=Directory("/a")) == Scope(cwd="/b")
    assert bench.of("local", cwd="/b") == Scope(cwd="/b")
    assert bench.of("local") is None
    assert not bench.unresolved["strict"]


def test_the_same_directory_in_two_spellings_is_one() -> None:
    bench = Bench()
    assert bench.of("local", cwd="/a//") == Scope(cwd="/a")
    assert bench.of("local", cwd="/") == Scope(cwd="/")


@pytest.mark.parametrize("server", ["global", "plain", "remote"])
def test_servers_that_serve_all_directories_alike_need_none(server: str) -> None:
    bench = Bench()
    assert bench.of(server, cwd="/a", found=Directory("/b")) is None
    assert bench.of(server, found=None) is None
    assert not bench.unresolved


def test_a_directory_that_nobody_knows_is_counted_and_the_call_goes_on() -> None:
    bench = Bench()
    assert bench.of("local", found=None) is None
    assert bench.of("local", found=None, method="resources/read") is None
    assert bench.unresolved == {"local": 2}


def test_a_server_that_must_know_the_directory_refuses_without_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    bench, client = Bench(), FakeClient()
    for _ in range(2):
        with pytest.raises(SessionCwdUnresolved) as refused:
            bench.of("strict", found=None, client=client)
    details = refused.value.details
    assert (details["server"], details["retryable"], details["callmuxCwd"]) == (
        "strict",
        False,
        "/configured",
    )
    assert "absolute paths" in str(details["hint"])
    assert bench.unresolved == {"strict": 2}
    assert len(caplog.messages) == 1
    assert bench.of("strict", found=Directory("/a")) == Scope(cwd="/a")


def test_on_stdio_only_what_a_call_names_counts() -> None:
    bench = Bench()
    with pytest.raises(SessionCwdUnresolved):
        bench.of("strict")
    assert bench.of("strict", cwd="/a") == Scope(cwd="/a")
    # Nothing but a call of a tool can name one.
    assert bench.of("strict", method="resources/read") is None


@pytest.mark.parametrize("arguments", [b'{"cwd":"/a"}', b'{"workingDirectory":" /a "}'])
def test_an_absolute_directory_among_the_arguments_lets_the_call_through(arguments: bytes) -> None:
    bench = Bench()
    assert bench.of("strict", arguments=arguments, found=None) is None
    assert not bench.unresolved


@pytest.mark.parametrize(
    "arguments", [b'{"cwd":"a"}', b'{"cwd":7}', b'{"x":{"cwd":"/a"}}', b"[1]", b'{"cwd"']
)
def test_other_arguments_do_not(arguments: bytes) -> None:
    with pytest.raises(SessionCwdUnresolved):
        Bench().of("strict", arguments=arguments, found=None)


def test_a_server_gets_the_headers_it_names_and_no_others() -> None:
    bench = Bench()
    given = {"authorization": "Bearer a", "x-key": "k", "cookie": "c"}
    assert bench.of("remote", headers=given, found=None) == Scope(
        headers=(("authorization", "Bearer a"), ("x-key", "k"))
    )
    assert bench.of("plain", headers=given, found=None) is None
    assert bench.of("local", headers=given, found=Directory("/a")) == Scope(cwd="/a")


def test_headers_of_one_connection_and_our_own_are_never_passed_on(caplog: pytest.LogCaptureFixture) -> None:
    forwarded = ["Host", "x-callmux-cwd", "connection", "mcp-session-id", "x-key"]
    bench = Bench(servers={"remote": {"url": "http://h/mcp", "forwardHeaders": forwarded}})
    given = {name.lower(): "v" for name in forwarded}
    assert bench.of("remote", headers=given, found=None) == Scope(headers=(("x-key", "v"),))
    assert len([message for message in caplog.messages if "never passed on" in message]) == 4


def test_who_is_elsewhere_works_inside_the_roots_only(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    (inside / "a").mkdir(parents=True)
    outside.mkdir()
    (inside / "link").symlink_to(outside)
    (tmp_path / "in2").mkdir()
    bench = Bench(sessionCwdRoots=[str(inside)])
    real = os.path.realpath(inside / "a")
    assert bench.of("local", cwd=str(inside / "a"), elsewhere=True, found=None) == Scope(cwd=real)
    for place in (outside, inside / "link", inside / ".." / "out", tmp_path / "in2", tmp_path / "nowhere"):
        with pytest.raises(SessionCwdRefused, match="outside configured sessionCwdRoots"):
            bench.of("local", elsewhere=True, found=Directory(str(place)))
    # The user of this machine goes anywhere.
    assert bench.of("local", found=Directory(str(outside))) == Scope(cwd=str(outside))


def test_who_has_a_token_works_inside_the_roots_only_wherever_it_is() -> None:
    bench = Bench(sessionCwdRoots=["/allowed"])
    for kind in ("bearer", "oidc_jwt"):
        someone = Principal(kind=kind, id="eve")
        with pytest.raises(SessionCwdRefused):
            bench.of("local", principal=someone, found=Directory("/tmp"))
        assert bench.of("local", principal=someone, found=Directory("/allowed/a")) == Scope(cwd="/allowed/a")
    # On stdio the principal is the user of this machine.
    assert bench.of("local", cwd="/tmp", principal=Principal(kind="stdio", id="me")) == Scope(cwd="/tmp")


@pytest.mark.parametrize("around", [{"elsewhere": True}, {"principal": Principal(kind="bearer", id="eve")}])
def test_with_no_roots_at_all_nobody_chooses_a_directory(around: dict[str, Any]) -> None:
    bench = Bench(sessionCwdRoots=[])
    # The bridge says with every request where its client works: that stops no call.
    assert bench.of("local", found=Directory("/home/eve"), **around) is None
    assert bench.unresolved == {"local": 1}
    with pytest.raises(SessionCwdRefused):
        bench.of("local", cwd="/home/eve", found=None, **around)
    with pytest.raises(SessionCwdRefused):
        bench.of("strict", found=Directory("/home/eve"), **around)
    with pytest.raises(SessionCwdUnresolved):
        bench.of("strict", found=None, **around)
    # A user of this machine without a token is not meant.
    assert bench.of("local", found=Directory("/home/me")) == Scope(cwd="/home/me")


def test_roots_of_another_machine_do_not_name_a_directory() -> None:
    """Its client says where it works there; that need not be a directory here."""
    bench = Bench(sessionCwdRoots=["/allowed"])
    assert bench.of("local", elsewhere=True, found=Directory("/theirs", named=False)) is None
    assert bench.unresolved == {"local": 1}


def test_without_roots_configured_any_directory_will_do() -> None:
    assert Bench().of("local", elsewhere=True, found=Directory("/a")) == Scope(cwd="/a")


OIDC = {
    "mode": "oidc_jwt",
    "issuer": "https://id.example/",
    "audience": ["callmux", "https://shared.example"],
    "jwksUri": "https://id.example/keys",
}


@pytest.mark.parametrize(
    ("url", "audiences", "passed"),
    [
        ("https://crm.example/mcp", ["callmux", "https://crm.example/mcp"], True),
        ("https://crm.example/mcp", ["https://CRM.example:443/mcp/"], True),
        ("https://crm.example/mcp?tenant=1", ["https://crm.example/mcp"], True),
        ("https://crm.example/mcp", ["https://crm.example"], True),
        ("https://crm.example/mcp", ["https://crm.example/"], True),
        ("https://[::1]:8443/mcp", ["https://[::1]:8443/mcp"], True),
        ("https://crm.example/mcp", [], False),
        ("https://crm.example/mcp", ["callmux"], False),
        ("https://crm.example/mcp", ["https://crm.example/other"], False),
        ("https://crm.example/mcp", ["https://crm.example/m"], False),
        ("https://crm.example/mcp", ["https://crm.example.evil/mcp"], False),
        ("https://crm.example/mcp", ["http://crm.example/mcp"], False),
        ("https://crm.example/mcp", ["https://crm.example:8443/mcp"], False),
        ("https://crm.example/mcp", ["https://[x", "https://h:port", ""], False),
        ("https://shared.example/crm/mcp", ["https://shared.example"], False),
        (
            "https://shared.example/crm/mcp",
            ["https://shared.example", "https://shared.example/crm/mcp"],
            True,
        ),
    ],
)
def test_a_token_of_an_issuer_goes_only_to_a_server_that_it_names(
    url: str, audiences: list[str], passed: bool
) -> None:
    bench = Bench(servers={"crm": {"url": url, "forwardHeaders": ["authorization", "x-key"]}}, auth=OIDC)
    given = {"authorization": "Bearer t", "x-key": "k"}
    scope = bench.of("crm", headers=given, audiences=tuple(audiences), found=None)
    assert scope is not None
    assert dict(scope.headers) == (given if passed else {"x-key": "k"})


def test_where_tokens_are_for_callmux_alone_the_log_names_servers_that_ask_for_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    auth = {"mode": "bearer", "tokens": [{"id": "ops", "token": "t"}]}
    asking = {"url": "https://crm.example", "forwardHeaders": ["authorization"]}
    bench = Bench(servers={"crm": asking}, auth=auth)
    assert '"crm": forwardHeaders names authorization' in caplog.text
    assert bench.of("crm", headers={"authorization": "Bearer t"}, audiences=(), found=None) is None


def test_a_server_that_principals_sign_in_to_has_a_scope_for_each_of_them() -> None:
    bench = Bench()
    entry = HttpServer(url="http://h/mcp", oauth=OAuth(), forward_headers=("x-key",))
    config = msgspec.structs.replace(check_document({"servers": {}}).config, servers={"own": divided(entry)})
    bench.scopes = Scopes(config, bench.unresolved)
    ann = Principal(kind="bearer", id="ann")
    assert bench.of("own", principal=ann) == Scope(owner="bearer:ann")
    forwarded = bench.of("own", principal=ann, headers={"x-key": "k"})
    assert forwarded == Scope(headers=(("x-key", "k"),), owner="bearer:ann")
    assert bench.of("own", principal=Principal(kind="stdio", id="me")) is None
    assert bench.of("own") is None
