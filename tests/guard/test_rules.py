"""Rules allow and deny, whatever their order; a denial is the stronger one and says which rule it is."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from callmux.config.check import check_document
from callmux.guard.principal import Principal
from callmux.guard.rules import AMBIGUOUS, DEFAULT_DENY, DENIED, Applying, Denial, Rules

OPS = Principal(kind="bearer", id="ops")
ANN = Principal(kind="oidc_jwt", id="ann", subject="ann", scopes=("mcp.read",), groups=("admins", "dev"))


def rules(*given: Any, default: str = "deny") -> Rules:
    document = {"servers": {}, "authorization": {"defaultEffect": default, "rules": list(given)}}
    checked = check_document(document)
    assert checked.errors == []
    assert checked.config.authorization is not None
    return Rules(checked.config.authorization.rules, default, "authorization")


def of(made: Rules, principal: Principal | None = OPS) -> Applying:
    return made.applying(made.concerning(principal))


def code(applying: Applying, *names: str, tier: str = "write") -> str | None:
    denial = applying.refusal(names, names, tier)
    return None if denial is None else denial.code


ALLOW = {"effect": "allow", "tools": ["a__*"]}
DENY = {"id": "no", "effect": "deny", "tools": ["*__drop"]}
THIRD = {"effect": "allow", "tools": ["b__x"]}


@pytest.mark.parametrize("order", list(permutations([ALLOW, DENY, THIRD])))
def test_the_order_of_rules_makes_no_difference(order: Any) -> None:
    applying = of(rules(*order))
    assert [code(applying, name) for name in ("a__get", "a__drop", "b__drop", "b__x", "c__y")] == [
        None,
        AMBIGUOUS,
        DENIED,
        None,
        DEFAULT_DENY,
    ]


def test_what_no_rule_fits_has_the_default_effect() -> None:
    assert code(of(rules(DENY, default="allow")), "a__get") is None
    assert code(of(rules(DENY)), "a__get") == DEFAULT_DENY


def test_a_denial_names_its_rule_and_an_unnamed_one_its_number() -> None:
    applying = of(rules(ALLOW, DENY, {"effect": "deny", "tools": ["q"]}))
    named, numbered = (applying.refusal((name,), (name,), "read") for name in ("b__drop", "q"))
    assert (named, numbered) == (
        Denial(DENIED, 'the rule "no" of authorization denies it', "no"),
        Denial(DENIED, 'the rule "rule_3" of authorization denies it', "rule_3"),
    )


@pytest.mark.parametrize(
    ("patterns", "principal", "meant"),
    [
        (None, OPS, True),
        ([], OPS, True),
        (["bearer:ops"], OPS, True),
        (["bearer:op"], OPS, False),
        (["Bearer:ops"], OPS, False),
        (["ops"], OPS, False),
        (["id:ops"], OPS, True),
        (["kind:bearer"], OPS, True),
        (["kind:oidc_jwt"], OPS, False),
        (["oidc:*"], ANN, False),
        (["oidc_jwt:*"], ANN, True),
        (["subject:ann"], ANN, True),
        (["scope:mcp.*"], ANN, True),
        (["scope:mcp"], ANN, False),
        (["scope:mcp-read"], ANN, False),
        (["group:dev"], ANN, True),
        (["group:ops", "*:ann"], ANN, True),
        (["*"], None, False),
        (None, None, True),
    ],
)
def test_a_rule_is_about_whom_one_of_its_patterns_fits(
    patterns: Any, principal: Principal | None, meant: bool
) -> None:
    made = rules({"effect": "allow"} | ({} if patterns is None else {"principals": patterns}))
    assert bool(made.concerning(principal)) is meant


@pytest.mark.parametrize(
    ("tiers", "fits"),
    [(None, "rwd"), ([], "rwd"), (["read"], "r"), (["write", "destroy"], "wd"), (["destroy"], "d")],
)
def test_a_rule_is_about_its_tiers_alone(tiers: Any, fits: str) -> None:
    rule = {"effect": "allow", "tools": ["a__*"]} | ({} if tiers is None else {"tiers": tiers})
    applying = of(rules(rule))
    allowed = [tier[0] for tier in ("read", "write", "destroy") if code(applying, "a__t", tier=tier) is None]
    assert "".join(allowed) == fits
    assert code(applying, "b__t", tier="read") == DEFAULT_DENY


def test_what_is_allowed_must_be_certainly_its_own_name_and_any_name_can_be_denied() -> None:
    applying = of(rules({"effect": "allow", "tools": ["gh__*"]}, DENY))
    assert code(applying, "evil__gh__get", "gh__get") is None
    denial = applying.refusal(("evil__gh__get", "gh__get"), ("evil__gh__get",), "read")
    assert denial is not None
    assert denial.code == DEFAULT_DENY
    denial = applying.refusal(("evil__x", "gh__drop"), ("evil__x",), "read")
    assert denial is not None
    assert denial.rule == "no"


def test_one_of_our_own_tools_is_denied_by_its_name_only() -> None:
    applying = of(rules({"effect": "deny"}, {"effect": "deny", "tools": ["*"]}, default="allow"))
    assert applying.named("callmux_status", "callmux_") is None
    applying = of(rules({"effect": "deny", "tools": ["x", "callmux_*_clear"]}, default="allow"))
    assert applying.named("callmux_status", "callmux_") is None
    assert applying.named("callmux_cache_clear", "callmux_") is not None


@pytest.mark.parametrize(
    ("tools", "possible"),
    [
        (["a__*"], True),
        (["a__get"], True),
        (["*"], True),
        (["*__get"], True),
        (["get_*"], True),
        (["b__*"], False),
        (["ab__*", "b__a__x"], False),
        (["a*__x"], True),
        (["x__a"], True),
        ([], True),
    ],
)
def test_it_is_known_whether_something_of_a_server_may_be_allowed(tools: Any, possible: bool) -> None:
    made = rules({"effect": "allow", "tools": tools})
    assert of(made).could_allow(["a", "x"]) is possible
    assert of(rules(DENY, default="allow")).could_allow(["a"])
