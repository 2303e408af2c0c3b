"""The section `profiles`."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.config.check import check_document
from callmux.config.profiles import Profile
from callmux.config.security import Rule


def test_a_profile_becomes_what_its_keys_say() -> None:
    given = {
        "description": "for reviews",
        "servers": ["gh"],
        "tools": ["gh__get_*"],
        "rules": [{"effect": "deny", "tiers": ["destroy"]}],
        "defaultEffect": "allow",
        "principals": ["bearer:ci"],
        "directories": ["/w"],
        "persona": "code",
    }
    checked = check_document({"servers": {}, "profiles": {"review": given}})
    assert checked.errors == []
    assert checked.config.profiles == {
        "review": Profile(
            description="for reviews",
            servers=("gh",),
            tools=("gh__get_*",),
            rules=(Rule(effect="deny", tiers=("destroy",)),),
            principals=("bearer:ci",),
            directories=("/w",),
            persona="code",
        )
    }


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"directories": ["w"]}, "profiles.a.directories[0] must be an absolute path"),
        ({"rules": [{"effect": "x"}]}, 'profiles.a.rules[0].effect must be "allow" or "deny"'),
        (
            {"rules": [{"effect": "deny", "tiers": ["kill"]}]},
            'profiles.a.rules[0].tiers[0] must be "read", "write", or "destroy"',
        ),
        ({"servers": "gh"}, "profiles.a.servers must be an array"),
        ({"persona": "codx"}, 'profiles.a.persona must be "auto"'),
    ],
)
def test_what_is_wrong_is_named_by_its_place(given: Any, problem: str) -> None:
    errors = check_document({"servers": {}, "profiles": {"a": given}}).errors
    assert len(errors) == 1
    assert errors[0].startswith(problem.rpartition(" must")[0])
