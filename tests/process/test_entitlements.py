"""Who the client of a session is, which profile it has, and what follows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callmux.config.check import check_document
from callmux.config.model import Config
from callmux.guard.principal import Principal
from callmux.process.host import Host
from callmux.session.session import Session
from callmux.upstream.resources import Place
from tests.support import loop_clock, play

CI = Principal(kind="bearer", id="ci")


def config(**more: Any) -> Config:
    checked = check_document({"servers": {"a": {"command": "x"}}, **more})
    assert checked.errors == []
    return checked.config


RULES = {
    "defaultEffect": "deny",
    "rules": [{"effect": "allow", "principals": ["stdio:me"], "tools": ["a__*"]}],
}
PROFILES = {
    "here": {"directories": ["/here"]},
    "ci": {"principals": ["bearer:ci"]},
    "tools": {"tools": ["a__t"]},
}


def with_host(given: Config, test: Any, *, single: bool = True) -> None:
    async def scene() -> None:
        host = Host(given, Path("/"), {}, lambda *_: None, single=single, clock=loop_clock())
        session = Session(host.dispatch, lambda line: None)
        host.add(session)
        try:
            await test(host, session)
        finally:
            await host.close()

    play(scene())


def test_on_stdio_rules_apply_only_to_somebody_named() -> None:
    """One configuration for a listener and for stdio does not lock the user of this machine out."""

    async def free(host: Host, session: Session) -> None:
        assert host.unguarded
        assert host.entitlements.rights_of(session) is None
        assert host.entitlements.may_call(session, "a", "t")

    with_host(config(authorization=RULES), free)

    async def named(host: Host, session: Session) -> None:
        assert not host.unguarded
        assert session.facts.principal == Principal(kind="stdio", id="me")
        assert host.entitlements.may_call(session, "a", "t")
        assert not host.entitlements.may_read(session, Place("b", "x:"))

    with_host(config(authorization=RULES, stdioPrincipal="me"), named)

    async def other(host: Host, session: Session) -> None:
        assert not host.entitlements.may_call(session, "a", "t")

    with_host(config(authorization=RULES, stdioPrincipal="you"), other)


def test_a_reload_says_who_it_is_anew() -> None:
    async def test(host: Host, session: Session) -> None:
        host.runtime = host._runtime(config(authorization=RULES, stdioPrincipal="me"))
        host.entitlements.introduce(session)
        assert session.facts.principal == Principal(kind="stdio", id="me")
        host.runtime = host._runtime(config(authorization=RULES))
        host.entitlements.introduce(session)
        assert session.facts.principal is None

    with_host(config(), test)


def test_a_listener_is_under_the_rules_without_more() -> None:
    async def test(host: Host, session: Session) -> None:
        assert not host.unguarded
        assert not host.entitlements.may_call(session, "a", "t")
        session.facts.principal = Principal(kind="stdio", id="me")
        assert host.entitlements.may_call(session, "a", "t")

    with_host(config(authorization=RULES), test, single=False)


def test_the_profile_is_that_which_is_asked_for_else_the_default_else_that_of_the_directory() -> None:
    async def test(host: Host, session: Session) -> None:
        chosen = host.entitlements.chosen
        assert [chosen("tools", None, "/here"), chosen("", None, "/here"), chosen("", None, None)] == [
            "tools",
            "here",
            "",
        ]
        host.runtime = host._runtime(config(profiles=PROFILES, profile="tools"))
        assert chosen("", None, "/here") == "tools"
        assert host.entitlements.may_choose("ci", CI)
        assert not host.entitlements.may_choose("ci", None)
        assert not host.entitlements.may_choose("tools", CI)
        assert not host.entitlements.may_choose("gone", None)

    with_host(config(profiles=PROFILES), test, single=False)


def test_on_stdio_it_is_that_of_the_directory_callmux_was_started_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    profiles = {"here": {"directories": [str(tmp_path)], "tools": ["a__t"]}, "tools": {"tools": []}}

    async def test(host: Host, session: Session) -> None:
        assert session.facts.profile == "here"
        assert host.entitlements.may_call(session, "a", "t")
        assert not host.entitlements.may_call(session, "a", "u")

    with_host(config(profiles=profiles), test)

    async def named(host: Host, session: Session) -> None:
        assert session.facts.profile == "tools"
        assert not host.entitlements.may_call(session, "a", "t")

    with_host(config(profiles=profiles, profile="tools"), named)


@pytest.mark.parametrize(
    ("method", "told"),
    [("notifications/roots/list_changed", True), ("notifications/odd", False)],
)
def test_a_notification_goes_where_it_changes_nothing_or_is_allowed(method: str, told: bool) -> None:
    async def test(host: Host, session: Session) -> None:
        assert host.entitlements.may_tell(session, "a", method) is told
        assert list(host.entitlements.servers_of(session)) == ["a"]

    rules = {"defaultEffect": "deny", "rules": [{"effect": "allow", "tools": ["a__t"]}]}
    with_host(config(authorization=rules, stdioPrincipal="me"), test)
