"""A profile has a part of what there is; and who gets which."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.config.check import check_document
from callmux.guard.principal import Principal
from callmux.guard.profiles import Profiles

CI = Principal(kind="bearer", id="ci")
ANN = Principal(kind="bearer", id="ann")


def profiles(**given: Any) -> Profiles:
    checked = check_document({"servers": {}, "profiles": given})
    assert checked.errors == []
    return Profiles(checked.config.profiles)


MADE = profiles(
    work={"servers": ["gh", "lin*"], "directories": ["/w"]},
    deep={"tools": ["gh__*"], "directories": ["/w/deep/", "/other"]},
    ci={"principals": ["bearer:ci"]},
    ci2={"principals": ["*:ci"]},
    none={"servers": [], "directories": ["/nothing"]},
    no_tools={"tools": []},
)


@pytest.mark.parametrize(
    ("profile", "server", "name", "kind", "has"),
    [
        ("work", "gh", "gh__t", "tool", True),
        ("work", "linear", "linear__t", "tool", True),
        ("work", "other", "other__t", "tool", False),
        ("work", "gh", "x", "offer", True),
        ("work", "other", "x", "offer", False),
        ("deep", "gh", "gh__t", "tool", True),
        ("deep", "lin", "lin__t", "tool", False),
        ("deep", "lin", "uri", "offer", True),
        ("deep", "lin", "x/y", "method", False),
        ("none", "gh", "gh__t", "tool", False),
        ("no_tools", "gh", "gh__t", "tool", False),
        ("no_tools", "gh", "p", "offer", True),
    ],
)
def test_it_has_what_its_lists_name(profile: str, server: str, name: str, kind: str, has: bool) -> None:
    part = MADE.get(profile)
    assert part is not None
    denial = part.refusal(server, [name], kind)
    assert (denial is None) is has
    assert denial is None or profile in denial.reason


def test_who_is_named_by_a_profile_gets_that_and_no_other() -> None:
    assert [name for name in ("work", "ci", "ci2", "gone") if MADE.may_choose(name, CI)] == ["ci", "ci2"]
    assert [name for name in ("work", "ci", "ci2", "gone") if MADE.may_choose(name, ANN)] == ["work"]
    assert [name for name in ("work", "ci", "gone") if MADE.may_choose(name, None)] == ["work"]
    assert [MADE.holding(name, CI) for name in ("", "work", "ci2")] == ["ci", "ci", "ci2"]
    assert [MADE.holding(name, ANN) for name in ("", "work")] == ["", "work"]


@pytest.mark.parametrize(
    ("directory", "profile"),
    [
        (None, ""),
        ("/", ""),
        ("/w", "work"),
        ("/w/", "work"),
        ("/w/x/y", "work"),
        ("/wide", ""),
        ("/w/deep", "deep"),
        ("/w/deep/er", "deep"),
        ("/w/deeper", "work"),
        ("/w/deep/../x", "work"),
        ("/other/../w", "work"),
        ("/elsewhere", ""),
    ],
)
def test_a_directory_gives_the_nearest_profile_around_it(directory: str | None, profile: str) -> None:
    assert MADE.for_directory(directory, ANN) == profile
    assert MADE.for_directory(directory, CI) == ""


def test_how_many_there_are_is_known() -> None:
    assert len(MADE) == 6
    assert len(profiles()) == 0
