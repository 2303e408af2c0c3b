"""Whose results are shielded, and at which limits."""

from __future__ import annotations

from callmux.config.results import ResponseShield, ServerShield
from callmux.rings.shield.compact import Limits
from callmux.rings.shield.policy import Policies

DEFAULT = Limits(65536, 8192, 50)


def test_a_server_goes_before_the_global_keys() -> None:
    policies = Policies(ResponseShield(max_array_items=9), {"a": ServerShield(max_string_chars=7), "b": None})
    assert policies.limits("a", ["t", "a__t"]) == Limits(65536, 7, 9)
    assert policies.limits("b", ["t", "b__t"]) == Limits(65536, 8192, 9)
    assert policies.limits(None, ["callmux_batch"]) == Limits(65536, 8192, 9)
    assert policies.lowest == Limits(65536, 7, 9)


def test_a_server_chooses_its_own_previews() -> None:
    general, own = ResponseShield(preview="beginning"), ServerShield(preview="sample")
    policies = Policies(general, {"a": own, "b": None})
    assert [policies.limits(name, ["t"]).reads_on for name in ("a", "b", None)] == [False, True, True]  # type: ignore[union-attr]
    policies = Policies(ResponseShield(), {"a": ServerShield(preview="beginning")})
    assert policies.limits("a", ["t"]) == Limits(65536, 8192, 50, reads_on=True)
    assert policies.lowest == DEFAULT


def test_switches_of_both_levels() -> None:
    off = Policies(ResponseShield(enabled=False), {"a": ServerShield(enabled=True), "b": None})
    assert off.limits("a", ["t", "a__t"]) == DEFAULT
    assert off.limits("b", ["t", "b__t"]) is None
    assert off.limits(None, ["callmux_batch"]) is None
    assert Policies(ResponseShield(enabled=False), {"b": None}).lowest is None


def test_the_lists_of_both_levels_count_together_and_deny_is_stronger() -> None:
    policies = Policies(
        ResponseShield(allow_tools=("list_*",), deny_tools=("list_secret",)),
        {"a": ServerShield(allow_tools=("get",), deny_tools=("a__list_b",)), "b": None},
    )
    assert policies.limits("a", ["list_x", "a__list_x"])
    assert policies.limits("a", ["get", "a__get"])
    assert policies.limits("b", ["get", "b__get"]) is None
    assert policies.limits("a", ["list_secret", "a__list_secret"]) is None
    assert policies.limits("a", ["list_b", "a__list_b"]) is None
    assert policies.limits("b", ["list_b", "b__list_b"])


def test_an_empty_allow_list_allows_nothing() -> None:
    assert Policies(ResponseShield(allow_tools=()), {"a": None}).limits("a", ["t", "a__t"]) is None


def test_the_server_counts_not_the_spelling() -> None:
    """The original split the name as called at its first `__`. Weak spot W16 of callmux (npm)."""
    policies = Policies(ResponseShield(), {"my__srv": ServerShield(enabled=False)})
    assert policies.limits("my__srv", ["rows", "my__srv__rows", "bb__rows"]) is None
