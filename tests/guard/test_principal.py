"""A principal has the names that rules use."""

from __future__ import annotations

from typing import Any

from callmux.guard.principal import Principal, signer_of


def test_every_name_that_a_rule_may_use_is_there() -> None:
    found = Principal(
        kind="oidc_jwt", id="ann", subject="ann", scopes=("mcp:read", "mcp:write"), groups=("ops",)
    )
    assert found.label == "oidc_jwt:ann"
    assert found.names == (
        "oidc_jwt:ann",
        "id:ann",
        "kind:oidc_jwt",
        "subject:ann",
        "scope:mcp:read",
        "scope:mcp:write",
        "group:ops",
    )


def test_a_bearer_token_has_neither_subject_nor_scopes() -> None:
    assert Principal(kind="bearer", id="ops").names == ("bearer:ops", "id:ops", "kind:bearer")


def test_equal_principals_are_one_key() -> None:
    given: dict[str, Any] = {"kind": "bearer", "id": "ops"}
    assert len({Principal(**given, groups=("a",)), Principal(**given, groups=("a",))}) == 1


def test_a_principal_signs_in_for_itself_and_the_user_of_this_machine_for_everybody() -> None:
    assert signer_of(None) == ""
    assert signer_of(Principal(kind="stdio", id="me")) == ""
    assert signer_of(Principal(kind="oidc_jwt", id="ann")) == "oidc_jwt:ann"
