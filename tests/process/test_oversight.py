"""One configuration's rights at work: what is loaded for them, and what they say of somebody."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from callmux.guard.principal import Principal
from callmux.process.host import Host
from callmux.session.session import Session
from callmux.upstream.resources import Place
from tests.process.test_entitlements import config, with_host

ANN = Principal(kind="bearer", id="ann")
RULES = {"defaultEffect": "deny", "rules": [{"effect": "allow", "principals": ["*:ann"], "tools": ["a__*"]}]}


def test_calls_places_notifications_and_servers_are_judged_by_the_same_rules() -> None:
    async def test(host: Host, session: Session) -> None:
        made = host.runtime.oversight
        assert made is not None
        assert made.may_call(ANN, "", "a", "t")
        assert not made.may_call(None, "", "a", "t")
        assert made.may_read(ANN, "", Place("a", "x:"))
        assert not made.may_read(ANN, "", Place("b", "x:"))
        assert made.may_tell(ANN, "", "a", "notifications/odd")
        assert not made.may_tell(None, "", "a", "notifications/progress")
        assert made.seen_by(ANN, "") == {"a"}
        assert made.seen_by(None, "") == frozenset()

    with_host(config(authorization=RULES), test, single=False)


@pytest.mark.parametrize(
    ("more", "single", "there"),
    [
        ({}, False, False),
        ({"authorization": RULES}, True, False),
        ({"authorization": RULES}, False, True),
        ({"authorization": RULES, "stdioPrincipal": "me"}, True, True),
        ({"profiles": {"p": {}}}, True, True),
    ],
)
def test_there_is_none_where_nothing_applies(more: Any, single: bool, there: bool) -> None:
    async def test(host: Host, session: Session) -> None:
        assert (host.runtime.oversight is not None) is there
        stages = [type(stage).__name__ for stage in host.runtime.workings.order.request]
        assert ("Authorizing" in stages) is there

    with_host(config(**more), test, single=single)


def test_nothing_of_it_is_loaded_where_nothing_applies() -> None:
    code = "import sys, callmux.process.host; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    loaded = set(done.stdout.split())
    own = {"guard.rights", "guard.rules", "guard.wanted", "guard.uris", "guard.profiles"}
    own |= {"rings.authorizing", "router.sight", "process.oversight", "metatools.own_part"}
    assert not {f"callmux.{name}" for name in own} & loaded
