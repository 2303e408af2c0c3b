"""A rule that can fit nobody, or nothing, is named."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.config.check import check_document
from callmux.doctor.checks import config_findings
from callmux.doctor.rights import idle_rules


def idle(**document: Any) -> list[str]:
    servers = {"gh": {"command": "x", "prefix": "hub"}, "lin": {"command": "x"}}
    checked = check_document({"servers": servers, **document})
    assert checked.errors == []
    found = idle_rules(checked.config)
    assert set(found) <= set(config_findings(checked.config))
    return found


def rule(**more: Any) -> Any:
    return {"rules": [{"effect": "allow", **more}]}


@pytest.mark.parametrize(
    "principal", ["bearer:ops", "*", "b*", "*:ops", "oidc_jwt:*", "scope:x", "kind:*", "group:a*b", "sub*:x"]
)
def test_names_that_principals_have_are_fine(principal: str) -> None:
    assert idle(authorization=rule(principals=[principal])) == []


@pytest.mark.parametrize("principal", ["oidc:*", "ops", "Bearer:ops", "x*", ""])
def test_a_principal_that_nobody_can_be_is_named(principal: str) -> None:
    (found,) = idle(authorization=rule(principals=["id:a", principal]))
    assert found.startswith("authorization.rules[0].principals[1]: ")


@pytest.mark.parametrize(
    "tool", ["gh__*", "hub__get", "get_*", "*__get", "g*__x", "callmux_get_result", "lin__file:///*"]
)
def test_patterns_that_may_fit_are_fine(tool: str) -> None:
    assert idle(authorization=rule(tools=[tool]), profiles={"p": {"tools": [tool]}}) == []


def test_a_server_that_is_not_there_is_named() -> None:
    profile = {
        "servers": ["gh", "l*", "git*"],
        "tools": ["git__x"],
        "principals": ["ci"],
        **rule(tools=["x__y"]),
    }
    found = idle(profiles={"p": profile})
    assert [line.partition(": ")[0] for line in found] == [
        "profiles.p.rules[0].tools[0]",
        "profiles.p.principals[0]",
        "profiles.p.tools[0]",
        "profiles.p.servers[2]",
    ]
