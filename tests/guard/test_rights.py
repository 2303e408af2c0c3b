"""One place decides: by rules and profile, once for all to whom the same applies."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.config.check import check_document
from callmux.guard import rights as module
from callmux.guard.principal import Principal
from callmux.guard.rights import Permissions, Rights, denied
from callmux.guard.rules import PROFILE, Denial
from callmux.guard.wanted import METHOD, Wanted

SERVERS = {"gh": {"command": "x", "prefix": "g"}, "lin": {"command": "x"}}


def permissions(*, authorized: bool = True, servers: Any = None, **document: Any) -> Permissions:
    checked = check_document({"servers": servers or SERVERS, **document})
    assert checked.errors == []
    reserved = frozenset({"callmux_get_result"})
    return Permissions(checked.config, authorized=authorized, reserved=reserved)


def rules(*given: Any, default: str = "deny") -> Any:
    return {"defaultEffect": default, "rules": list(given)}


def somebody(id: str = "ann", **more: Any) -> Principal:
    return Principal(kind="bearer", id=id, **more)


def tool(server: str, bare: str, tier: str = "write") -> Wanted:
    prefix = {"gh": ("g__" + bare,)}.get(server, ())
    return Wanted(server, bare, (bare, f"{server}__{bare}", *prefix), tier)


def code(rights: Rights, *wanted: Wanted) -> str | None:
    denial = rights.of(wanted)
    return None if denial is None else denial.code


GET = {"effect": "allow", "principals": ["bearer:ann"], "tools": ["gh__get_*"]}
OPS = {"effect": "allow", "principals": ["bearer:ops"]}


def test_verdicts_follow_the_rules_of_whoever_asks() -> None:
    made = permissions(authorization=rules(GET, OPS))
    ann, ops, eve = [made.of(somebody(id)) for id in ("ann", "ops", "eve")]
    assert [code(ann, tool("gh", name)) for name in ("get_x", "put")] == [None, "authorization_default_deny"]
    assert code(ops, tool("lin", "put")) is None
    assert code(eve, tool("gh", "get_x")) == "authorization_default_deny"


def test_where_authorization_applies_nobody_may_do_nothing() -> None:
    made = permissions(authorization=rules({"effect": "allow"}, default="allow"))
    nobody = made.of(None)
    assert code(nobody, tool("gh", "get_x")) == "authorization_principal_missing"
    assert nobody.of_meta_tool("callmux_status") is not None
    assert not nobody.could_use("gh")


def test_where_it_does_not_apply_all_may_do_everything_and_share_everything() -> None:
    made = permissions(authorized=False, authorization=rules(GET))
    rights = made.of(None)
    assert code(rights, tool("lin", "put")) is None
    assert rights.digest == ""
    assert rights is made.of(somebody())


def test_those_to_whom_the_same_applies_share_their_rights() -> None:
    made = permissions(authorization=rules(GET, OPS))
    assert made.of(somebody("eve")) is made.of(somebody("bob", scopes=("x",)))
    assert made.of(somebody("ann")) is not made.of(somebody("eve"))


def test_a_digest_stands_for_what_holds_and_not_for_whom_or_when() -> None:
    """Results that are kept over a reload belong to whom the same holds afterwards."""
    before = permissions(authorization=rules(GET, OPS))
    same = permissions(authorization=rules(OPS, {**GET, "id": "named"}))
    assert before.of(somebody()).digest == same.of(somebody()).digest
    others = [
        permissions(authorization=rules(GET, OPS, default="allow")),
        permissions(authorization=rules({**GET, "tiers": ["read"]}, OPS)),
        permissions(authorization=rules({**GET, "effect": "deny"}, OPS)),
        permissions(authorization=rules(GET), profiles={"p": {"principals": ["id:ann"]}}),
        permissions(authorization=rules(GET), servers={"gh": {"command": "x", "tiers": {"get_x": "read"}}}),
    ]
    digests = [made.of(somebody()).digest for made in others]
    assert len({before.of(somebody()).digest, "", *digests}) == 7


def test_a_server_cannot_choose_a_name_that_is_allowed_to_another() -> None:
    made = permissions(
        authorization=rules({"effect": "allow", "tools": ["gh__*", "g__*", "callmux_get_result"]})
    )
    rights = made.of(somebody())
    for bare in ("gh__get", "g__get", "callmux_get_result"):
        assert code(rights, tool("lin", bare)) == "authorization_default_deny"
        assert code(rights, tool("gh", bare)) is None


def test_a_verdict_is_reached_once_for_each_route(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[Any] = []
    judge = Rights._judge

    def counted(self: Rights, target: Any, *more: Any) -> Any:
        judged.append(target)
        return judge(self, target, *more)

    monkeypatch.setattr(Rights, "_judge", counted)
    made = permissions(authorization=rules(GET))
    rights, route = made.of(somebody()), tool("gh", "get_x")
    for _ in range(3):
        assert made.of(somebody()).of_route(route) is None
        assert rights.of([route]) is None
    assert len(judged) == 2
    made.forget()
    rights.of_route(route)
    assert len(judged) == 3


def test_whoever_makes_names_up_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 10)
    made = permissions(authorization=rules(GET))
    for n in range(100):
        rights = made.of(somebody(f"n{n}"))
        rights.of([tool("gh", f"get_{n}")])
        rights.of_route(tool("gh", f"get_{n}"))
        assert len(rights._wanted) <= 10
        assert len(rights._routes) <= 10
    assert len(made._known) <= 10


def test_a_profile_takes_away_and_gives_nothing() -> None:
    profiles = {"p": {"servers": ["gh"], "rules": [{"effect": "allow", "tools": ["*"]}]}}
    made = permissions(authorization=rules(GET), profiles=profiles)
    rights = made.of(somebody(), "p")
    assert code(rights, tool("gh", "get_x")) is None
    assert code(rights, tool("gh", "put")) == "authorization_default_deny"
    assert code(rights, tool("lin", "get_x")) == PROFILE
    assert rights.could_use("gh")
    assert not rights.could_use("lin")


def test_the_rules_of_a_profile_hold_beside_the_others() -> None:
    profiles = {"p": {"rules": [{"id": "tame", "effect": "deny", "tiers": ["destroy"]}]}}
    made = permissions(authorized=False, profiles=profiles)
    rights = made.of(None, "p")
    assert code(rights, tool("gh", "drop", "destroy")) == "authorization_denied"
    assert code(rights, tool("gh", "put")) is None
    denial = rights.of([tool("gh", "drop", "destroy")])
    assert denial is not None
    assert 'profile "p"' in denial.reason


@pytest.mark.parametrize(
    ("profile", "why"), [("gone", "not in the configuration"), ("ci", "not for this client")]
)
def test_a_profile_that_is_not_to_be_had_leaves_nothing(profile: str, why: str) -> None:
    made = permissions(authorized=False, profiles={"ci": {"principals": ["bearer:ci"]}})
    denial = made.of(somebody(), profile).of([tool("gh", "get")])
    assert denial is not None
    assert denial.code == PROFILE
    assert why in denial.reason
    assert made.of(somebody("ci"), "gone").of([tool("gh", "get")]) is None


def test_our_own_tools_do_what_their_caller_may_but_for_pages() -> None:
    made = permissions(authorization=rules(GET, {"effect": "deny", "tools": ["callmux_cache_*"]}))
    rights = made.of(somebody())
    assert rights.of_meta_tool("callmux_status") is None
    assert rights.of_meta_tool("callmux_cache_clear") is not None
    assert rights.of_meta_tool("callmux_get_result", must_be_allowed=True) is not None
    allowed = permissions(authorization=rules({"effect": "allow", "tools": ["callmux_get_*"]}))
    assert allowed.of(somebody()).of_meta_tool("callmux_get_result", must_be_allowed=True) is None


def test_every_form_of_a_thing_must_be_allowed() -> None:
    made = permissions(authorization=rules({"effect": "allow", "tools": ["gh__file:///public/*"]}))
    rights = made.of(somebody())

    def read(uri: str) -> str | None:
        return code(rights, *made.namespace.offer("gh", uri))

    assert read("file:///public/a%20b") is None
    for uri in (
        "file:///public/../s",
        "file:///public/%2e%2e/s",
        "file:///public/..%5cs",
        "file:///s",
        "file:///public/%23/../../s",
        "file:///public/a%2fb/../../s",
        "file:///public/a\\b/../../s",
        "file:///public/.\n./s",
    ):
        assert read(uri) == "authorization_default_deny"


def test_a_denied_uri_is_denied_in_every_spelling() -> None:
    rule = {"effect": "deny", "tools": ["gh__file:///s"]}
    made = permissions(authorization=rules(rule, default="allow"))
    rights = made.of(somebody())
    for uri in (
        "file:///s",
        "FILE:///s",
        "file:///a/../s",
        "file:///%73",
        "file:///s#x",
        "file:///s?x",
        "file:///s/",
        "file:/s",
        "file://localhost/s",
        "file:///a/%3F/../../s",
        "file:///a/b%2fc/../../s",
        "file:///a/b\\c/../../s",
        " file:///s",
        "file:///.\t/s",
        "file:///s%00.txt",
    ):
        assert code(rights, *made.namespace.offer("gh", uri)) == "authorization_denied", uri
    assert code(rights, *made.namespace.offer("gh", "file:///sx")) is None


def test_a_uri_that_is_too_long_to_be_judged_is_denied_where_rules_apply() -> None:
    long = "file:///public/" + "a/../" * 100_000
    made = permissions(authorization=rules({"effect": "deny", "tools": ["x"]}, default="allow"))
    assert code(made.of(somebody()), *made.namespace.offer("gh", long)) == "authorization_denied"
    free = permissions(authorized=False)
    assert code(free.of(None), *free.namespace.offer("gh", long)) is None


def test_verdicts_about_long_names_are_not_kept() -> None:
    made = permissions(authorization=rules(GET))
    rights = made.of(somebody())
    for number in range(10):
        rights.of(made.namespace.offer("gh", f"file:///{'x' * 5000}{number}"))
        rights.of([Wanted("gh", "x" * 5000 + str(number), ("x" * 5000 + str(number),))])
    assert len(rights._wanted) == 0


def test_a_method_is_in_a_profile_with_tools_only_by_name() -> None:
    made = permissions(authorized=False, profiles={"p": {"tools": ["gh__*"]}})
    rights = made.of(None, "p")
    assert code(rights, *made.namespace.request("gh", "x/y", "x/y")) is None
    assert code(rights, Wanted("lin", "x/y", ("x/y", "lin__x/y"), "write", METHOD)) == PROFILE


def test_the_error_says_which_rule_it_was() -> None:
    error = denied(Denial("authorization_denied", "because", "r"), "gh__t")
    assert error.message.startswith('"gh__t" is not allowed: because. ')
    assert error.details == {
        "code": "authorization_denied",
        "reason": "because",
        "ruleId": "r",
        "tool": "gh__t",
    }
    assert "ruleId" not in denied(Denial("c", "because")).details


def test_they_show_how_much_is_known_of_whom() -> None:
    found = permissions()
    rights = found.of(somebody())
    assert repr(found) == "Permissions(1 known, 1 kinds)"
    assert repr(rights) == f"Rights({rights.digest!r}, 0 routes)"


def test_all_who_may_use_nothing_for_the_same_reason_are_one_kind() -> None:
    allowed = {"effect": "allow", "principals": ["bearer:ann"], "tools": ["*"]}
    found = permissions(authorization=rules(allowed))
    first, second = found.of(None), found.of(None, "any")
    assert first is second
    assert first.nothing is not None


def test_those_in_force_are_the_last_of_all_that_followed() -> None:
    first, second, third = permissions(), permissions(), permissions()
    assert first.latest is first
    first.successor, second.successor = second, third
    assert first.latest is second.latest is third


def test_a_very_long_name_is_judged_and_not_kept() -> None:
    rights = permissions(authorization=rules(GET)).of(somebody())
    assert rights.of_route(tool("gh", "get_" + "x" * module.LONGEST)) is None
    refusal = rights.of_route(tool("gh", "put_" + "x" * module.LONGEST))
    assert refusal is not None
    assert rights._routes == {}


def test_a_profile_may_name_the_persona_of_its_clients() -> None:
    made = permissions(profiles={"ci": {"persona": "code"}, "work": {"servers": ["gh"]}}, authorized=False)
    assert made.of(None, "ci").persona == "code"
    assert made.of(None, "work").persona is None
    assert made.of(None).persona is None
    assert made.of(None, "gone").persona is None
