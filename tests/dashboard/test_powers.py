"""Who may do what at the dashboard, and what people are told who may not."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.dashboard.powers import (
    NO_CLIENT,
    NO_MANAGER,
    NO_PERSON,
    NO_RULE,
    NO_TOKENS,
    NOBODY,
    OFF,
    SIGN_IN,
    Powers,
    WhoLooks,
    powers_of,
)
from callmux.guard.browsers import Browser, ShownCredential
from callmux.guard.grant import Grant, Standing
from callmux.guard.principal import Principal

CLIENT = Principal(kind="bearer", id="ops")
MANAGER = Principal(kind="management", id="boss")
OPERATOR = Principal(kind="operator", id="me")


def found(principal: Principal) -> ShownCredential:
    return ShownCredential(Grant(principal=principal, standing=Standing()), principal, 0.0)


def visitor(**what: Any) -> Browser:
    return Browser(csrf="c", began=0.0, seen=0.0, **what)


def of(**what: Any) -> Powers:
    usual: dict[str, Any] = {
        "visitor": None,
        "principal": None,
        "is_allowed": True,
        "asks": True,
        "has_rules": False,
        "has_managers": True,
        "managed": True,
    }
    return powers_of(WhoLooks(**{**usual, **what}))


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ({}, (SIGN_IN,) * 5),
        ({"principal": CLIENT, "is_allowed": False}, (NO_RULE,) * 5),
        ({"principal": CLIENT}, ("", "", NO_MANAGER, NO_MANAGER, NO_MANAGER)),
        ({"principal": CLIENT, "has_managers": False}, ("", "", NO_TOKENS, NO_TOKENS, NO_TOKENS)),
        ({"asks": False, "managed": False}, ("", "", NO_MANAGER, NO_MANAGER, NO_MANAGER)),
        ({"asks": False, "has_rules": True}, ("", NOBODY, NO_MANAGER, NO_MANAGER, NO_MANAGER)),
        (
            {"visitor": visitor(manager=found(MANAGER)), "principal": MANAGER, "is_allowed": False},
            ("", NO_CLIENT, "", "", ""),
        ),
        (
            {"visitor": visitor(client=found(CLIENT), manager=found(MANAGER)), "principal": CLIENT},
            ("", "", "", "", ""),
        ),
        (
            {"visitor": visitor(operator=OPERATOR), "principal": OPERATOR, "managed": False},
            ("", "", "", OFF, NO_PERSON),
        ),
        ({"visitor": visitor(operator=OPERATOR, person=True), "principal": OPERATOR}, ("", "", "", "", "")),
    ],
)
def test_what_each_may(who: dict[str, Any], expected: tuple[str, ...]) -> None:
    powers = of(**who)
    assert (powers.look, powers.call, powers.steer, powers.manage, powers.approve) == expected


def test_the_page_is_told_what_it_may_and_why_not() -> None:
    assert Powers(manage="because").shown() == {
        "may": {"look": True, "call": True, "steer": True, "manage": False, "approve": True},
        "why": {"manage": "because"},
    }
