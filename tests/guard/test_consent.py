"""Which calls wait for a person."""

from __future__ import annotations

import pytest

from callmux.guard.consent import NEVER, Consent
from callmux.guard.tiers import DESTROY, READ, TIERS, WRITE, of_method

TOOL = "tools/call"


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ([READ], {READ, WRITE, DESTROY}),
        ([WRITE], {WRITE, DESTROY}),
        ([DESTROY], {DESTROY}),
        ([DESTROY, WRITE], {WRITE, DESTROY}),
        ([], set()),
    ],
)
def test_a_tier_stands_for_those_above_it(given: list[str], asked: set[str]) -> None:
    consent = Consent(given)
    assert {tier for tier in TIERS if consent.asks(TOOL, tier, ["t", "s__t"])} == asked


@pytest.mark.parametrize(
    ("pattern", "asked"),
    [("gh__delete_*", True), ("delete_*", True), ("delete", False), ("*", True), ("other__*", False)],
)
def test_a_pattern_means_a_tool_by_any_of_its_names(pattern: str, asked: bool) -> None:
    assert Consent([pattern]).asks(TOOL, READ, ["delete_repo", "gh__delete_repo"]) is asked


def test_tiers_and_patterns_add_up() -> None:
    consent = Consent(["destroy", "gh__*"])
    assert consent.asks(TOOL, DESTROY, ["t", "s__t"])
    assert consent.asks(TOOL, READ, ["t", "gh__t"])
    assert not consent.asks(TOOL, WRITE, ["t", "s__t"])


def test_a_tool_that_has_the_name_of_a_tier_is_meant_by_its_whole_name() -> None:
    assert not Consent(["destroy"]).asks(TOOL, WRITE, ["destroy", "s__destroy"])
    assert Consent(["s__destroy"]).asks(TOOL, WRITE, ["destroy", "s__destroy"])


@pytest.mark.parametrize("method", sorted(NEVER))
def test_what_a_program_does_by_itself_is_never_asked_about(method: str) -> None:
    assert not Consent(["read", "*"]).asks(method, of_method(method), [method, f"s__{method}"])


@pytest.mark.parametrize("method", ["prompts/get", "resources/read"])
def test_prompts_and_resources_are_read(method: str) -> None:
    spelled = [method, f"s__{method}"]
    assert Consent(["read"]).asks(method, of_method(method), spelled)
    assert Consent(["s__*"]).asks(method, of_method(method), spelled)
    assert not Consent(["write"]).asks(method, of_method(method), spelled)


def test_a_method_that_nobody_knows_may_write() -> None:
    assert Consent(["write"]).asks("x/y", of_method("x/y"), ["x/y", "s__x/y"])
